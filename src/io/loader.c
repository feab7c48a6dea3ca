/* SPDX-License-Identifier: MIT */
/*
 * The part that both kinds of loader share: which one it is, what is written next, and what the device's answers mean.
 * Whatever the kind, one write is under way at a time, so that the stream's order needs no argument.
 */
#include "io/loader.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "io/loader_kind.h"
#include "io/pieces.h"
#include "io/wait.h"

static int open_kind(struct loader **out, const struct loader_config *config, struct vfiomig_error *err)
{
	if (config->kind == VFIOMIG_LOADER_WRITE)
		return loader_write_open(out, config->fd, err);
	if (config->kind == VFIOMIG_LOADER_URING)
		return loader_uring_open(out, config->fd, err);
	/* Whatever keeps us from a ring (no such call, a filter, a limit), write(2) does the same work. */
	if (!loader_uring_open(out, config->fd, NULL))
		return 0;
	return loader_write_open(out, config->fd, err);
}

int loader_open(struct loader **out, const struct loader_config *config, struct vfiomig_error *err)
{
	int rc;

	*out = NULL;
	rc = open_kind(out, config, err);
	if (!rc)
		(*out)->config = *config;
	return rc;
}

void loader_watch(struct loader *loader, struct call_watch call)
{
	loader->call = call;
}

const char *loader_name(const struct loader *loader)
{
	return loader->kind->name;
}

uint64_t loader_at(const struct loader *loader)
{
	return loader->at;
}

static int fail(struct loader *loader, ssize_t result)
{
	uint64_t at = loader->at;
	int meaning = explain_result(&loader->config.explain, result, &at);

	loader->at = at;
	/* No bytes and no error either: never an end, here. ECANCELED is the session's word, not a device's. */
	return meaning >= 0 || meaning == -ECANCELED ? -EIO : meaning;
}

/* Bytes taken, 0 for "again", or the failure. */
static ssize_t write_once(struct loader *loader, const struct iovec *run)
{
	const struct loader_config *config = &loader->config;
	ssize_t result;
	int rc = loader->kind->write(loader, run, &result);

	if (rc)
		return rc;
	if (result > 0)
		return result;
	if (result == -EINTR)
		return 0;
	if (result == -EAGAIN && wait_may_block(config->fd))
		return wait_ready(config->fd, POLLOUT, config->cancel_fd);
	return fail(loader, result);
}

int loader_write(struct loader *loader, const struct iovec *pieces, unsigned count)
{
	struct pieces rest = { .next = pieces, .count = count, .split = loader->config.split };
	struct iovec run;

	assert(count <= LOADER_PIECES_MAX);
	while ((run = pieces_run(&rest)).iov_len) {
		ssize_t taken = wait_ready(-1, 0, loader->config.cancel_fd);

		if (!taken)
			taken = write_once(loader, &run);
		if (taken < 0)
			return (int)taken;
		loader->at += (size_t)taken;
		pieces_take(&rest, (size_t)taken);
	}
	return 0;
}

void loader_close(struct loader *loader)
{
	if (loader)
		loader->kind->close(loader);
}
