/* SPDX-License-Identifier: MIT */
/* Every event that a shell or a peer could bring a core in a given state, good or bad: what the walk takes its steps by. */
#ifndef SUPPORT_CORE_EVENTS_H
#define SUPPORT_CORE_EVENTS_H

#include "support/core_frozen.h"
#include "support/core_witness.h"

struct state {
	struct witness witness;
	struct frozen core;
};

static const struct vfiomig_error trouble = {
	.code = VFIOMIG_FABRIC, .errnum = 5, .name = "trouble", .text = "trouble"
};
static const struct vfiomig_error device_trouble = {
	.code = VFIOMIG_DEVICE, .errnum = 5, .name = "eio", .text = "eio"
};
static const struct vfiomig_error degraded = { .code = VFIOMIG_DEGRADED,
					       .name = "degraded",
					       .text = "one did not run" };
static const struct vfiomig_error nothing = { .code = VFIOMIG_OK };
static const uint64_t arrived[VFIOMIG_DEVICES_MAX] = { 2, 2 };

/* Each function says false when the @n-th event of its kind cannot come in this state. */

static struct token shown; /* what an event points to */

static inline bool answer(const struct state *state, unsigned n, struct core_event *event)
{
	static const struct vfiomig_error full = { .code = VFIOMIG_INTERNAL };
	unsigned debt = n == 7 ? DEBT_PREPARED : n == 8 ? DEBT_COMMITTED : 1u << n;

	*event = (struct core_event){ .kind = CORE_FACT, .fact = witness_fact(debt) };
	if (n >= 7)
		*event = (struct core_event){ .kind = CORE_UNWRITTEN, .error = &full };
	return state->witness.debts & debt;
}

static inline bool device_answer(const struct state *state, unsigned n, struct core_event *event)
{
	unsigned d = n / 2;
	const struct witness *witness = &state->witness;
	bool way_back = (witness->debts | witness->debts_paid) & DEBT_FENCE;

	*event = (struct core_event){ .kind = CORE_DEVICE_DONE,
				      .device = d,
				      .request = (enum device_request)state->witness.busy[d],
				      .counts = stream_right,
				      .error = n % 2 ? &device_trouble : NULL };
	if (witness->busy[d] == REQUEST_PRECOPY && !witness->precopy_ended && !way_back && n % 2 == 0)
		return false; /* it goes on until it is ended */
	return witness->busy[d] != REQUEST_NONE;
}

static inline bool device_sticks(const struct state *state, unsigned n, struct core_event *event)
{
	*event = (struct core_event){ .kind = CORE_DEVICE_STUCK, .device = n, .error = &device_trouble };
	return state->witness.busy[n] != REQUEST_NONE;
}

static inline bool own_news(const struct state *state, unsigned n, struct core_event *event)
{
	static const struct core_event news[] = {
		{ .kind = CORE_CANCEL },
		{ .kind = CORE_FAILED, .error = &trouble },
		{ .kind = CORE_LANE_LOST, .error = &trouble },
		{ .kind = CORE_LOST, .error = &trouble },
		{ .kind = CORE_FACT, .fact = FACT_CONTROL_UP },
		{ .kind = CORE_FACT, .fact = FACT_ITERABLES_DONE },
		{ .kind = CORE_FACT, .fact = FACT_PLATFORM_READY },
		{ .kind = CORE_FACT, .fact = FACT_MEASURED },
		{ .kind = CORE_FACT, .fact = FACT_SWITCHOVER_DUE },
	};
	const struct frozen *core = &state->core;

	*event = news[n];
	if (event->kind == CORE_LOST || event->fact == FACT_CONTROL_UP)
		return !state->witness.lost && (event->kind == CORE_LOST || !state->witness.control_up);
	if (event->fact == FACT_MEASURED || event->fact == FACT_SWITCHOVER_DUE)
		return state->witness.source && !(core->facts & event->fact) &&
		       core->phase == (event->fact == FACT_MEASURED ? PHASE_LANES : PHASE_PRECOPY);
	if (event->kind == CORE_FACT)
		return (event->fact == FACT_ITERABLES_DONE) == state->witness.source && !(core->facts & event->fact) &&
		       core->phase < PHASE_DONE;
	return true;
}

static inline bool peer_message(const struct state *state, unsigned n, struct core_event *event)
{
	*event = (struct core_event){ .kind = CORE_MESSAGE, .message = (enum message_type)n };
	if (n == MESSAGE_TYPES)
		*event = (struct core_event){ .kind = CORE_MESSAGE, .message = MESSAGE_DONE, .error = &degraded };
	if (n == MESSAGE_ABORT)
		*event = (struct core_event){ .kind = CORE_ABORT, .error = &trouble };
	if (n == MESSAGE_TYPES + 1) /* an ABORT that claims that the destination runs */
		*event = (struct core_event){ .kind = CORE_ABORT, .error = &degraded };
	if (n == MESSAGE_TYPES + 2) /* one without a cause */
		*event = (struct core_event){ .kind = CORE_ABORT, .error = &nothing };
	return n >= MESSAGE_OFFER && n != MESSAGE_STREAM_END && state->witness.control_up && !state->witness.lost;
}

static inline bool stream_end(const struct state *state, unsigned n, struct core_event *event)
{
	static const unsigned numbers[] = { 0, 1, 2, 63, 65535 };

	*event = (struct core_event){ .kind = CORE_STREAM_END,
				      .device = numbers[n / 2],
				      .counts = n % 2 ? stream_wrong : stream_right };
	return state->witness.control_up && !state->witness.lost;
}

static inline bool token(const struct state *state, unsigned n, struct core_event *event)
{
	static const uint64_t packets[] = { TOKEN_RIGHT, TOKEN_TOO_FEW, TOKEN_TOO_MANY };

	shown = token_of(packets[n]);
	*event = (struct core_event){ .kind = CORE_TOKEN, .token = &shown, .arrived = arrived };
	return !state->witness.source && state->core.devices > 0;
}

/* The record of the commit, answered only when the devices have stood still for too long. */
static inline bool late_record(const struct state *state, unsigned n, struct core_event *event)
{
	(void)n;
	*event = (struct core_event){ .kind = CORE_FACT, .fact = FACT_COMMITTED };
	return state->witness.limited && state->witness.debts & DEBT_COMMITTED;
}

static inline bool caller_commits(const struct state *state, unsigned n, struct core_event *event)
{
	(void)n;
	*event = (struct core_event){ .kind = CORE_COMMIT };
	return !state->witness.finished;
}

/* When the devices have stood still for too long. */
static inline bool caller_commits_late(const struct state *state, unsigned n, struct core_event *event)
{
	return caller_commits(state, n, event) && state->witness.limited && witness_answer(&state->witness) == 0;
}

static inline bool nothing_but_time(const struct state *state, unsigned n, struct core_event *event)
{
	(void)state;
	(void)n;
	*event = (struct core_event){ .kind = CORE_TICK };
	return true;
}

#endif
