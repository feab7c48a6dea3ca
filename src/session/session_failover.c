/* SPDX-License-Identifier: MIT */
/*
 * A lane dies and the others go on: between the fabric, which knows when it is fenced, the flow, which knows what it had carried, core,
 * which decides, and the peer, who is asked. Nothing is allocated.
 */
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "session/session.h"

static uint64_t bit_of(unsigned lane)
{
	return UINT64_C(1) << lane;
}

/* poll_lock is held: all that came over the lane was taken in. */
static void tell_fenced(struct vfiomig_session *session, unsigned lane)
{
	session->lanes_awaited &= ~bit_of(lane);
	if (session->role == VFIOMIG_DESTINATION) {
		pthread_mutex_lock(&session->flow_lock);
		flow_lane_fenced(&session->flow, lane);
		pthread_mutex_unlock(&session->flow_lock);
	}
	session_log_line(session, VFIOMIG_LOG_INFO, "lane %u is fenced at the %s", lane, session_side(session));
	session_post(session, &(struct core_event){ .kind = CORE_LANE_FENCED, .lane = lane }, NULL);
}

void session_fence_lane(struct vfiomig_session *session, unsigned lane)
{
	atomic_fetch_or(&session->lanes_to_fence, bit_of(lane));
	session_ask_fabric(session, FABRIC_FENCE_LANES);
}

void session_fence_lanes(struct vfiomig_session *session)
{
	uint64_t wanted = atomic_exchange(&session->lanes_to_fence, 0);

	for (unsigned lane = 0; lane < session->plan.lanes; lane++) {
		if (!(wanted & bit_of(lane)))
			continue;
		if (session->lanes_dead & bit_of(lane)) {
			tell_fenced(session, lane);
			continue;
		}
		session->lanes_awaited |= bit_of(lane);
		session->fabric->ops->lose(session->fabric, lane);
	}
}

/* A lane that dies when there is nothing left to carry is no loss: the other side may simply have gone home. */
void session_on_dead_lane(struct vfiomig_session *session, unsigned lane)
{
	const struct vfiomig_error *why = session->fabric->ops->error(session->fabric, lane);
	struct vfiomig_error err = why ? *why : (struct vfiomig_error){ 0 };
	bool drained, awaited;

	session->lanes_dead |= bit_of(lane);
	pthread_mutex_lock(&session->flow_lock);
	flow_lane_dead(&session->flow, lane);
	drained = flow_drained(&session->flow);
	pthread_mutex_unlock(&session->flow_lock);
	awaited = session->lanes_awaited & bit_of(lane);
	error_set(&err, VFIOMIG_FABRIC, EPIPE, NULL, "lane %u was lost", lane);
	error_prefix(&err, "%s: ", session_side(session));
	if (why && why->code == VFIOMIG_PROTOCOL) { /* not lost: its peer broke a rule on it, needed or not */
		session_fail_lanes(session, &err);
		return;
	}
	if (!awaited && drained && (!session->plan.gated || atomic_load(&session->token_here)))
		return; /* a source cannot know that its token has come: PREPARED will tell */
	session_log_line(session, VFIOMIG_LOG_INFO, "%s", err.text);
	if (awaited)
		tell_fenced(session, lane);
	else
		session_post(session, &(struct core_event){ .kind = CORE_LANE_LOST, .lane = lane }, &err);
}

/* To the user: not before it is certain that the session does not end with the lane. Control thread. */
static void tell_replaced(struct vfiomig_session *session, unsigned lane, uint64_t resent)
{
	const char *cause = session->fabric->ops->error(session->fabric, lane)->text;

	if (session->role == VFIOMIG_DESTINATION)
		session_log_line(session, VFIOMIG_LOG_WARNING, "%s; the other lanes carry on", cause);
	else
		session_log_line(session, VFIOMIG_LOG_WARNING,
				 "%s; it is fenced on both sides, and %llu of its packets go again over the others",
				 cause, (unsigned long long)resent);
}

static size_t encode_fenced(struct vfiomig_session *session, unsigned lane, unsigned d)
{
	struct message_fenced *fenced = &session->fenced;

	pthread_mutex_lock(&session->flow_lock);
	flow_report(&session->flow, lane, d, fenced);
	pthread_mutex_unlock(&session->flow_lock);
	fenced->token = atomic_load(&session->token_here);
	if (d + 1 == session->plan.devices)
		tell_replaced(session, lane, 0);
	return message_encode_fenced(session->frame, fenced);
}

bool session_send_of_lane(struct vfiomig_session *session, const struct core_action *action)
{
	struct message_lane body = { .lane = (uint16_t)action->lane };
	size_t bytes;

	if (action->message == MESSAGE_FENCED)
		bytes = encode_fenced(session, action->lane, action->device);
	else if (action->message == MESSAGE_FENCE || action->message == MESSAGE_LANE_LOST)
		bytes = message_encode_lane(session->frame, &body);
	else
		return false;
	session_send_body(session, action->message, bytes);
	return true;
}

void session_receive_of_lane(struct vfiomig_session *session, const struct control_frame *frame)
{
	struct core_event event = { .kind = CORE_MESSAGE, .message = (enum message_type)frame->type };
	struct message_lane body;
	int rc;

	if (frame->type == MESSAGE_FENCED) {
		rc = message_decode_fenced(&session->fenced, frame->body, frame->bytes);
		event.lane = session->fenced.lane;
		event.device = session->fenced.number;
	} else {
		rc = message_decode_lane(&body, frame->body, frame->bytes);
		event.lane = body.lane;
	}
	if (rc)
		session_refuse(session, frame->type, "cannot be read");
	else
		session_step(session, &event);
}

static void recover(struct vfiomig_session *session)
{
	struct flow_actions actions;
	bool more = true;

	for (unsigned n = 0; more; n++) {
		pthread_mutex_lock(&session->flow_lock);
		more = flow_recover(&session->flow, n, &actions);
		pthread_mutex_unlock(&session->flow_lock);
		session_perform(session, &actions);
	}
}

void session_resend(struct vfiomig_session *session)
{
	unsigned lane = session->fenced.lane;
	struct vfiomig_error err = { 0 };
	uint64_t resent;
	const char *why;
	int rc;

	pthread_mutex_lock(&session->flow_lock);
	rc = flow_resend(&session->flow, &session->fenced, &why);
	resent = session->flow.lane[lane].resent;
	pthread_mutex_unlock(&session->flow_lock);
	if (rc) {
		error_set(&err, VFIOMIG_PROTOCOL, EPROTO, why, "lane %u: the destination says of it what cannot be",
			  lane);
		session_post_failure(session, &err);
		return;
	}
	recover(session);
	if (session->fenced.number + 1U == session->plan.devices)
		tell_replaced(session, lane, resent);
}

void session_rehearse(struct vfiomig_session *session, unsigned lane)
{
	uint64_t after = atomic_load_explicit(&session->lose_after[lane], memory_order_relaxed);
	uint64_t bytes;

	if (!after)
		return;
	pthread_mutex_lock(&session->flow_lock);
	bytes = session->flow.lane[lane].bytes;
	pthread_mutex_unlock(&session->flow_lock);
	if (bytes + 1 < after || !atomic_exchange(&session->lose_after[lane], 0))
		return;
	session->fabric->ops->lose(session->fabric, lane);
	session_signal(session->fabric_wake_fd);
}

int vfiomig_session_lose_lane(struct vfiomig_session *session, unsigned lane, uint64_t bytes)
{
	if (lane >= VFIOMIG_LANES_MAX)
		return -EINVAL;
	atomic_store(&session->lose_after[lane], bytes < UINT64_MAX ? bytes + 1 : bytes);
	return 0;
}
