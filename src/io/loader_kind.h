/* SPDX-License-Identifier: MIT */
/* What the two kinds of loader give to their common front. Nobody but src/io/loader*.c includes this. */
#ifndef IO_LOADER_KIND_H
#define IO_LOADER_KIND_H

#include "io/loader.h"

struct loader_kind {
	const char *name;

	/*
	 * One write of @run at the stream's present place, waited for. 0: *@result is what the device answered, bytes or
	 * a negative errno. Otherwise -ECANCELED (cancel_fd) or what the kernel had against the call, and in either
	 * case nothing touches the run's memory any more.
	 */
	int (*write)(struct loader *loader, const struct iovec *run, ssize_t *result);

	/* Releases the whole object. */
	void (*close)(struct loader *loader);
};

/* The first member of either kind's own struct. */
struct loader {
	const struct loader_kind *kind;
	struct loader_config config;
	struct call_watch call; /* for the kind to tell, where its call cannot be cancelled */
	uint64_t at;		/* bytes that the device has taken */
};

/* Each sets *@out, whose kind and config the front fills in, or returns an error as loader_open does. */
extern const struct loader_kind loader_uring_kind, loader_write_kind;
int loader_uring_open(struct loader **out, int fd, struct vfiomig_error *err);
int loader_write_open(struct loader **out, int fd, struct vfiomig_error *err);

#endif
