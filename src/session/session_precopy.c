/* SPDX-License-Identifier: MIT */
/*
 * PRE_COPY at the source, on the device's own thread: the device runs, and what it gives is streamed until the switchover is due. It
 * then ends only when all of that is loaded, so that nothing of it is left to be done while the device stands still.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/probe.h"
#include "session/session.h"

enum { LOOK_MS = 5 /* between two looks at a device that had nothing */ };

static int stopped(struct vfiomig_error *err)
{
	return error_set(err, VFIOMIG_CANCELLED, ECANCELED, NULL, "the read was stopped");
}

/* Until @wait_ms have passed, the end is asked for, or a credit came. */
static int pause_for(struct session_device *device, int wait_ms, struct vfiomig_error *err)
{
	struct pollfd fds[2] = { { device->wake_fd, POLLIN, 0 }, { device->session->stop_fd, POLLIN, 0 } };

	poll(fds, 2, wait_ms);
	if (fds[0].revents)
		session_drain(device->wake_fd);
	return fds[1].revents ? stopped(err) : 0;
}

/* The devices share the limit evenly: each keeps to its part, whatever the others leave over. */
static uint64_t own_limit(const struct session_device *device)
{
	uint64_t all = atomic_load(&device->session->precopy_bytes_per_s_max);

	return all && all < device->session->devices ? 1 : all / device->session->devices;
}

static void set_pace(struct session_device *device, uint64_t bytes_per_s_max)
{
	device->pace = (struct session_pace){ bytes_per_s_max, clock_now_ns(), device->counts.bytes };
}

static int keep_to_limit(struct session_device *device, struct vfiomig_error *err)
{
	const struct session_pace *pace = &device->pace;
	int rc = 0;

	while (!rc && !atomic_load(&device->precopy_end)) {
		uint64_t limit = own_limit(device);
		double due_ns, left_ms;

		if (limit != pace->bytes_per_s_max)
			set_pace(device, limit);
		if (!limit)
			break;
		due_ns = (double)(device->counts.bytes - pace->since_bytes) * 1e9 / (double)limit;
		left_ms = (due_ns - (double)(clock_now_ns() - pace->since_ns)) / (double)NS_PER_MS;
		if (left_ms < 1)
			break;
		rc = pause_for(device, left_ms < 1000 ? (int)left_ms : 1000, err);
	}
	return rc;
}

/* Do its initial bytes become less? Only looks count: the first may be long in coming, and so may the next of a slow device. */
static void note_initial(struct session_precopy *view)
{
	uint64_t left = view->pending.initial_bytes;

	if (!view->asked || view->pending.initial_again || left < view->initial_least) {
		view->initial_least = left;
		view->stuck_ns = 0;
	} else if (!view->stuck_ns) {
		view->stuck_ns = clock_now_ns();
	}
	view->asked = true;
}

/* Ask the device what it still has, and note how far it is. @dry: the last read ended with "nothing now". */
static int note(struct session_device *device, uint64_t read_ns, bool dry, struct vfiomig_error *err)
{
	const struct vfiomig_device_ops *ops = device->device->ops;
	struct session_precopy *view = &device->precopy;
	struct vfiomig_pending pending = { 0 };
	struct vfiomig_error cause = { 0 };
	bool initial_read;
	int rc;

	session_call_begin(device);
	rc = ops->pending ? ops->pending(device->device->impl, &pending, &cause) : 0;
	session_call_end(device);
	initial_read = pending.precopy_known ? pending.initial_bytes == 0 : dry;

	if (rc)
		return session_device_error(device, REQUEST_PRECOPY, &cause, -rc, err);
	PROBE3(vfio_save_iterate, session_device_label(device), pending.initial_bytes, pending.dirty_bytes);
	pthread_mutex_lock(&device->session->snapshot_lock);
	if (pending.initial_again)
		view->initial_read = false; /* a new first full state, that must be loaded as well */
	if (initial_read && !view->initial_read) {
		view->initial_read = true;
		view->initial_packets = device->counts.packets;
	}
	view->pending = pending;
	note_initial(view);
	view->bytes = device->counts.bytes;
	view->read_ns += read_ns;
	view->dry = dry;
	pthread_mutex_unlock(&device->session->snapshot_lock);
	return 0;
}

static int begin(struct session_device *device, struct vfiomig_error *err)
{
	uint64_t began_ns = clock_now_ns();
	int rc;

	session_call_begin(device);
	rc = session_set_state(device, REQUEST_PRECOPY, VFIOMIG_STATE_PRE_COPY, err);
	session_call_end(device);
	if (rc)
		return rc;
	session_begin_reading(device);
	device->precopy_done = true;
	pthread_mutex_lock(&device->session->snapshot_lock);
	device->precopy.arc_ns = clock_now_ns() - began_ns;
	pthread_mutex_unlock(&device->session->snapshot_lock);
	return 0;
}

/* What was sent must not be loaded in the downtime: the device runs on until the destination is level with it. */
static int settle(struct session_device *device, struct vfiomig_error *err)
{
	struct vfiomig_session *session = device->session;

	session_await(device, AWAIT_LOADED, clock_now_ns());
	for (;;) {
		bool settled;

		pthread_mutex_lock(&session->flow_lock);
		settled = flow_settled(&session->flow, device->number);
		pthread_mutex_unlock(&session->flow_lock);
		if (settled)
			return 0;
		if (session_device_wait(device))
			return stopped(err);
	}
}

int session_precopy_stream(struct session_device *device, struct vfiomig_error *err)
{
	int rc = begin(device, err);

	set_pace(device, own_limit(device));
	while (!rc && !atomic_load(&device->precopy_end)) {
		enum reader_stop stop;
		uint64_t read_began_ns, waited_ns = atomic_load(&device->wait_ns);

		read_began_ns = clock_now_ns();
		rc = session_read_packet(device, 0, &stop, err);
		waited_ns = atomic_load(&device->wait_ns) - waited_ns;
		rc = rc ? rc : note(device, clock_now_ns() - read_began_ns - waited_ns, stop != READER_FULL, err);
		if (!rc && stop != READER_FULL)
			rc = pause_for(device, LOOK_MS, err);
		rc = rc ? rc : keep_to_limit(device, err);
	}
	return rc ? rc : settle(device, err);
}
