/* SPDX-License-Identifier: MIT */
/* Reading a recording: open, verify, then packet after packet. Memory stays the same whatever the recording's size. */
#ifndef DEVICE_RECORDING_READER_H
#define DEVICE_RECORDING_READER_H

#include <stddef.h>
#include <sys/types.h>

#include "device/recording_format.h"

/* Read-only after verify: cursors of several threads may share it. */
struct recording {
	char *path; /* owned */
	int fd;	    /* owned */
	uint64_t bytes;
	struct recording_header header;
	struct recording_tally tally; /* what verify has found */
};

/*
 * Open @path and read its header. All errors are VFIOMIG_PREFLIGHT, and nothing is left open then:
 *   -ENODEV           there is none; -EACCES and others of open(2); -EISDIR, -ENOTSUP: it is no regular file
 *   -EPROTONOSUPPORT  a version to come
 *   -EBADMSG          "recording-damaged": not what was written, and at which offset it goes wrong
 */
int recording_open(struct recording *recording, const char *path, struct vfiomig_error *err);

/* Read all of it: is every byte what was written? -EBADMSG as above; errnos of read(2). */
int recording_verify(struct recording *recording, struct vfiomig_error *err);

/* A half-open one is fine; zeroed with fd -1, too. */
void recording_close(struct recording *recording);

/* A place in a recording; the caller's, no clean-up. The recording must outlive it. */
struct recording_cursor {
	const struct recording *recording;
	struct recording_packet packet;	    /* the present one */
	uint8_t head[RECORDING_HEAD_BYTES]; /* as it stands in the file */
	uint64_t packet_at;		    /* where in the file it begins */
	uint64_t next_at;		    /* where in the file the next one does */
	uint64_t next_index;
	uint32_t payload_crc;
	uint32_t crc;  /* of the payload read so far */
	uint32_t left; /* of the payload */
};

/* To before the first packet. */
void recording_rewind(struct recording_cursor *cursor, const struct recording *recording);

/* To before packet @index of a verified recording. -ERANGE: it has no such packet; -EBADMSG as below. */
int recording_seek(struct recording_cursor *cursor, const struct recording *recording, uint64_t index,
		   struct vfiomig_error *err);

/* On to the next packet; what was not read of the last one is passed over. 1, 0 after the last, -EBADMSG. */
int recording_next(struct recording_cursor *cursor, struct vfiomig_error *err);

/*
 * Up to @bytes of the packet's payload. Returns the bytes, 0 when there are no more, or -EBADMSG, at the latest with the
 * payload's last bytes, if they are not what was recorded.
 */
ssize_t recording_read(struct recording_cursor *cursor, void *to, size_t bytes, struct vfiomig_error *err);

#endif
