/* SPDX-License-Identifier: MIT */
/*
 * Deadlines of calls into drivers. Nothing can cancel such a call, so a session can only go on without the thread that is
 * in it. Whether a call ended in time is decided by one compare-and-swap between that thread and the control thread: there
 * is no moment in which both count on it.
 */
#include <errno.h>
#include <pthread.h>

#include "base/clock.h"
#include "base/error.h"
#include "session/session.h"

#define CALL_ABANDONED UINT64_MAX

/* A control thread that did not run for so long was stopped with its whole process, and the devices' threads with it. */
enum { PAUSE_MS = 1000 };

void session_call_begin(struct session_device *device)
{
	atomic_store(&device->call_ns, clock_now_ns());
}

void session_call_end(struct session_device *device)
{
	unsigned long long began = atomic_load(&device->call_ns);

	/* The session may be long over: this thread may not even return through what called it. */
	if (began == CALL_ABANDONED || !atomic_compare_exchange_strong(&device->call_ns, &began, 0))
		pthread_exit(NULL);
}

static void begin(void *device)
{
	session_call_begin(device);
}

static void end(void *device)
{
	session_call_end(device);
}

struct call_watch session_call_watch(struct session_device *device)
{
	return (struct call_watch){ begin, end, device };
}

bool session_device_abandoned(struct session_device *device)
{
	return atomic_load(&device->call_ns) == CALL_ABANDONED;
}

uint64_t session_call_since(struct session_device *device)
{
	unsigned long long began = atomic_load(&device->call_ns);

	return began == CALL_ABANDONED ? 0 : began;
}

static void give_up(struct vfiomig_session *session, struct session_device *device, enum device_request request,
		    struct vfiomig_error *err)
{
	device->device->abandoned = true;
	error_set(err, VFIOMIG_DEVICE, ETIMEDOUT, CORE_STUCK_NAME,
		  "device '%s' (%s, last seen in %s): the %s has not returned for %u ms and cannot be cancelled; the "
		  "device is stuck",
		  session_device_label(device), session_side(session),
		  vfiomig_state_name((enum vfiomig_state)atomic_load(&device->state)), device_request_name(request),
		  session->options.device_timeout_ms);
	atomic_store(&device->state, VFIOMIG_STATE_ERROR); /* it cannot be told any more */
}

/* It is between two calls, or its call has time left, or has ended this very moment. */
static bool in_time(struct session_device *device, uint64_t since_ns, uint64_t now, uint64_t limit_ns)
{
	unsigned long long began = atomic_load(&device->call_ns);
	uint64_t from_ns = began > since_ns ? began : since_ns;

	if (!began || began == CALL_ABANDONED || now < from_ns + limit_ns)
		return true;
	return !atomic_compare_exchange_strong(&device->call_ns, &began, CALL_ABANDONED);
}

bool session_call_expired(struct session_device *device, enum device_request request, uint64_t since_ns,
			  struct vfiomig_error *err)
{
	struct vfiomig_session *session = device->session;

	if (in_time(device, since_ns, clock_now_ns(), session->options.device_timeout_ms * NS_PER_MS))
		return false;
	give_up(session, device, request, err);
	return true;
}

static void watch(struct session_device *device)
{
	struct vfiomig_session *session = device->session;
	struct vfiomig_error err = { 0 };
	struct core_event event = { .kind = CORE_DEVICE_STUCK, .device = device->number, .error = &err };

	if (session_call_expired(device, session->core.device[device->number].busy, session->watch_ns, &err))
		session_step(session, &event);
}

void session_watch_calls(struct vfiomig_session *session)
{
	uint64_t now = clock_now_ns();

	if (now - session->watched_ns > PAUSE_MS * NS_PER_MS)
		session->watch_ns = now;
	session->watched_ns = now;
	for (unsigned d = 0; d < session->devices; d++)
		watch(&session->device[d]);
}
