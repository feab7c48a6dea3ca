/* SPDX-License-Identifier: MIT */
/*
 * A recorded stream: one device's packets in a file, with what the device was, an index, and digests. A file is complete
 * or is not there: it is written beside its name and takes it when all is on disk. The writer is called by one thread at a
 * time; `file:` devices (file.c) read it.
 */
#ifndef DEVICE_RECORDING_H
#define DEVICE_RECORDING_H

#include <stdint.h>

#include <vfiomig/device.h>

/* Same bits as the flags of a packet on the wire. */
enum recording_flags {
	RECORDING_CONFIG_STATE = 1, /* the last packet: the config state, possibly empty */
	RECORDING_STOP_COPY = 2,    /* read after the device had stopped */
};

struct recording_packet {
	uint64_t index; /* 0, 1, 2, ... without a gap */
	uint32_t flags;
	uint32_t bytes; /* of payload */
};

struct recorder;

/*
 * Begin a recording that will be called @path, of a device that is @info and was called @name ("" if it has none); both
 * are copied. *@out is the caller's to close. Errors, all VFIOMIG_PREFLIGHT: errnos of open(2) and write(2), with the path.
 */
int recorder_open(struct recorder **out, const char *path, const struct vfiomig_device_info *info, const char *name,
		  struct vfiomig_error *err);

/* From now on calls that wait for a pipe's reader return -ECANCELED once @cancel_fd (the caller's; -1: none) is readable. */
void recorder_cancel_by(struct recorder *recorder, int cancel_fd);

/* Append a packet. -EINVAL: its index is not the next one; errnos of write(2), -ENOSPC among them (VFIOMIG_DEVICE). */
int recorder_put(struct recorder *recorder, const struct recording_packet *packet, const void *payload,
		 struct vfiomig_error *err);

/* All packets are there, the config packet last: index and digests, to the disk, and the name. Errors as of put. */
int recorder_finish(struct recorder *recorder, struct vfiomig_error *err);

/* NULL is fine. What was not finished leaves nothing behind. */
void recorder_close(struct recorder *recorder);

#endif
