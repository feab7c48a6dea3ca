/* SPDX-License-Identifier: MIT */
/*
 * What comes over the lanes, on whichever thread polls them: from the lane to the flow, to core, or to the failure that it is. Every
 * field is judged on a copy; what changes in the slot afterwards has no effect.
 */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/probe.h"
#include "session/session_seal.h"

/* Only the first failure of the lanes is told: it ends the session, and a peer must not fill the queue with more. */
void session_fail_lanes(struct vfiomig_session *session, const struct vfiomig_error *err)
{
	if (!session->lanes_failed)
		session_post_failure(session, err);
	session->lanes_failed = true;
}

static void fail(struct vfiomig_session *session, const char *name, const char *what, unsigned lane)
{
	struct vfiomig_error err = { 0 };

	error_set(&err, VFIOMIG_PROTOCOL, EPROTO, name, "lane %u at the %s: %s", lane, session_side(session), what);
	session_fail_lanes(session, &err);
}

static void note_arrival(struct session_arrival *arrival, const struct packet_header *header, uint64_t now)
{
	*arrival = (struct session_arrival){ now,  header->ready_ns, header->read_us, header->wait_us, header->bytes,
					     { 0 } };
	memcpy(arrival->session, header->session, sizeof(arrival->session));
}

/* The lane dies of it, but only here is it known by what name. */
static int refuse_place(struct vfiomig_session *session, unsigned lane, const char *name)
{
	fail(session, name, "a message that must not be announced itself", lane);
	return -EPROTO;
}

/* The first message over each lane is as long as a packet, and lands where packets will: nobody looks at what it bears. */
static int place_trial(struct vfiomig_session *session, unsigned lane, uint32_t bytes, struct fabric_place *where)
{
	unsigned slot = lane % session->plan.slots;

	if (session->lanes_told)
		return refuse_place(session, lane, "warm-up-late");
	if (bytes != session_trial_bytes(session) + ARENA_HEADER_BYTES)
		return refuse_place(session, lane, "warm-up-bytes");
	if (!session->trial_begin_ns)
		session->trial_begin_ns = clock_now_ns();
	*where = (struct fabric_place){ .header = arena_header(&session->arena, 0, slot),
					.payload = arena_payload(&session->arena, 0, slot) };
	return 0;
}

/* A second token lands on the first, which was copied: on_token names it. */
static int place_token(struct vfiomig_session *session, unsigned lane, uint32_t bytes, struct fabric_place *where)
{
	if (bytes != token_bytes(session->plan.devices))
		return refuse_place(session, lane, "token-bytes");
	*where = (struct fabric_place){ .payload = arena_token(&session->arena) };
	return 0;
}

/* TCP asks where an announced body may go; frames of other kinds than these three it has refused itself. */
int session_place(void *context, unsigned lane, uint32_t immediate, uint32_t bytes, struct fabric_place *where)
{
	struct vfiomig_session *session = context;
	enum immediate_kind kind = immediate_kind(immediate);
	unsigned d, slot;
	const char *why;
	int rc;

	if (session->role != VFIOMIG_DESTINATION || kind == IMMEDIATE_CREDIT)
		return refuse_place(session, lane, "immediate");
	if (kind == IMMEDIATE_TOKEN)
		return place_token(session, lane, bytes, where);
	if (bytes < ARENA_HEADER_BYTES)
		return refuse_place(session, lane, "packet-too-short");
	if (kind == IMMEDIATE_CONTROL)
		return place_trial(session, lane, bytes, where);
	pthread_mutex_lock(&session->flow_lock);
	rc = flow_place(&session->flow, lane, immediate, bytes - ARENA_HEADER_BYTES, &d, &slot, &why);
	if (!rc)
		session_device_of(session, d)->arrival[slot].announced_bytes = bytes - ARENA_HEADER_BYTES;
	pthread_mutex_unlock(&session->flow_lock);
	if (rc)
		return refuse_place(session, lane, why);
	*where = (struct fabric_place){ .header = arena_header(&session->arena, d, slot),
					.payload = arena_payload(&session->arena, d, slot) };
	return 0;
}

/* TCP knows how much came; of an RDMA write only the last fragment's length is known, and the CRC must tell. */
static bool length_fits(struct vfiomig_session *session, unsigned d, unsigned slot, const struct packet_header *header)
{
	return session->plan.transport != VFIOMIG_TRANSPORT_TCP || header->bytes > session->plan.slot_bytes ||
	       header->bytes == session_device_of(session, d)->arrival[slot].announced_bytes;
}

/* A limit of this side's own, so its owner's: the source cannot know of it. */
static void check_stream(struct vfiomig_session *session, unsigned d, uint64_t bytes)
{
	uint64_t max = session->options.stream_bytes_max;
	struct vfiomig_error err = { 0 };

	if (!max || bytes <= max)
		return;
	error_set(&err, VFIOMIG_PROTOCOL, EFBIG, "stream-too-long",
		  "device '%s' (destination): the source sends more than the %llu bytes that a stream may have here",
		  session_device_label(session_device_of(session, d)), (unsigned long long)max);
	session_fail_lanes(session, &err);
}

static void on_data(struct vfiomig_session *session, const struct fabric_event *event)
{
	uint8_t copy[PACKET_HEADER_BYTES];
	struct packet_header header;
	struct flow_actions actions = { 0 };
	uint64_t now = clock_now_ns(), stream_bytes = 0;
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
	if (!rc) {
		why = session_foreign_packet(session, &header);
		rc = why ? -EPROTO : 0;
	}
	if (!rc) {
		pthread_mutex_lock(&session->flow_lock);
		why = "packet-length";
		rc = length_fits(session, d, slot, &header) ? 0 : -EPROTO;
		rc = rc ? rc : flow_arrived(&session->flow, event->lane, event->immediate, &header, &actions, &why);
		if (!rc)
			note_arrival(&session_device_of(session, d)->arrival[slot], &header, now);
		stream_bytes = session->flow.device[d].bytes;
		pthread_mutex_unlock(&session->flow_lock);
	}
	if (rc) {
		fail(session, why, "a packet that must not be", event->lane);
		return;
	}
	check_stream(session, d, stream_bytes);
	PROBE2(vfio_load_state_device_buffer_incoming, session_device_label(session_device_of(session, d)),
	       header.index);
	session_perform(session, &actions);
	session_rehearse(session, event->lane);
}

static void on_token(struct vfiomig_session *session, const struct fabric_event *event)
{
	struct core_event told = { .kind = CORE_TOKEN, .token = &session->token, .arrived = session->token_arrived };
	uint8_t copy[TOKEN_BYTES_MAX];
	const char *why = session_is_sealed(session) ? "token-seal" : "token-foreign";

	if (session->token_here) {
		if (!session->lanes_failed)
			session_post(session, &told, NULL); /* core knows it by its name */
		session->lanes_failed = true;
		return;
	}
	memcpy(copy, arena_token(&session->arena), sizeof(copy));
	if (token_decode(&session->token, copy, session->plan.devices, &why) || !session_token_holds(session)) {
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

	if (session->lanes_told) {
		fail(session, "warm-up-late", "a warm-up that must not be", event->lane);
		return;
	}
	session->trial_end_ns = clock_now_ns();
	if (!session->trial_begin_ns)
		session->trial_begin_ns = session->trial_end_ns;
	session->warm |= UINT64_C(1) << event->lane;
	if (session->warm == all) {
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

void session_on_lane_event(struct vfiomig_session *session, const struct fabric_event *event)
{
	switch (event->kind) {
	case FABRIC_SENT:
		session_lane_sent(session, event->lane, event->cookie);
		break;
	case FABRIC_ARRIVED:
		on_arrived(session, event);
		break;
	case FABRIC_DEAD:
		session_on_dead_lane(session, event->lane);
		break;
	}
}
