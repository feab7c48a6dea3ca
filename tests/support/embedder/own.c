/* SPDX-License-Identifier: MIT */
#include "own.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

uint8_t content[OWN_BYTES_MAX];
size_t content_bytes;
atomic_bool source_committed;

static int describe(void *dev, struct vfiomig_device_info *info, struct vfiomig_error *err)
{
	(void)dev, (void)err;
	strcpy(info->driver, "embedder");
	info->migration_flags = VFIOMIG_MIGRATION_STOP_COPY | VFIOMIG_MIGRATION_P2P;
	info->expected_bytes = content_bytes;
	info->numa_node = -1;
	return 0;
}

static void set_runs(struct own *this, bool runs)
{
	atomic_store(&this->runs, runs);
	if (runs && atomic_load(&this->other->runs))
		wrong("both run");
	if (runs && !this->source && !atomic_load(&source_committed))
		wrong("the destination runs, and the source was never committed");
}

static bool is_content(int fd)
{
	uint8_t *got = malloc(OWN_BYTES_MAX + 1);
	bool same = got && pread(fd, got, OWN_BYTES_MAX + 1, 0) == (ssize_t)content_bytes &&
		    !memcmp(got, content, content_bytes);

	free(got);
	return same;
}

static int set_state(void *dev, enum vfiomig_state target, struct vfiomig_error *err)
{
	struct own *this = dev;

	(void)err;
	if (this->state == VFIOMIG_STATE_RESUMING && !is_content(this->fd))
		return -EINVAL;
	if (this->fd >= 0)
		close(this->fd);
	this->fd = -1;
	if (target == VFIOMIG_STATE_STOP_COPY || target == VFIOMIG_STATE_RESUMING)
		this->fd = memfd_create("state", MFD_CLOEXEC);
	if (target == VFIOMIG_STATE_STOP_COPY &&
	    (write(this->fd, content, content_bytes) != (ssize_t)content_bytes || lseek(this->fd, 0, SEEK_SET)))
		return -EIO;
	this->state = target;
	set_runs(this, target == VFIOMIG_STATE_RUNNING || target == VFIOMIG_STATE_RUNNING_P2P);
	return 0;
}

static enum vfiomig_state get_state(void *dev)
{
	return ((struct own *)dev)->state;
}

static int data_fd(void *dev)
{
	return ((struct own *)dev)->fd;
}

static int reset(void *dev, struct vfiomig_error *err)
{
	struct own *this = dev;

	(void)err;
	if (this->source)
		wrong("a source's device is reset");
	if (this->fd >= 0)
		close(this->fd);
	this->fd = -1;
	this->state = VFIOMIG_STATE_RUNNING; /* with its power-on state, which no guest knows */
	return 0;
}

const struct vfiomig_device_ops own_ops = { .size = sizeof(own_ops),
					    .describe = describe,
					    .set_state = set_state,
					    .get_state = get_state,
					    .data_fd = data_fd,
					    .reset = reset };
