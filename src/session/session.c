/* SPDX-License-Identifier: MIT */
/* A session's life: made, given devices, started, closed. */
#include "session/session_seal.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/error.h"
#include "base/sized.h"
#include "control/address.h"

static int open_event(int *fd)
{
	*fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return *fd < 0 ? -errno : 0;
}

static int resolve(struct vfiomig_session *session, struct vfiomig_error *err)
{
	socklen_t bytes;
	int rc;

	if (session->role == VFIOMIG_DESTINATION)
		return 0;
	if (session->options.record)
		return session_record_init(session, session->options.record, err);
	rc = address_resolve(session->options.peer, false, &session->remote, &bytes, err);
	if (!rc && session->options.bind)
		rc = address_resolve_host(session->options.bind, &session->local, &bytes, err);
	return rc ? rc : session_parse_rails(session, err);
}

static int take_memory(struct vfiomig_session *session)
{
	session->frame = calloc(1, MESSAGE_BYTES_MAX);
	session->events.ring = calloc(EVENTS_MAX, sizeof(*session->events.ring));
	session->log = calloc(LOG_LINES_MAX, sizeof(*session->log));
	if (session->options.event) {
		session->told = calloc(TOLD_MAX, sizeof(*session->told));
		if (!session->told)
			return -ENOMEM;
	}
	if (session->role == VFIOMIG_DESTINATION)
		session->offer_devices = calloc(VFIOMIG_DEVICES_MAX, sizeof(*session->offer_devices));
	return session->frame && session->events.ring && session->log &&
			       (session->offer_devices || session->role == VFIOMIG_SOURCE)
		       ? 0
		       : -ENOMEM;
}

static int take_fds(struct vfiomig_session *session)
{
	int *fds[] = { &session->cancel_fd, &session->stop_fd, &session->notify_fd, &session->fabric_wake_fd,
		       &session->events.fd };
	int rc = 0;

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		*fds[i] = -1;
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]) && !rc; i++)
		rc = open_event(fds[i]);
	return rc;
}

static int create(struct vfiomig_session **out, enum vfiomig_role role, const struct vfiomig_options *options,
		  struct vfiomig_error *err)
{
	struct vfiomig_session *session;
	int rc = session_check_options(options, role, err);

	if (rc)
		return rc;
	session = calloc(1, sizeof(*session));
	if (!session)
		return error_set(err, VFIOMIG_INTERNAL, ENOMEM, NULL, "no memory for a session");
	session->role = role;
	session->options = *options;
	session->journal_fd = -1;
	atomic_init(&session->yank_fd, -1);
	session_set_defaults(&session->options);
	atomic_init(&session->precopy_bytes_per_s_max, options->precopy_bytes_per_s_max);
	session->missing_ns = MISSING_TIMEOUTS * session->options.peer_timeout_ms * NS_PER_MS;
	pthread_mutex_init(&session->events.lock, NULL);
	pthread_mutex_init(&session->poll_lock, NULL);
	pthread_mutex_init(&session->flow_lock, NULL);
	pthread_mutex_init(&session->snapshot_lock, NULL);
	rc = take_fds(session);
	rc = rc ? rc : take_memory(session);
	if (!rc && role == VFIOMIG_SOURCE && getrandom(session->id, sizeof(session->id), 0) != sizeof(session->id))
		rc = -EIO;
	if (rc)
		error_set(err, VFIOMIG_INTERNAL, -rc, NULL, "a session cannot be made: %s", strerror(-rc));
	rc = rc ? rc : resolve(session, err);
	if (!rc && options->journal_dir && !(session->journal_dir = strdup(options->journal_dir)))
		rc = error_set(err, VFIOMIG_INTERNAL, ENOMEM, NULL, "no memory for a session");
	rc = rc ? rc : session_take_credentials(session, err);
	session->options.peer = session->options.bind = session->options.record = session->options.psk_file =
		session->options.tls_dir = session->options.journal_dir =
			NULL; /* the caller's strings are needed no more */
	if (rc) {
		vfiomig_session_close(session);
		return rc;
	}
	*out = session;
	return 0;
}

int vfiomig_session_create(struct vfiomig_session **out, enum vfiomig_role role, const struct vfiomig_options *options,
			   struct vfiomig_error *err)
{
	struct vfiomig_options own;

	*out = NULL;
	if (sized_take(&own, sizeof(own), options))
		return error_set(err, VFIOMIG_USAGE, EINVAL, NULL,
				 "struct vfiomig_options of %zu bytes is not known to this library, whose own has %zu",
				 options->size, sizeof(own));
	return create(out, role, &own, err);
}

int vfiomig_session_add_device(struct vfiomig_session *session, struct vfiomig_device *device,
			       struct vfiomig_error *err)
{
	struct session_device *slot = &session->device[session->devices];
	int rc;

	if (session->started)
		return error_set(err, VFIOMIG_USAGE, EBUSY, NULL, "the session has started already");
	if (session->devices == VFIOMIG_DEVICES_MAX)
		return error_set(err, VFIOMIG_USAGE, E2BIG, NULL, "a session has at most %d devices",
				 VFIOMIG_DEVICES_MAX);
	if (device->in_session)
		return error_set(err, VFIOMIG_USAGE, EBUSY, "device-in-session",
				 "device '%s' is in a session already, and one at a time moves it",
				 device->name[0] ? device->name : device->spec);
	*slot = (struct session_device){ .session = session, .device = device, .number = session->devices };
	rc = open_event(&slot->wake_fd);
	if (rc)
		return error_set(err, VFIOMIG_INTERNAL, -rc, NULL, "no descriptor for a device's thread");
	if (session->role == VFIOMIG_DESTINATION)
		slot->blob = calloc(1, CONFIG_BLOB_BYTES_MAX);
	session->handles[session->devices++] = device; /* from here on _close knows of it */
	device->in_session = true;
	if (session->role == VFIOMIG_DESTINATION && !slot->blob)
		return error_set(err, VFIOMIG_INTERNAL, ENOMEM, NULL, "no memory for a device's config state");
	return 0;
}

static void init_side(struct vfiomig_session *session)
{
	const struct vfiomig_options *options = &session->options;

	session->side = (struct plan_side){ .gate = options->gate,
					    .lanes = options->lanes,
					    .slots = options->slots,
					    .slot_bytes = options->slot_bytes,
					    .queued_bytes_max = options->queued_bytes_max,
					    .integrity = options->integrity,
					    .payload = options->payload,
					    .keyed = session->credentials,
					    .arch = plan_arch(),
					    .no_platform = options->flags & VFIOMIG_NO_PLATFORM,
					    .external_commit = session_commits_externally(session),
					    .devices = session->devices,
					    .device = session->handles };
}

void vfiomig_session_id(const struct vfiomig_session *session, uint8_t id[16])
{
	pthread_mutex_t *lock = (pthread_mutex_t *)&session->snapshot_lock; /* a destination's changes once */

	pthread_mutex_lock(lock);
	memcpy(id, session->id, sizeof(session->id));
	pthread_mutex_unlock(lock);
}

static enum core_purpose purpose_of(const struct vfiomig_session *session)
{
	if (session->record)
		return CORE_RECORD;
	return session->options.flags & VFIOMIG_PROBE ? CORE_PROBE : CORE_MIGRATE;
}

/* PRE_COPY is gone through by the devices that offer it, unless the caller wants none of it. */
static bool wants_precopy(const struct vfiomig_session *session, unsigned d)
{
	return session->role == VFIOMIG_SOURCE && session->options.precopy != VFIOMIG_PRECOPY_OFF &&
	       session->device[d].device->info.migration_flags & VFIOMIG_MIGRATION_PRE_COPY;
}

static void start_core(struct vfiomig_session *session)
{
	struct core_config config = { .role = session->role,
				      .peer_timeout_ns = session->options.peer_timeout_ms * NS_PER_MS,
				      .hold_ns = session->options.hold_ms * NS_PER_MS,
				      .no_platform = session->options.flags & VFIOMIG_NO_PLATFORM,
				      .purpose = purpose_of(session),
				      .serial = session->options.flags & VFIOMIG_SERIAL_STATES,
				      .external_commit = session_commits_externally(session) };

	for (unsigned d = 0; d < session->devices; d++) {
		struct session_device *device = &session->device[d];

		atomic_store(&device->state, (int)device->device->ops->get_state(device->device->impl));
	}
	/* _run starts too, and another thread that will commit, or shows statistics, may be looking already. */
	pthread_mutex_lock(&session->snapshot_lock);
	config.downtime_limit_ns = session->options.downtime_limit_ms * NS_PER_MS;
	core_init(&session->core, &config, clock_now_ns());
	for (unsigned d = 0; d < session->devices; d++) {
		session->core.device[d].p2p = session->handles[d]->info.migration_flags & VFIOMIG_MIGRATION_P2P;
		session->core.device[d].precopy = wants_precopy(session, d);
	}
	if (session->role == VFIOMIG_SOURCE)
		core_set_devices(&session->core, session->devices);
	session->started = true;
	pthread_mutex_unlock(&session->snapshot_lock);
}

/* The name is what top and gdb show. */
static int start_thread(pthread_t *thread, bool *started, void *(*run)(void *), void *argument, const char *name)
{
	int rc = pthread_create(thread, NULL, run, argument);

	*started = !rc;
	if (!rc)
		pthread_setname_np(*thread, name);
	return -rc;
}

static int start_threads(struct vfiomig_session *session)
{
	int rc = start_thread(&session->fabric_thread, &session->fabric_started, session_fabric_main, session,
			      "mig-fabric");

	for (unsigned d = 0; d < session->devices && !rc; d++) {
		struct session_device *device = &session->device[d];
		char name[16];

		snprintf(name, sizeof(name), "mig-device-%u", d % VFIOMIG_DEVICES_MAX);
		rc = start_thread(&device->thread, &device->started, session_device_main, device, name);
	}
	return rc ? rc
		  : start_thread(&session->control_thread, &session->control_started, session_control_main, session,
				 "mig-control");
}

static int check_precopy(const struct vfiomig_session *session, struct vfiomig_error *err)
{
	if (session->role != VFIOMIG_SOURCE || session->options.precopy != VFIOMIG_PRECOPY_ON)
		return 0;
	for (unsigned d = 0; d < session->devices; d++)
		if (!wants_precopy(session, d))
			return error_set(err, VFIOMIG_PREFLIGHT, ENOTSUP, "no-precopy",
					 "pre-copy was asked for, and device '%s' does not offer it",
					 session->device[d].device->spec);
	return 0;
}

int vfiomig_session_start(struct vfiomig_session *session, struct vfiomig_error *err)
{
	sigset_t all, before;
	int rc;

	if (session->started)
		return error_set(err, VFIOMIG_USAGE, EBUSY, NULL, "the session has started already");
	if (session->devices == 0)
		return error_set(err, VFIOMIG_USAGE, EINVAL, NULL, "a session without a device moves nothing");
	init_side(session);
	rc = plan_check_side(&session->side, err);
	rc = rc ? rc : session_check_numa(session, err);
	rc = rc ? rc : check_precopy(session, err);
	/* Not before: between _create, which reads keys, and here a program may give up the rights that it had. */
	rc = rc ? rc : session_journal_open(session, session->journal_dir, err);
	if (!rc && session->record)
		rc = session_record_open(session, err);
	if (rc)
		return rc;
	start_core(session);
	/* Signals are the caller's threads' business; a broken pipe's too: the write tells. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = start_threads(session);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc)
		error_set(err, VFIOMIG_INTERNAL, -rc, NULL, "a thread cannot be started: %s", strerror(-rc));
	return rc;
}

/* True: all of them have ended. A thread that is in a call which never returns is left to itself. */
static bool join_threads(struct vfiomig_session *session)
{
	bool all = true;

	if (session->control_started) {
		vfiomig_session_cancel(session);
		pthread_join(session->control_thread, NULL);
	}
	session_signal(session->stop_fd);
	for (unsigned d = 0; d < session->devices; d++) {
		struct session_device *device = &session->device[d];

		if (!device->started)
			continue;
		if (session_device_abandoned(device)) {
			pthread_detach(device->thread);
			all = false;
			continue;
		}
		session_quit_device(device);
		pthread_join(device->thread, NULL);
	}
	if (session->fabric_started) {
		session_ask_fabric(session, FABRIC_QUIT);
		pthread_join(session->fabric_thread, NULL);
	}
	return all;
}

/* Not what is stuck: its call may return yet, and nobody else's must be under way then. */
static void let_devices_go(struct vfiomig_session *session)
{
	for (unsigned d = 0; d < session->devices; d++)
		session->handles[d]->in_session = session->handles[d]->abandoned;
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

static void free_session(struct vfiomig_session *session)
{
	flow_fini(&session->flow);
	arena_close(&session->arena);
	session_close_seals(session);
	for (unsigned d = 0; d < session->devices; d++) {
		close_fd(session->device[d].wake_fd);
		free(session->device[d].blob);
		free(session->device[d].arrival);
	}
	close_fd(session->cancel_fd);
	close_fd(session->stop_fd);
	close_fd(session->notify_fd);
	close_fd(session->fabric_wake_fd);
	close_fd(session->events.fd);
	pthread_mutex_destroy(&session->events.lock);
	pthread_mutex_destroy(&session->poll_lock);
	pthread_mutex_destroy(&session->flow_lock);
	pthread_mutex_destroy(&session->snapshot_lock);
	free(session->frame);
	free(session->events.ring);
	free(session->log);
	free(session->told);
	free(session->offer_devices);
	free(session);
}

/*
 * With a stuck device all that does not face the peer is kept for ever, on purpose: the driver may still write into a slot of
 * the arena or read from one, through the loader's ring too, and the call, should it return, looks into its device's part
 * of the session before its thread ends. In a list, so that it is no leak to those who look for leaks.
 */
static void keep_session(struct vfiomig_session *session)
{
	static _Atomic(struct vfiomig_session *) kept;

	session->kept_next = atomic_exchange(&kept, session);
}

void vfiomig_session_close(struct vfiomig_session *session)
{
	bool all_ended;

	if (!session)
		return;
	all_ended = join_threads(session);
	let_devices_go(session);
	if (session->fabric)
		session->fabric->ops->close(session->fabric);
	session_record_close(session);
	session_journal_close(session);
	free(session->journal_dir);
	control_close(session->conn);
	control_accept_close(session->accept);
	credentials_close(session->credentials);
	if (all_ended)
		free_session(session);
	else
		keep_session(session);
}
