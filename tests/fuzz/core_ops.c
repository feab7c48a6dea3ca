/* SPDX-License-Identifier: MIT */
/*
 * A destination's core (or, by a bit of the first byte, a source's) fed by a stream of operations: after how
 * long, and which event of those that a shell or a hostile peer could bring at this point. The walk of
 * tests/model/core_walk.c sees every state with few times; this one sees few states with any times and numbers.
 * The witness judges every action; in the end the answers to what is outstanding, and silence, must lead to the end.
 */
#include <string.h>

#include "base/clock.h"
#include "fuzz.h"
#include "support/core_events.h"

enum { LANES = 3, PEER_TIMEOUT_MS = 1000, STEPS_MAX = 400, SETTLE_STEPS_MAX = 64 };

struct run {
	struct state state;
	struct core core;
	struct core_actions actions;
	uint64_t now;
	unsigned fencing, fenced; /* lanes, as bits */
};

static void step(struct run *run, const struct core_event *event)
{
	const char *broken = witness_step(&run->state.witness, &run->core, event, run->now, &run->actions);

	if (broken)
		fprintf(stderr, "phase %s, event %d: %s\n", core_phase_name(&run->core), (int)event->kind, broken);
	FUZZ_CHECK(!broken);
	for (unsigned i = 0; i < run->actions.count; i++) {
		const struct core_action *action = &run->actions.action[i];

		if (action->kind == ACTION_FENCE_LANE) {
			FUZZ_CHECK(action->lane < LANES && !((run->fencing | run->fenced) >> action->lane & 1));
			run->fencing |= 1U << action->lane;
		}
		if (action->kind == ACTION_RESEND || (action->kind == ACTION_SEND && action->message == MESSAGE_FENCED))
			FUZZ_CHECK(run->fenced >> action->lane & 1);
	}
	freeze(&run->state.core, &run->core);
}

static void start(struct run *run, uint8_t first, uint8_t second)
{
	bool source = first & 1;
	struct core_config config = { .role = source ? VFIOMIG_SOURCE : VFIOMIG_DESTINATION,
				      .peer_timeout_ns = PEER_TIMEOUT_MS * NS_PER_MS,
				      .no_platform = first & 2,
				      .serial = first & 4,
				      .downtime_limit_ns = source && first & 8 ? 100 * NS_PER_MS : 0 };
	struct witness *witness = &run->state.witness;

	core_init(&run->core, &config, run->now);
	witness->source = source;
	witness->devices = first & 16 ? 2 : 1;
	/* Two devices only if both can be quiet to each other: less is refused before core hears of it. */
	witness->p2p = witness->devices == 2 || second & 1 ? 3 : 0;
	witness->gated = second >> 2 & 3 & ((1u << witness->devices) - 1);
	witness->precopy = source ? second >> 4 & 3 & ((1u << witness->devices) - 1) : 0;
	witness->serial = config.serial;
	witness->limited = config.downtime_limit_ns > 0;
	witness->platform_ready = config.no_platform;
	core_set_lanes(&run->core, LANES);
	if (source)
		core_set_devices(&run->core, witness->devices);
	for (unsigned d = 0; d < witness->devices; d++) {
		run->core.device[d].p2p = witness->p2p >> d & 1;
		run->core.device[d].gated = witness->gated >> d & 1;
		run->core.device[d].precopy = witness->precopy >> d & 1;
	}
	step(run, &(struct core_event){ .kind = CORE_START });
}

/* Numbers of a peer's own choice, instead of the few that the walk has. */
static void lie(struct core_event *event, struct token *forged, struct fuzz_input *input)
{
	uint64_t number = 0;

	for (unsigned i = fuzz_take(input) % 9; i > 0; i--)
		number = number << 8 | fuzz_take(input);
	if (event->kind == CORE_STREAM_END) {
		event->counts.packets = number ? number : 1;
		event->counts.bytes = number << fuzz_take(input) % 64;
	} else if (event->kind == CORE_MESSAGE || event->kind == CORE_LANE_LOST) {
		event->lane = number % VFIOMIG_LANES_MAX;
		event->device = fuzz_take(input) % VFIOMIG_DEVICES_MAX;
	} else if (event->kind == CORE_TOKEN) {
		*forged = *event->token;
		forged->count[number & 1].bytes = number;
		event->token = forged;
	}
}

static bool fence_ends(struct run *run, struct core_event *event)
{
	for (unsigned lane = 0; lane < LANES; lane++) {
		if (!(run->fencing >> lane & 1))
			continue;
		run->fencing &= ~(1U << lane);
		run->fenced |= 1U << lane;
		*event = (struct core_event){ .kind = CORE_LANE_FENCED, .lane = lane };
		return true;
	}
	return false;
}

static bool choose(struct run *run, struct fuzz_input *input, struct core_event *event, struct token *forged)
{
	static const struct {
		bool (*make)(const struct state *state, unsigned n, struct core_event *event);
		unsigned count;
	} kinds[] = {
		{ answer, 7 },		 { device_answer, 2 * WITNESS_DEVICES }, { own_news, 9 },
		{ stream_end, 10 },	 { peer_message, MESSAGE_TYPES + 3 },	 { token, 3 },
		{ nothing_but_time, 1 },
	};
	uint8_t op = fuzz_take(input);
	unsigned kind = op & 7;

	if (kind == 7) { /* the usual: whatever is outstanding goes well */
		if (fence_ends(run, event))
			return true;
		for (unsigned n = 0; n < 7; n++)
			if (answer(&run->state, n, event))
				return true;
		for (unsigned n = 0; n < 2 * WITNESS_DEVICES; n += 2)
			if (device_answer(&run->state, n, event))
				return true;
		return false;
	}
	if (!kinds[kind].make(&run->state, (op >> 3) % kinds[kind].count, event))
		return false;
	if (op >> 3 >= 24)
		lie(event, forged, input);
	return true;
}

static void settle(struct run *run)
{
	struct core_event event;

	for (unsigned i = 0; i < SETTLE_STEPS_MAX && !run->state.witness.finished; i++) {
		uint8_t usual = 7;

		if (!choose(run, &(struct fuzz_input){ &usual, 1 }, &event, NULL)) {
			event = (struct core_event){ .kind = CORE_TICK };
			if (run->core.phase == PHASE_CONNECT && !run->state.witness.source)
				event.kind = CORE_CANCEL; /* a destination waits for its source as long as it may */
			run->now += 61 * NS_PER_S;
		}
		step(run, &event);
	}
	FUZZ_CHECK(run->state.witness.finished);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static struct run run;
	struct fuzz_input input = { data, bytes };
	uint8_t first = fuzz_take(&input);

	memset(&run, 0, sizeof(run));
	run.now = 1000 * NS_PER_S;
	start(&run, first, fuzz_take(&input));
	for (unsigned i = 0; i < STEPS_MAX && input.left > 0 && !run.state.witness.finished; i++) {
		struct core_event event;
		struct token forged;

		run.now += (uint64_t)fuzz_take(&input) * fuzz_take(&input) * NS_PER_MS;
		if (!choose(&run, &input, &event, &forged))
			continue;
		if (event.kind == CORE_MESSAGE && event.message == MESSAGE_OFFER && run.core.phase == PHASE_AGREE &&
		    !run.state.witness.source)
			core_set_devices(&run.core, run.state.witness.devices);
		step(&run, &event);
	}
	settle(&run);
	return 0;
}
