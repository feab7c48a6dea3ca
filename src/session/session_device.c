/* SPDX-License-Identifier: MIT */
/*
 * A device's own thread: everything that is asked of the device is asked here, one request at a time, each answered by
 * one event. The two long requests, the stream out and the stream in, have files of their own.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/probe.h"
#include "session/session.h"

enum { MAILBOX_QUIT = -1 };

void session_ask_device(struct session_device *device, enum device_request request)
{
	atomic_store_explicit(&device->asked_ns, clock_now_ns(), memory_order_relaxed);
	atomic_store(&device->request, (int)request);
	session_signal(device->wake_fd);
}

void session_await(struct session_device *device, enum session_await what, uint64_t since_ns)
{
	atomic_store_explicit(&device->awaits_ns, since_ns, memory_order_relaxed);
	atomic_store_explicit(&device->awaits, (int)what, memory_order_relaxed);
}

void session_quit_device(struct session_device *device)
{
	atomic_store(&device->request, MAILBOX_QUIT);
	session_signal(device->wake_fd);
}

struct session_device *session_device_of(struct vfiomig_session *session, unsigned d)
{
	return &session->device[session->role == VFIOMIG_SOURCE ? d : session->plan.local[d]];
}

int session_device_wait(struct session_device *device)
{
	struct pollfd fds[2] = { { device->wake_fd, POLLIN, 0 }, { device->session->stop_fd, POLLIN, 0 } };
	uint64_t began = clock_now_ns();

	while (poll(fds, 2, -1) < 0 && errno == EINTR)
		;
	atomic_fetch_add_explicit(&device->wait_ns, clock_now_ns() - began, memory_order_relaxed);
	if (fds[1].revents)
		return -ECANCELED;
	session_drain(device->wake_fd);
	return 0;
}

const char *session_device_label(const struct session_device *device)
{
	return device->device->name[0] ? device->device->name : device->device->spec;
}

int session_device_error(struct session_device *device, enum device_request request, const struct vfiomig_error *cause,
			 int errnum, struct vfiomig_error *err)
{
	const struct vfiomig_device_ops *ops = device->device->ops;
	const char *state = vfiomig_state_name(ops->get_state(device->device->impl));
	const char *said = cause && cause->text[0] ? cause->text : strerror(errnum);
	enum vfiomig_code code = errnum == ECANCELED ? VFIOMIG_CANCELLED : VFIOMIG_DEVICE;

	/* A program's own device may say anything; but the codes beyond these tell which side runs, and that it does not know. */
	if (cause && cause->code > VFIOMIG_OK && cause->code <= VFIOMIG_CANCELLED)
		code = cause->code;
	return error_set(err, code, errnum, cause && cause->name[0] ? cause->name : NULL,
			 "device '%s' (%s, now in %s): the %s failed: %s", session_device_label(device),
			 session_side(device->session), state, device_request_name(request), said);
}

int session_set_state(struct session_device *device, enum device_request request, enum vfiomig_state target,
		      struct vfiomig_error *err)
{
	struct vfiomig_error cause = { 0 };
	int rc;

	PROBE2(vfio_migration_set_device_state, session_device_label(device), (int)target);
	rc = device->device->ops->set_state(device->device->impl, target, &cause);
	return rc ? session_device_error(device, request, &cause, -rc, err) : 0;
}

static int reset(struct session_device *device, struct vfiomig_error *err)
{
	struct vfiomig_error cause = { 0 };
	int rc;

	loader_close(device->loader); /* its descriptor ends with the state */
	device->loader = NULL;
	rc = device->device->ops->reset(device->device->impl, &cause);
	return rc ? session_device_error(device, REQUEST_RESET, &cause, -rc, err) : 0;
}

/* A device that failed in a state from which there is no way to RUNNING has lost its own state; that is the caller's to say. */
static int resume(struct session_device *device, struct vfiomig_error *err)
{
	const struct vfiomig_device_ops *ops = device->device->ops;

	if (ops->get_state(device->device->impl) == VFIOMIG_STATE_RUNNING)
		return 0;
	return session_set_state(device, REQUEST_RESUME, VFIOMIG_STATE_RUNNING, err);
}

static int check(struct session_device *device, struct vfiomig_error *err)
{
	const struct vfiomig_device_ops *ops = device->device->ops;
	struct vfiomig_error cause = { 0 };
	int rc;

	if (!ops->config_check)
		return 0;
	rc = ops->config_check(device->device->impl, device->source_info, &cause);
	if (!rc)
		return 0;
	cause.code = VFIOMIG_PREFLIGHT; /* nothing was stopped for it */
	memcpy(cause.name, "manifest-mismatch", sizeof("manifest-mismatch"));
	return session_device_error(device, REQUEST_CHECK, &cause, -rc, err);
}

static int resuming(struct session_device *device, struct vfiomig_error *err)
{
	int rc = session_set_state(device, REQUEST_RESUMING, VFIOMIG_STATE_RESUMING, err);

	if (!rc)
		session_open_loader(device, err);
	return rc ? rc : -(int)err->errnum;
}

static int config(struct session_device *device, struct vfiomig_error *err)
{
	struct vfiomig_error cause = { 0 };
	int rc;

	if (device->blob_bytes && !device_takes_config(device->device))
		return error_set(err, VFIOMIG_PROTOCOL, EPROTO, "config-unwanted",
				 "device '%s' has no config state, but the source sent %zu bytes of it",
				 session_device_label(device), device->blob_bytes);
	PROBE1(vfio_load_device_config_state_start, session_device_label(device));
	rc = device_config_load(device->device, device->blob, device->blob_bytes, &cause);
	PROBE1(vfio_load_device_config_state_end, session_device_label(device));
	return rc ? session_device_error(device, REQUEST_CONFIG, &cause, -rc, err) : 0;
}

/* The loader's descriptor ends with RESUMING: let go of it first. */
static int finish(struct session_device *device, struct vfiomig_error *err)
{
	loader_close(device->loader);
	device->loader = NULL;
	return session_set_state(device, REQUEST_FINISH, VFIOMIG_STATE_STOP, err);
}

/* Its P2P state: of a device that gives its state while it runs, the one in which it goes on giving. */
static enum vfiomig_state quiet_state(const struct session_device *device)
{
	return device->precopy_done ? VFIOMIG_STATE_PRE_COPY_P2P : VFIOMIG_STATE_RUNNING_P2P;
}

static void serve(struct session_device *device, enum device_request request, struct vfiomig_error *err)
{
	switch (request) {
	case REQUEST_PRECOPY:
		session_precopy_stream(device, err);
		break;
	case REQUEST_QUIESCE:
		session_set_state(device, request, quiet_state(device), err);
		break;
	case REQUEST_RUN_P2P:
		session_set_state(device, request, VFIOMIG_STATE_RUNNING_P2P, err);
		break;
	case REQUEST_STOP_COPY:
		session_set_state(device, request, VFIOMIG_STATE_STOP_COPY, err);
		break;
	case REQUEST_STOP:
		session_set_state(device, request, VFIOMIG_STATE_STOP, err);
		break;
	case REQUEST_RUN:
		session_set_state(device, request, VFIOMIG_STATE_RUNNING, err);
		break;
	case REQUEST_READ:
		session_read_stream(device, err);
		break;
	case REQUEST_LOAD:
		session_load_stream(device, err);
		break;
	case REQUEST_RESUME:
		resume(device, err);
		break;
	case REQUEST_RESET:
		reset(device, err);
		break;
	case REQUEST_CHECK:
		check(device, err);
		break;
	case REQUEST_RESUMING:
		resuming(device, err);
		break;
	case REQUEST_CONFIG:
		config(device, err);
		break;
	case REQUEST_FINISH:
		finish(device, err);
		break;
	case REQUEST_NONE:
	case REQUEST_COUNT:
		break;
	}
}

/* These wait for the other threads and for the peer most of the time: only the calls inside them have a deadline. */
static bool is_long(enum device_request request)
{
	return request == REQUEST_PRECOPY || request == REQUEST_READ || request == REQUEST_LOAD;
}

static void serve_in_time(struct session_device *device, enum device_request request, struct vfiomig_error *err)
{
	const struct vfiomig_device_ops *ops = device->device->ops;
	enum vfiomig_state state;

	if (!is_long(request))
		session_call_begin(device);
	serve(device, request, err);
	if (is_long(request))
		session_call_begin(device);
	state = ops->get_state(device->device->impl);
	session_call_end(device);
	atomic_store(&device->state, (int)state);
}

void *session_device_main(void *argument)
{
	struct session_device *device = argument;

	session_run_near(device);
	for (;;) {
		struct pollfd wake = { device->wake_fd, POLLIN, 0 };
		int request = atomic_exchange(&device->request, REQUEST_NONE);
		struct core_event done = { .kind = CORE_DEVICE_DONE };
		struct vfiomig_error err = { 0 };

		if (request == MAILBOX_QUIT)
			break;
		if (request == REQUEST_NONE) {
			poll(&wake, 1, -1);
			session_drain(device->wake_fd);
			continue;
		}
		device->call[request].begin_ns = clock_now_ns();
		serve_in_time(device, (enum device_request)request, &err);
		device->call[request].end_ns = clock_now_ns();
		session_await(device, AWAIT_NOTHING, 0);
		done.counts = device->counts;
		done.device = device->number;
		done.request = (enum device_request)request;
		session_post(device->session, &done, &err);
	}
	loader_close(device->loader);
	device->loader = NULL;
	return NULL;
}
