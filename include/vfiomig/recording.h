/* SPDX-License-Identifier: MIT */
/* Reading a recording: what `send --to file:PATH` has made of one device, and a `file:PATH` device plays. */
#ifndef VFIOMIG_RECORDING_H
#define VFIOMIG_RECORDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <vfiomig/device.h>
#include <vfiomig/error.h>

#ifdef __cplusplus
extern "C" {
#endif

struct vfiomig_recording;

struct vfiomig_recording_totals {
	uint64_t packets;	/* the config packet among them */
	uint64_t bytes;		/* of the stream: config not among them */
	uint64_t precopy_bytes; /* of the stream, before STOP_COPY */
	uint32_t config_bytes;	/* of the config state */
	uint32_t
		digest; /* CRC32C over the heads of all packets, each with flags, index, bytes and the payload's CRC32C */
	uint64_t file_bytes;
};

struct vfiomig_recording_packet {
	uint64_t index;
	uint64_t stream_at; /* where in the stream it begins */
	uint64_t file_at;   /* where in the file its head is */
	uint32_t bytes;	    /* of payload */
	uint32_t crc;	    /* CRC32C of the payload */
	bool precopy;	    /* read before the device had stopped */
	bool config;	    /* the last one: the config state */
};

/*
 * Open the recording @path and read all of it: from then on every byte is known to be what was written. On success
 * *@out is the caller's to close; one thread at a time. On failure it is NULL, with VFIOMIG_PREFLIGHT:
 *   -ENODEV           there is none; errnos of open(2) and read(2); -EISDIR, -ENOTSUP: it is no regular file
 *   -EPROTONOSUPPORT  a version to come
 *   -EBADMSG          truncated or altered, and at which offset ("recording-damaged")
 * or -ENOMEM (VFIOMIG_INTERNAL).
 */
int vfiomig_recording_open(struct vfiomig_recording **out, const char *path, struct vfiomig_error *err);

/*
 * What the device was, with the config space as it was found before anything was stopped; its name, "" if it had none.
 * Until close.
 */
const struct vfiomig_device_info *vfiomig_recording_info(const struct vfiomig_recording *recording);
const char *vfiomig_recording_name(const struct vfiomig_recording *recording);

struct vfiomig_recording_totals vfiomig_recording_totals(const struct vfiomig_recording *recording);

/* To before the first packet, where it stands after open. */
void vfiomig_recording_rewind(struct vfiomig_recording *recording);

/*
 * On to the next packet. 1, 0 after the last, or -EBADMSG: the file has changed since it was opened; errnos of read(2).
 */
int vfiomig_recording_next(struct vfiomig_recording *recording, struct vfiomig_recording_packet *packet,
			   struct vfiomig_error *err);

/* Up to @bytes of the packet's payload. Returns the bytes, 0 when there are no more, or as next. */
ssize_t vfiomig_recording_read(struct vfiomig_recording *recording, void *to, size_t bytes, struct vfiomig_error *err);

/* NULL is fine. */
void vfiomig_recording_close(struct vfiomig_recording *recording);

#ifdef __cplusplus
}
#endif
#endif
