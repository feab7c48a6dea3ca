/* SPDX-License-Identifier: MIT */
/* Drives a device by hand, as a session would: every call that must work is asserted. Included by Criterion tests. */
#ifndef SUPPORT_DRIVE_H
#define SUPPORT_DRIVE_H

#include <criterion/criterion.h>

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <vfiomig/device.h>

#include "device/device.h"

static inline struct vfiomig_device *drive_open(const char *spec)
{
	struct vfiomig_error err = { 0 };
	struct vfiomig_device *device;

	cr_assert_eq(vfiomig_device_open(&device, spec, &err), 0, "%s: %s", spec, err.text);
	return device;
}

static inline void drive_to(struct vfiomig_device *device, enum vfiomig_state state)
{
	struct vfiomig_error err = { 0 };

	cr_assert_eq(device->ops->set_state(device->impl, state, &err), 0, "to %s: %s", vfiomig_state_name(state),
		     err.text);
	cr_assert_eq(vfiomig_device_state(device), state);
}

/* Returns what the transition said; *@err is its error. */
static inline int drive_try(struct vfiomig_device *device, enum vfiomig_state state, struct vfiomig_error *err)
{
	*err = (struct vfiomig_error){ 0 };
	return device->ops->set_state(device->impl, state, err);
}

struct drive_read {
	uint64_t at;	  /* bytes of the stream so far */
	size_t call_most; /* most bytes that one read gave */
	int end;	  /* what the device said of the last result */
	uint64_t end_at;
};

/* Read up to @bytes into @to, until the device says that there is no more; @call_bytes per read. Returns the bytes. */
static inline size_t drive_read(struct vfiomig_device *device, void *to, size_t bytes, size_t call_bytes,
				struct drive_read *read_)
{
	int fd = device->ops->data_fd(device->impl);
	size_t done = 0;

	while (done < bytes) {
		size_t want = bytes - done < call_bytes ? bytes - done : call_bytes;
		ssize_t got = read(fd, (char *)to + done, want);

		if (got <= 0) {
			read_->end_at = read_->at;
			read_->end = device->ops->explain(device->impl, got < 0 ? -errno : got, &read_->end_at);
			break;
		}
		if ((size_t)got > read_->call_most)
			read_->call_most = (size_t)got;
		done += (size_t)got;
		read_->at += (size_t)got;
	}
	return done;
}

/* The whole STOP_COPY stream, malloc'ed. */
static inline uint8_t *drive_save(struct vfiomig_device *device, size_t room, size_t *bytes)
{
	uint8_t *stream = malloc(room + 1);
	struct drive_read state = { .end = 1 };

	drive_to(device, VFIOMIG_STATE_STOP_COPY);
	*bytes = drive_read(device, stream, room + 1, 1 << 20, &state);
	cr_assert_eq(state.end, 0, "the stream does not end: %d at %zu", state.end, *bytes);
	return stream;
}

/* Write all; 0, or what the device says of the failure (*@at: where). SIGPIPE must be blocked or ignored. */
static inline int drive_write(struct vfiomig_device *device, const void *from, size_t bytes, size_t call_bytes,
			      uint64_t *at)
{
	int fd = device->ops->data_fd(device->impl);

	for (size_t done = 0; done < bytes;) {
		size_t want = bytes - done < call_bytes ? bytes - done : call_bytes;
		ssize_t put = write(fd, (const char *)from + done, want);

		if (put <= 0) {
			*at = done;
			return device->ops->explain(device->impl, put < 0 ? -errno : put, at);
		}
		done += (size_t)put;
	}
	return 0;
}

/* What is still to be read, by the device's own word. */
static inline struct vfiomig_pending drive_pending(struct vfiomig_device *device)
{
	struct vfiomig_pending pending = { 0 };
	struct vfiomig_error err = { 0 };

	cr_assert_eq(device->ops->pending(device->impl, &pending, &err), 0, "%s", err.text);
	return pending;
}

/* Config of @source into @target; 0 or what config_put said. */
static inline int drive_config(struct vfiomig_device *source, struct vfiomig_device *target, struct vfiomig_error *err)
{
	uint8_t blob[65536];
	ssize_t bytes = source->ops->config_get(source->impl, blob, sizeof(blob), err);

	cr_assert_geq(bytes, 0, "%s", err->text);
	return target->ops->config_put(target->impl, blob, (size_t)bytes, err);
}

#endif
