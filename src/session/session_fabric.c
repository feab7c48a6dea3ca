/* SPDX-License-Identifier: MIT */
/*
 * The fabric thread: sets the lanes up, then polls them, and never waits for a device. What a message means for the order of
 * packets is the flow's to say; here it is only taken from the lane to the flow.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "session/session.h"

enum { EVENTS_BATCH = 64, SPIN_NS = 20000 };

static const struct fabric_ops *ops_of(enum vfiomig_transport transport)
{
	return transport == VFIOMIG_TRANSPORT_RDMA ? &verbs_fabric_ops : &tcp_fabric_ops;
}

void session_ask_fabric(struct vfiomig_session *session, enum fabric_request request)
{
	atomic_fetch_or(&session->fabric_requests, (unsigned)request);
	session_signal(session->fabric_wake_fd);
}

static struct fabric_route route_of(const struct vfiomig_session *session)
{
	return (struct fabric_route){ .role = session->role,
				      .local = session->local,
				      .peer = session->remote,
				      .timeout_ms = session->options.peer_timeout_ms,
				      .cancel_fd = session->stop_fd };
}

/* Which transports are usable here, and why RDMA is or is not: the answer is FACT_PROBED in any case. */
static void do_probe(struct vfiomig_session *session)
{
	struct fabric_route route = route_of(session);
	struct plan_side *side = &session->side;
	enum vfiomig_transport wanted = session->options.transport;

	session->limits = (struct fabric_limits){ .numa_node = -1, .receives_max = UINT_MAX };
	side->transports = 0;
	if (wanted != VFIOMIG_TRANSPORT_RDMA)
		side->transports |= 1U << VFIOMIG_TRANSPORT_TCP;
	if (wanted != VFIOMIG_TRANSPORT_TCP) {
		if (verbs_fabric_ops.probe(&route, &session->limits) == 0)
			side->transports |= 1U << VFIOMIG_TRANSPORT_RDMA;
		snprintf(side->transport_reason, sizeof(side->transport_reason), "%s", session->limits.reason);
	} else {
		snprintf(side->transport_reason, sizeof(side->transport_reason), "TCP was asked for");
	}
	side->receives_max = session->limits.receives_max;
	if (!side->transports) {
		struct vfiomig_error err = { 0 };

		error_set(&err, VFIOMIG_PREFLIGHT, ENODEV, "no-rdma",
			  "RDMA was asked for and cannot be used at the %s: %s", session_side(session),
			  side->transport_reason);
		session_post_failure(session, &err);
		return;
	}
	session_post_fact(session, FACT_PROBED);
}

/* TCP asks where an announced body may go. */
static int place(void *context, unsigned lane, uint32_t immediate, uint32_t bytes, struct fabric_place *where)
{
	struct vfiomig_session *session = context;
	unsigned d, slot;
	const char *why;
	int rc;

	(void)lane;
	if (immediate_kind(immediate) == IMMEDIATE_TOKEN) {
		*where = (struct fabric_place){ .payload = arena_token(&session->arena) };
		return session->token_here || bytes != token_bytes(session->plan.devices) ? -EPROTO : 0;
	}
	if (immediate_kind(immediate) != IMMEDIATE_DATA || bytes < ARENA_HEADER_BYTES ||
	    session->role != VFIOMIG_DESTINATION)
		return -EPROTO;
	pthread_mutex_lock(&session->flow_lock);
	rc = flow_place(&session->flow, immediate, bytes - ARENA_HEADER_BYTES, &d, &slot, &why);
	pthread_mutex_unlock(&session->flow_lock);
	if (rc)
		return rc;
	*where = (struct fabric_place){ .header = arena_header(&session->arena, d, slot),
					.payload = arena_payload(&session->arena, d, slot) };
	return 0;
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
	int rc = arena_open(&session->arena, &arena, session->limits.numa_node, err);

	if (rc)
		return rc;
	if (flow_init(&session->flow, &shape))
		return error_set(err, VFIOMIG_INTERNAL, ENOMEM, NULL, "no memory for the bookkeeping of %u slots",
				 plan->slots * plan->devices);
	return 0;
}

static void do_open(struct vfiomig_session *session)
{
	const struct fabric_ops *ops = ops_of(session->plan.transport);
	struct fabric_config config = { .route = route_of(session),
					.lanes = session->plan.lanes,
					.arena = &session->arena,
					.sink = { place, session } };
	struct vfiomig_error err = { 0 };

	memcpy(config.session, session->id, sizeof(config.session));
	if (open_memory(session, &err) || ops->open(&session->fabric, &config, &err))
		session_post_failure(session, &err);
	else
		session_post_fact(session, FACT_FABRIC_OPEN);
}

/* The first message over every lane: both ends' queues and caches are warm before it counts. */
static void warm_up(struct vfiomig_session *session)
{
	for (unsigned lane = 0; lane < session->plan.lanes; lane++)
		session->fabric->ops->send(session->fabric, lane, immediate_make(IMMEDIATE_CONTROL, 0, 0));
}

static void do_connect(struct vfiomig_session *session)
{
	struct fabric_memory memory = { .base = session->ready.base, .rkey = session->ready.rkey };
	bool source = session->role == VFIOMIG_SOURCE;
	struct vfiomig_error err = { 0 };

	if (session->fabric->ops->establish(session->fabric, source ? &memory : NULL, &err)) {
		session_post_failure(session, &err);
		return;
	}
	if (source) {
		warm_up(session);
		session_post_fact(session, FACT_LANES_UP);
	}
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

/* Only the first failure of the lanes is told: it ends the session, and a peer must not fill the queue with more. */
static void tell_failure(struct vfiomig_session *session, const struct vfiomig_error *err)
{
	if (!session->lanes_failed)
		session_post_failure(session, err);
	session->lanes_failed = true;
}

static void fail(struct vfiomig_session *session, const char *name, const char *what, unsigned lane)
{
	struct vfiomig_error err = { 0 };

	error_set(&err, VFIOMIG_PROTOCOL, EPROTO, name, "lane %u at the %s: %s", lane, session_side(session), what);
	tell_failure(session, &err);
}

static void on_data(struct vfiomig_session *session, const struct fabric_event *event)
{
	uint8_t copy[PACKET_HEADER_BYTES];
	struct packet_header header;
	struct flow_actions actions = { 0 };
	unsigned d, slot;
	const char *why;
	int rc;

	pthread_mutex_lock(&session->flow_lock);
	rc = flow_slot_of(&session->flow, event->immediate, &d, &slot, &why);
	pthread_mutex_unlock(&session->flow_lock);
	if (!rc) {
		memcpy(copy, arena_header(&session->arena, d, slot), sizeof(copy));
		rc = packet_decode(&header, copy, &why);
	}
	if (!rc && memcmp(header.session, session->id, sizeof(header.session)) != 0) {
		why = "packet-session";
		rc = -EPROTO;
	}
	if (!rc) {
		pthread_mutex_lock(&session->flow_lock);
		rc = flow_arrived(&session->flow, event->lane, event->immediate, &header, &actions, &why);
		pthread_mutex_unlock(&session->flow_lock);
	}
	if (rc) {
		fail(session, why, "a packet that must not be", event->lane);
		return;
	}
	session_perform(session, &actions);
}

static void on_token(struct vfiomig_session *session, const struct fabric_event *event)
{
	struct core_event told = { .kind = CORE_TOKEN, .token = &session->token, .arrived = session->token_arrived };
	uint8_t copy[TOKEN_BYTES_MAX];
	const char *why = "token-foreign";

	if (session->token_here) {
		if (!session->lanes_failed)
			session_post(session, &told, NULL); /* core knows it by its name */
		session->lanes_failed = true;
		return;
	}
	memcpy(copy, arena_token(&session->arena), sizeof(copy));
	if (token_decode(&session->token, copy, session->plan.devices, &why) ||
	    memcmp(session->token.session, session->id, sizeof(session->id)) != 0) {
		fail(session, why, "a token that must not be", event->lane);
		return;
	}
	session->token_here = true;
	pthread_mutex_lock(&session->flow_lock);
	for (unsigned d = 0; d < session->plan.devices; d++)
		session->token_arrived[d] = flow_data_packets(&session->flow, d);
	pthread_mutex_unlock(&session->flow_lock);
	session_post(session, &told, NULL);
}

static void on_credit(struct vfiomig_session *session, const struct fabric_event *event)
{
	struct flow_actions actions;
	const char *why;
	int rc;

	pthread_mutex_lock(&session->flow_lock);
	rc = flow_credit(&session->flow, event->immediate, &actions, &why);
	pthread_mutex_unlock(&session->flow_lock);
	if (rc)
		fail(session, why, "a credit that must not be", event->lane);
	else
		session_perform(session, &actions);
}

static void on_warm_up(struct vfiomig_session *session, const struct fabric_event *event)
{
	unsigned lanes = session->plan.lanes;
	uint64_t all = lanes == 64 ? UINT64_MAX : (UINT64_C(1) << lanes) - 1;

	session->warm |= UINT64_C(1) << event->lane;
	if (session->warm == all && !session->lanes_told) {
		session->lanes_told = true;
		session_post_fact(session, FACT_LANES_UP);
	}
}

static void on_arrived(struct vfiomig_session *session, const struct fabric_event *event)
{
	bool source = session->role == VFIOMIG_SOURCE;
	uint64_t now = clock_now_ns();

	switch (immediate_kind(event->immediate)) {
	case IMMEDIATE_DATA:
		if (source)
			break;
		if (!atomic_load_explicit(&session->first_packet_ns, memory_order_relaxed))
			atomic_store_explicit(&session->first_packet_ns, now, memory_order_relaxed);
		on_data(session, event);
		return;
	case IMMEDIATE_TOKEN:
		if (source)
			break;
		on_token(session, event);
		return;
	case IMMEDIATE_CREDIT:
		if (!source)
			break;
		on_credit(session, event);
		return;
	case IMMEDIATE_CONTROL:
		if (source)
			break;
		on_warm_up(session, event);
		return;
	}
	fail(session, "immediate", "a message in the wrong direction", event->lane);
}

/* A lane that dies when there is nothing left to carry is no loss: the other side may simply have gone home. */
static void on_dead(struct vfiomig_session *session, unsigned lane)
{
	const struct vfiomig_error *why = session->fabric->ops->error(session->fabric, lane);
	struct vfiomig_error err = why ? *why : (struct vfiomig_error){ 0 };
	bool drained;

	pthread_mutex_lock(&session->flow_lock);
	flow_lane_dead(&session->flow, lane);
	drained = flow_drained(&session->flow);
	pthread_mutex_unlock(&session->flow_lock);
	if (drained && (session->role == VFIOMIG_SOURCE || !session->plan.gated || session->token_here))
		return;
	error_set(&err, VFIOMIG_FABRIC, EPIPE, NULL, "lane %u was lost", lane);
	error_prefix(&err, "%s: ", session_side(session));
	tell_failure(session, &err);
}

static void on_event(struct vfiomig_session *session, const struct fabric_event *event)
{
	switch (event->kind) {
	case FABRIC_SENT:
		session_lane_sent(session, event->lane, event->cookie);
		break;
	case FABRIC_ARRIVED:
		on_arrived(session, event);
		break;
	case FABRIC_DEAD:
		on_dead(session, event->lane);
		break;
	}
}

static void do_requests(struct vfiomig_session *session, unsigned requests)
{
	static const struct {
		enum fabric_request request;
		void (*call)(struct vfiomig_session *session);
	} calls[] = {
		{ FABRIC_PROBE, do_probe },	{ FABRIC_OPEN, do_open },	{ FABRIC_CONNECT, do_connect },
		{ FABRIC_RELEASE, do_release }, { FABRIC_FENCE, do_fence },
	};

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (requests & calls[i].request)
			calls[i].call(session);
}

static unsigned poll_lanes(struct vfiomig_session *session)
{
	struct fabric_event events[EVENTS_BATCH];
	unsigned count = session->fabric->ops->poll(session->fabric, clock_now_ns(), events, EVENTS_BATCH);

	for (unsigned i = 0; i < count; i++)
		on_event(session, &events[i]);
	return count;
}

static int timeout_ms(struct vfiomig_session *session)
{
	uint64_t deadline = session->fabric ? session->fabric->ops->deadline_ns(session->fabric) : UINT64_MAX;
	uint64_t now = clock_now_ns();

	if (deadline == UINT64_MAX)
		return -1;
	return deadline <= now ? 0 : (int)((deadline - now) / NS_PER_MS + 1);
}

static void sleep_on_lanes(struct vfiomig_session *session)
{
	struct pollfd fds[1 + FABRIC_POLLFDS_MAX] = { { session->fabric_wake_fd, POLLIN, 0 } };
	int count = 0;

	if (session->fabric)
		count = session->fabric->ops->pollfds(session->fabric, fds + 1, FABRIC_POLLFDS_MAX);
	if (count == -EAGAIN)
		return;
	poll(fds, 1 + (nfds_t)(count > 0 ? count : 0), timeout_ms(session));
	if (fds[0].revents)
		session_drain(session->fabric_wake_fd);
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
	unsigned requests = 0;

	while (!(requests & FABRIC_QUIT)) {
		requests = atomic_exchange(&session->fabric_requests, 0);
		do_requests(session, requests);
		if (session->fabric && poll_lanes(session) > 0)
			spin_until = spins(session) ? clock_now_ns() + SPIN_NS : 0;
		else if (!spin_until || clock_now_ns() >= spin_until)
			sleep_on_lanes(session);
	}
	return NULL;
}
