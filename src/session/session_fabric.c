/* SPDX-License-Identifier: MIT */
/*
 * The fabric thread: sets the lanes up, then polls them, and never waits for a device. What a message means for the order of
 * packets is the flow's to say; here it is only taken from the lane to the flow.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "session/session_seal.h"

enum {
	EVENTS_BATCH = 64,
	SPIN_NS = 20000,
	LEND_NS = 1000000, /* how long a loader may write before the fabric thread polls again: no lane waits longer */
	FIRST_LANE_MS =
		60000, /* the source may have gigabytes to populate and register first; its heart beats meanwhile */
};

static const struct fabric_ops *ops_of(enum vfiomig_transport transport)
{
	return transport == VFIOMIG_TRANSPORT_RDMA ? &verbs_fabric_ops : &tcp_fabric_ops;
}

void session_ask_fabric(struct vfiomig_session *session, enum fabric_request request)
{
	atomic_fetch_or(&session->fabric_requests, (unsigned)request);
	session_signal(session->fabric_wake_fd);
}

struct fabric_route session_route(const struct vfiomig_session *session)
{
	return (struct fabric_route){ .role = session->role,
				      .local = session->local,
				      .peer = session->remote,
				      .timeout_ms = session->options.peer_timeout_ms,
				      .first_lane_ms = FIRST_LANE_MS,
				      .cancel_fd = session->stop_fd };
}

static int open_memory(struct vfiomig_session *session, struct vfiomig_error *err)
{
	const struct plan *plan = &session->plan;
	struct flow_shape shape = { .role = session->role,
				    .devices = plan->devices,
				    .lanes = plan->lanes,
				    .slots = plan->slots,
				    .slot_bytes = (uint32_t)plan->slot_bytes };
	struct arena_shape arena = { .devices = plan->devices, .slots = plan->slots, .slot_bytes = plan->slot_bytes };
	int rc = arena_open(&session->arena, &arena, session_slots_node(session), err);

	if (rc)
		return rc;
	if (flow_init(&session->flow, &shape))
		return error_set(err, VFIOMIG_INTERNAL, ENOMEM, NULL, "no memory for the bookkeeping of %u slots",
				 plan->slots * plan->devices);
	for (unsigned d = 0; d < plan->devices && session->role == VFIOMIG_DESTINATION; d++) {
		struct session_device *device = session_device_of(session, d);

		device->arrival = calloc(plan->slots, sizeof(*device->arrival));
		if (!device->arrival)
			return error_set(err, VFIOMIG_INTERNAL, ENOMEM, NULL, "no memory for the times of %u slots",
					 plan->slots);
	}
	return session_open_seals(session, err);
}

/* The sentence will be read on both sides: it says of which it speaks. */
static void fail_here(struct vfiomig_session *session, struct vfiomig_error *err)
{
	error_prefix(err, "%s: ", session_side(session));
	session_post_failure(session, err);
}

static void do_open(struct vfiomig_session *session)
{
	const struct fabric_ops *ops = ops_of(session->plan.transport);
	struct fabric_config config = { .route = session_route(session),
					.lanes = session->plan.lanes,
					.arena = &session->arena,
					.sink = { session_place, session } };
	struct vfiomig_error err = { 0 };

	session_warn_of_nodes(session);
	memcpy(config.session, session->id, sizeof(config.session));
	memcpy(config.proof, session->lane_proof, sizeof(config.proof));
	session_put_rails(session, &config);
	if (open_memory(session, &err) || (!session->record && ops->open(&session->fabric, &config, &err)))
		fail_here(session, &err);
	else
		session_post_fact(session, FACT_FABRIC_OPEN);
}

/*
 * The first message over every lane, as long as a packet: both ends' queues, caches and congestion windows are warm before it
 * counts, and the destination sees how fast the lanes are.
 */
static void warm_up(struct vfiomig_session *session)
{
	for (unsigned lane = 0; lane < session->plan.lanes; lane++)
		session_post_trial(session, lane);
}

static void do_connect(struct vfiomig_session *session)
{
	struct fabric_memory memory = { .base = session->ready.base };
	bool source = session->role == VFIOMIG_SOURCE;
	struct vfiomig_error err = { 0 };

	memcpy(memory.rkey, session->ready.rkey, sizeof(memory.rkey));
	if (session->record) {
		session_record_lanes(session);
		return;
	}
	if (session->fabric->ops->establish(session->fabric, source ? &memory : NULL, &err)) {
		fail_here(session, &err);
		return;
	}
	session->lanes_up = true;
	if (source)
		warm_up(session); /* LANES_UP comes when it is out */
}

static void do_fence(struct vfiomig_session *session)
{
	for (unsigned lane = 0; session->fabric && lane < session->plan.lanes; lane++)
		session->fabric->ops->fence(session->fabric, lane);
	session_post_fact(session, FACT_FABRIC_DOWN);
}

static void do_release(struct vfiomig_session *session)
{
	session->fabric->ops->release(session->fabric);
	session_post_fact(session, FACT_RELEASED);
}

/*
 * Over TCP that is said and done. A registration may take long to go, so the fabric thread lets it go, beside the journal and the
 * heartbeat.
 */
void session_release(struct vfiomig_session *session)
{
	if (session->plan.transport == VFIOMIG_TRANSPORT_RDMA) {
		session_ask_fabric(session, FABRIC_RELEASE);
		return;
	}
	pthread_mutex_lock(&session->poll_lock);
	do_release(session);
	pthread_mutex_unlock(&session->poll_lock);
}

static void do_requests(struct vfiomig_session *session, unsigned requests)
{
	static const struct {
		enum fabric_request request;
		void (*call)(struct vfiomig_session *session);
	} calls[] = {
		{ FABRIC_PROBE, session_probe },     { FABRIC_OPEN, do_open },
		{ FABRIC_CONNECT, do_connect },	     { FABRIC_RELEASE, do_release },
		{ FABRIC_FENCE, do_fence },	     { FABRIC_FENCE_LANES, session_fence_lanes },
		{ FABRIC_YANK, session_yank_lanes },
	};

	if (!requests)
		return;
	pthread_mutex_lock(&session->poll_lock);
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (requests & calls[i].request) {
			atomic_store_explicit(&session->fabric_doing_ns, clock_now_ns(), memory_order_relaxed);
			atomic_store_explicit(&session->fabric_doing, calls[i].request, memory_order_relaxed);
			calls[i].call(session);
			atomic_store_explicit(&session->fabric_doing, 0, memory_order_relaxed);
		}
	pthread_mutex_unlock(&session->poll_lock);
}

/* poll_lock is held. */
static unsigned poll_lanes(struct vfiomig_session *session)
{
	struct fabric_event events[EVENTS_BATCH];
	uint64_t now = clock_now_ns();
	unsigned count = session->fabric->ops->poll(session->fabric, now, events, EVENTS_BATCH);

	for (unsigned i = 0; i < count; i++) {
		atomic_store_explicit(&session->lane_moved_ns[events[i].lane], now, memory_order_relaxed);
		session_on_lane_event(session, &events[i]);
	}
	return count;
}

static int timeout_ms(struct vfiomig_session *session)
{
	uint64_t deadline = session->lanes_up ? session->fabric->ops->deadline_ns(session->fabric) : UINT64_MAX;
	uint64_t now = clock_now_ns();

	if (deadline == UINT64_MAX)
		return -1;
	return deadline <= now ? 0 : (int)((deadline - now) / NS_PER_MS + 1);
}

/* Until something comes, or it is asked for something. */
static void sleep_on_lanes(struct vfiomig_session *session)
{
	struct pollfd fds[1 + FABRIC_POLLFDS_MAX] = { { session->fabric_wake_fd, POLLIN, 0 } };
	int count = 0, wait_ms = -1;

	if (session->lanes_up) {
		pthread_mutex_lock(&session->poll_lock);
		count = session->fabric->ops->pollfds(session->fabric, fds + 1, FABRIC_POLLFDS_MAX);
		wait_ms = timeout_ms(session);
		pthread_mutex_unlock(&session->poll_lock);
	}
	if (count == -EAGAIN)
		return;
	poll(fds, 1 + (nfds_t)(count > 0 ? count : 0), wait_ms);
	if (fds[0].revents)
		session_drain(session->fabric_wake_fd);
}

/* A loader polls in this thread's place: look again when its time is up. */
static bool leave_to_loader(struct vfiomig_session *session)
{
	struct pollfd wake = { session->fabric_wake_fd, POLLIN, 0 };

	if (clock_now_ns() >= atomic_load(&session->lent_until_ns))
		return false;
	poll(&wake, 1, 1);
	if (wake.revents)
		session_drain(session->fabric_wake_fd);
	return true;
}

int session_poll_for(struct session_device *device)
{
	struct vfiomig_session *session = device->session;
	struct pollfd fds[2 + FABRIC_POLLFDS_MAX] = { { session->stop_fd, POLLIN, 0 }, { device->wake_fd, POLLIN, 0 } };
	uint64_t began = clock_now_ns();
	unsigned came;
	int count = 0;

	if (pthread_mutex_trylock(&session->poll_lock))
		return -EAGAIN;
	atomic_store(&session->lent_until_ns, began + LEND_NS);
	came = poll_lanes(session);
	if (!came)
		count = session->fabric->ops->pollfds(session->fabric, fds + 2, FABRIC_POLLFDS_MAX);
	pthread_mutex_unlock(&session->poll_lock);
	if (came || count == -EAGAIN)
		return 1;
	poll(fds, 2 + (nfds_t)(count > 0 ? count : 0), 1);
	atomic_fetch_add_explicit(&device->wait_ns, clock_now_ns() - began, memory_order_relaxed);
	if (fds[0].revents)
		return -ECANCELED;
	if (fds[1].revents)
		session_drain(device->wake_fd);
	for (int i = 1; i < 2 + count; i++)
		if (fds[i].revents)
			return 1;
	return 0;
}

/* A completion queue is worth a short look before sleeping; a socket's look is a system call like the sleep itself. */
static bool spins(const struct vfiomig_session *session)
{
	return session->plan.transport == VFIOMIG_TRANSPORT_RDMA;
}

void *session_fabric_main(void *argument)
{
	struct vfiomig_session *session = argument;
	uint64_t spin_until = 0;

	for (;;) {
		unsigned requests = atomic_exchange(&session->fabric_requests, 0);
		unsigned came = 0;

		if (requests & FABRIC_QUIT)
			break;
		do_requests(session, requests);
		if (session->lanes_up && leave_to_loader(session))
			continue;
		if (session->lanes_up) {
			pthread_mutex_lock(&session->poll_lock);
			came = poll_lanes(session);
			pthread_mutex_unlock(&session->poll_lock);
		}
		if (came)
			spin_until = spins(session) ? clock_now_ns() + SPIN_NS : 0;
		else if (!spin_until || clock_now_ns() >= spin_until)
			sleep_on_lanes(session);
	}
	return NULL;
}
