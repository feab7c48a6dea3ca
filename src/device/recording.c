/* SPDX-License-Identifier: MIT */
/*
 * Writes a recording in one pass and with little memory, whatever its size. What fails once has failed: a recording with a
 * hole would be worse than none.
 */
#include "device/recording.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/error.h"
#include "device/recording_format.h"

/* Used by one thread at a time. */
struct recorder {
	char path[PATH_MAX];
	char beside[PATH_MAX]; /* where it is written until it is complete, "" if at path itself, or no more */
	int fd;		       /* owned; non-blocking */
	int cancel_fd;	       /* the caller's; -1: none */
	int failure;	       /* negative errno of the first call that failed */
	struct recording_tally tally;
};

static int failed(struct recorder *recorder, enum vfiomig_code code, int rc, struct vfiomig_error *err)
{
	recorder->failure = rc;
	if (rc == -ECANCELED)
		code = VFIOMIG_CANCELLED;
	return error_set(err, code, -rc, "recording-write", "the recording %s cannot be written: %s", recorder->path,
			 strerror(-rc));
}

/* Until there is room: whoever reads a pipe may take its time, and the devices stand still meanwhile. */
static int await_room(const struct recorder *recorder)
{
	struct pollfd fds[2] = { { recorder->fd, POLLOUT, 0 }, { recorder->cancel_fd, POLLIN, 0 } };

	while (poll(fds, 2, -1) < 0)
		if (errno != EINTR)
			return -errno;
	return fds[1].revents ? -ECANCELED : 0;
}

/* All of @parts, which are used up. 0 or a negative errno. */
static int write_all(const struct recorder *recorder, struct iovec *parts, int count)
{
	int rc = 0;

	while (count && !rc) {
		ssize_t put;

		if (!parts->iov_len) {
			parts++;
			count--;
			continue;
		}
		put = writev(recorder->fd, parts, count);
		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0 && errno == EAGAIN) {
			rc = await_room(recorder);
			continue;
		}
		if (put <= 0)
			return put < 0 ? -errno : -EIO;
		for (int i = 0; i < count && put; i++) {
			size_t part = (size_t)put < parts[i].iov_len ? (size_t)put : parts[i].iov_len;

			parts[i].iov_base = (char *)parts[i].iov_base + part;
			parts[i].iov_len -= part;
			put -= (ssize_t)part;
		}
	}
	return rc;
}

/* A device or a pipe is written as it is, if anybody reads it; only a file can be replaced, and must not be half of one. */
static int open_file(struct recorder *recorder)
{
	struct stat is;

	if (!stat(recorder->path, &is) && !S_ISREG(is.st_mode)) {
		recorder->fd = open(recorder->path, O_WRONLY | O_CLOEXEC | O_NONBLOCK);
		return recorder->fd < 0 ? -errno : 0;
	}
	if (snprintf(recorder->beside, sizeof(recorder->beside), "%s.part.XXXXXX", recorder->path) >=
	    (int)sizeof(recorder->beside)) {
		recorder->beside[0] = 0;
		return -ENAMETOOLONG;
	}
	recorder->fd = mkostemp(recorder->beside, O_CLOEXEC); /* mode 0600: a device's state is its guest's secret */
	if (recorder->fd >= 0)
		return 0;
	recorder->beside[0] = 0;
	return -errno;
}

static int write_header(struct recorder *recorder, const struct vfiomig_device_info *info, const char *name)
{
	uint8_t bytes[RECORDING_HEADER_BYTES];
	struct recording_header header = { .info = *info };

	snprintf(header.name, sizeof(header.name), "%s", name);
	recording_header_encode(bytes, &header);
	return write_all(recorder, &(struct iovec){ bytes, sizeof(bytes) }, 1);
}

int recorder_open(struct recorder **out, const char *path, const struct vfiomig_device_info *info, const char *name,
		  struct vfiomig_error *err)
{
	struct recorder *recorder;
	int rc;

	*out = NULL;
	if (strlen(path) >= sizeof(recorder->path))
		return error_set(err, VFIOMIG_PREFLIGHT, ENAMETOOLONG, "recording-write",
				 "the recording's path is too long");
	recorder = calloc(1, sizeof(*recorder));
	if (!recorder)
		return error_set(err, VFIOMIG_INTERNAL, ENOMEM, NULL, "no memory for a recording");
	recorder->fd = recorder->cancel_fd = -1;
	memcpy(recorder->path, path, strlen(path));
	recording_tally_init(&recorder->tally);
	rc = open_file(recorder);
	if (!rc)
		rc = write_header(recorder, info, name);
	if (rc) {
		failed(recorder, VFIOMIG_PREFLIGHT, rc, err);
		recorder_close(recorder);
		return rc;
	}
	*out = recorder;
	return 0;
}

void recorder_cancel_by(struct recorder *recorder, int cancel_fd)
{
	recorder->cancel_fd = cancel_fd;
}

int recorder_put(struct recorder *recorder, const struct recording_packet *packet, const void *payload,
		 struct vfiomig_error *err)
{
	uint8_t head[RECORDING_HEAD_BYTES];
	struct iovec parts[] = { { head, sizeof(head) }, { (void *)(uintptr_t)payload, packet->bytes } };
	const char *objection;
	uint64_t at = recorder->tally.summary.file_bytes;
	int rc;

	if (recorder->failure)
		return failed(recorder, VFIOMIG_DEVICE, recorder->failure, err);
	objection = recording_tally_objection(&recorder->tally, packet);
	if (objection)
		return error_set(err, VFIOMIG_DEVICE, EINVAL, "recording-order",
				 "packet %" PRIu64 " cannot be recorded: %s", packet->index, objection);
	recording_head_encode(head, packet, recording_crc(0, payload, packet->bytes));
	rc = write_all(recorder, parts, 2);
	if (rc)
		return failed(recorder, VFIOMIG_DEVICE, rc, err);
	recording_tally_add(&recorder->tally, packet, at, head);
	return 0;
}

static int write_end(struct recorder *recorder)
{
	uint8_t index[RECORDING_INDEX_BYTES_MAX], end[RECORDING_END_BYTES];
	struct iovec parts[] = { { index, recording_index_encode(index, &recorder->tally.index) },
				 { end, sizeof(end) } };

	recorder->tally.summary.file_bytes += parts[0].iov_len + sizeof(end);
	recording_end_encode(end, &recorder->tally.summary);
	return write_all(recorder, parts, 2);
}

/* The name is on the disk when its folder is. */
static int sync_folder(const char *path)
{
	char folder[PATH_MAX];
	const char *slash = strrchr(path, '/');
	int fd, rc;

	snprintf(folder, sizeof(folder), "%.*s", slash ? (int)(slash - path) + 1 : 1, slash ? path : ".");
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	rc = fsync(fd) && errno != EINVAL ? -errno : 0; /* EINVAL: of a file system that cannot */
	close(fd);
	return rc;
}

static int take_name(struct recorder *recorder)
{
	if (!recorder->beside[0])
		return 0;
	if (fsync(recorder->fd) || rename(recorder->beside, recorder->path))
		return -errno;
	recorder->beside[0] = 0;
	return sync_folder(recorder->path);
}

int recorder_finish(struct recorder *recorder, struct vfiomig_error *err)
{
	int rc;

	if (recorder->failure)
		return failed(recorder, VFIOMIG_DEVICE, recorder->failure, err);
	if (!recorder->tally.complete)
		return error_set(err, VFIOMIG_DEVICE, EINVAL, "recording-order",
				 "the recording %s cannot be finished: its config packet is missing", recorder->path);
	rc = write_end(recorder);
	if (!rc)
		rc = take_name(recorder);
	recorder->failure = -EINVAL; /* nothing more may come */
	return rc ? failed(recorder, VFIOMIG_DEVICE, rc, err) : 0;
}

void recorder_close(struct recorder *recorder)
{
	if (!recorder)
		return;
	if (recorder->fd >= 0)
		close(recorder->fd);
	if (recorder->beside[0])
		unlink(recorder->beside);
	free(recorder);
}
