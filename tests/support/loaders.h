/* SPDX-License-Identifier: MIT */
/* Both kinds of loader, one after the other; where this machine has no io_uring, the kinds that it has. */
#ifndef SUPPORT_LOADERS_H
#define SUPPORT_LOADERS_H

#include <criterion/criterion.h>

#include <stdbool.h>
#include <unistd.h>

#include "io/loader.h"

static inline bool loaders_have_uring(void)
{
	struct loader_config config = { .kind = VFIOMIG_LOADER_URING, .fd = STDERR_FILENO, .cancel_fd = -1 };
	struct loader *loader;

	if (loader_open(&loader, &config, NULL))
		return false;
	loader_close(loader);
	return true;
}

/* Where to start: for (enum vfiomig_loader kind = loaders_first(); kind <= VFIOMIG_LOADER_WRITE; kind++) */
static inline enum vfiomig_loader loaders_first(void)
{
	return loaders_have_uring() ? VFIOMIG_LOADER_URING : VFIOMIG_LOADER_WRITE;
}

static inline void loaders_need_uring(void)
{
	if (!loaders_have_uring())
		cr_skip_test("no io_uring here; sysctl kernel.io_uring_disabled=0, outside of a container, allows it");
}

/* Opens what must open; closed by the caller. */
static inline struct loader *loader_here(const struct loader_config *config)
{
	struct vfiomig_error err = { 0 };
	struct loader *loader = NULL;

	cr_assert_eq(loader_open(&loader, config, &err), 0, "%s", err.text);
	return loader;
}

#endif
