/* SPDX-License-Identifier: MIT */
/* Carrying out what the flow asks for. Any thread; the flow is stepped under its lock, the lanes are called without it. */
#include <assert.h>
#include <string.h>

#include "base/clock.h"
#include "session/session_seal.h"

/* What a lane hands back with SENT: which slot of which device, or the token, or the trial. */
#define COOKIE_TOKEN UINT64_MAX
#define COOKIE_TRIAL (UINT64_MAX - 1)

static uint64_t cookie_of(const struct flow_action *action)
{
	return (uint64_t)action->device << 32 | action->slot;
}

/* 1: sent already; 0: SENT will come, and the fabric thread must look. */
static int post(struct vfiomig_session *session, const struct flow_action *action)
{
	struct fabric_packet packet = { .immediate = action->immediate,
					.device = action->device,
					.slot = action->slot,
					.bytes = action->bytes,
					.cookie = cookie_of(action) };
	int rc = session->fabric->ops->post(session->fabric, action->lane, &packet);

	if (rc != 1)
		session_signal(session->fabric_wake_fd);
	session_rehearse(session, action->lane);
	return rc;
}

static void credit(struct vfiomig_session *session, const struct flow_action *action)
{
	if (session->fabric->ops->send(session->fabric, action->lane, action->immediate) == 0)
		session_signal(session->fabric_wake_fd);
}

static void wake(struct vfiomig_session *session, const struct flow_action *action)
{
	session_signal(session_device_of(session, action->device)->wake_fd);
}

static void step_sent(struct vfiomig_session *session, unsigned lane, uint64_t cookie, struct flow_actions *actions)
{
	uint64_t now = clock_now_ns();

	atomic_store_explicit(&session->last_packet_ns, now, memory_order_relaxed);
	atomic_store_explicit(&session->lane_moved_ns[lane], now, memory_order_relaxed);
	pthread_mutex_lock(&session->flow_lock);
	flow_sent(&session->flow, lane, (unsigned)(cookie >> 32), (unsigned)(cookie & UINT32_MAX), actions);
	pthread_mutex_unlock(&session->flow_lock);
}

/*
 * A post that is done at once is a step of its own, with actions of its own: they join the list here. A lane never has
 * more posts open than may be outstanding on it, and wake-ups are not kept, which bounds the list.
 */
void session_perform(struct vfiomig_session *session, const struct flow_actions *actions)
{
	struct flow_action todo[2 * FLOW_ACTIONS_MAX];
	unsigned count = actions->count;

	for (unsigned i = 0; i < count; i++)
		todo[i] = actions->action[count - 1 - i];
	while (count > 0) {
		struct flow_action action = todo[--count];
		struct flow_actions more = { 0 };

		if (action.kind == FLOW_CREDIT)
			credit(session, &action);
		else if (action.kind == FLOW_WAKE)
			wake(session, &action);
		else if (action.kind == FLOW_TOKEN)
			session_repost_token(session, action.lane);
		else if (post(session, &action) == 1)
			step_sent(session, action.lane, cookie_of(&action), &more);
		while (more.count > 0) {
			const struct flow_action *next = &more.action[--more.count];

			if (next->kind == FLOW_WAKE) {
				wake(session, next);
				continue;
			}
			assert(count < 2 * FLOW_ACTIONS_MAX);
			todo[count++] = *next;
		}
	}
}

/* Packets may follow only when the trial has left every lane: it counts against what may be outstanding on one. */
static void trial_sent(struct vfiomig_session *session)
{
	if (++session->trials_sent == session->plan.lanes)
		session_post_fact(session, FACT_LANES_UP);
}

void session_lane_sent(struct vfiomig_session *session, unsigned lane, uint64_t cookie)
{
	struct flow_actions actions;

	if (cookie == COOKIE_TRIAL)
		trial_sent(session);
	if (cookie == COOKIE_TOKEN || cookie == COOKIE_TRIAL)
		return;
	step_sent(session, lane, cookie, &actions);
	session_perform(session, &actions);
}

uint32_t session_trial_bytes(const struct vfiomig_session *session)
{
	return session->plan.slot_bytes < TRIAL_BYTES_MAX ? (uint32_t)session->plan.slot_bytes : TRIAL_BYTES_MAX;
}

void session_post_trial(struct vfiomig_session *session, unsigned lane)
{
	struct fabric_packet packet = { .immediate = immediate_make(IMMEDIATE_CONTROL, 0, 0),
					.slot = lane % session->plan.slots,
					.bytes = session_trial_bytes(session),
					.cookie = COOKIE_TRIAL };

	/* A lane that is dead already says so itself. */
	if (session->fabric->ops->post(session->fabric, lane, &packet) == 1)
		trial_sent(session);
}

void session_repost_token(struct vfiomig_session *session, unsigned lane)
{
	struct fabric_packet packet = { .immediate = immediate_make(IMMEDIATE_TOKEN, 0, 0),
					.bytes = (uint32_t)token_bytes(session->plan.devices),
					.cookie = COOKIE_TOKEN };

	/* On a lane that is dying: its death is told by the lane, and what waits for the token ends by that. */
	if (session->fabric->ops->post(session->fabric, lane, &packet) != 1)
		session_signal(session->fabric_wake_fd);
}

void session_post_token(struct vfiomig_session *session)
{
	struct token *token = &session->token;
	int lane;

	*token = (struct token){ .devices = session->plan.devices };
	for (unsigned d = 0; d < token->devices; d++) {
		const struct stream_counts *counts = &session->core.device[d].counts;

		token->count[d] = (struct token_count){ .packets = counts->packets - 1,
							.bytes = counts->bytes - counts->config_bytes };
	}
	(void)session_encode_token(session);
	pthread_mutex_lock(&session->flow_lock);
	lane = flow_token(&session->flow);
	pthread_mutex_unlock(&session->flow_lock);
	if (lane >= 0)
		session_repost_token(session, (unsigned)lane);
}
