/* SPDX-License-Identifier: MIT */
/* Two cores under their witnesses' eyes, joined by a queue each way: letters, device calls, and who runs as the guests see it. */
#ifndef SUPPORT_CORE_PAIR_H
#define SUPPORT_CORE_PAIR_H

#include <criterion/criterion.h>

#include "support/core_witness.h"
#include "support/random.h"

enum { QUEUE_MAX = 512, DEVICES_MAX = 2, LANES = 3, SOURCE = 0, DESTINATION = 1 };

struct letter {
	enum message_type type;
	unsigned device, lane;
	struct stream_counts counts;
	struct vfiomig_error error;
};

/* A lane as one side has it. */
enum cable { CABLE_LIVES = 0, CABLE_BROKEN, CABLE_ASKED /* to be fenced */, CABLE_FENCED };

struct side {
	struct core core;
	struct witness witness;
	struct letter inbox[QUEUE_MAX];
	unsigned head, tail;
	bool cut;			/* its connection ends once what is in the inbox is read */
	bool offered;			/* destination: the devices are known */
	uint8_t will_fail[DEVICES_MAX]; /* the request under way fails */
	uint8_t running[DEVICES_MAX];	/* as seen by the guest */
	enum cable cable[LANES];
	uint8_t resent[LANES]; /* source: bit per device */
};

/* What may happen in a run, and how often: one in so many steps, 0 for never. */
struct weather {
	unsigned device_fails, device_sticks, lane_breaks, cancel, cut, nap;
};

/* Where the callers commit: what each has said to the other, and was answered 0 for. */
struct callers {
	bool said_prepared, said_commit, gave_up[2], committed[2];
	unsigned early; /* commits before the session was prepared */
};

struct pair {
	struct side side[2];
	struct random random;
	struct weather weather;
	unsigned devices;
	uint64_t now;
	unsigned token; /* 1: posted, 2: there */
	bool cut_done, external;
	struct callers callers;
	const char *broken;
};

static inline struct side *peer_of(struct pair *pair, const struct side *side)
{
	return &pair->side[side == &pair->side[SOURCE] ? DESTINATION : SOURCE];
}

static inline bool one_in(struct pair *pair, unsigned many)
{
	return many && random_below(&pair->random, many) == 0;
}

static inline void send_letter(struct pair *pair, struct side *from, const struct core_action *action)
{
	struct side *to = peer_of(pair, from);
	struct letter *letter = &to->inbox[to->tail];

	if (from->cut || to->cut)
		return; /* lost with the connection */
	cr_assert_lt(to->tail, QUEUE_MAX);
	*letter = (struct letter){
		.type = action->message, .device = action->device, .lane = action->lane, .error = from->core.outcome
	};
	if (action->message == MESSAGE_ABORT && letter->error.code == VFIOMIG_OK)
		letter->error.code = VFIOMIG_CANCELLED; /* it was no migration */
	if (action->message == MESSAGE_STREAM_END)
		letter->counts = from->core.device[action->device].counts;
	to->tail++;
}

/*
 * Whether the call will fail is decided as it starts. What will succeed counts as running from the start of the call, and
 * what stops counts as running until its end: the pessimist's view on both sides.
 */
static inline void begin_request(struct pair *pair, struct side *side, const struct core_action *action)
{
	unsigned d = action->device;
	bool fails = one_in(pair, pair->weather.device_fails);

	side->will_fail[d] = fails;
	if (!fails &&
	    (action->request == REQUEST_RESUME || action->request == REQUEST_RUN_P2P || action->request == REQUEST_RUN))
		side->running[d] = 1;
}

/* The order that keeps two lanes from one slot: asked once, fenced by both, and only then sent again. */
static inline void fence_and_resend(struct pair *pair, struct side *side, const struct core_action *action)
{
	unsigned l = action->lane;

	if (action->kind == ACTION_FENCE_LANE) {
		if (side->cable[l] >= CABLE_ASKED)
			pair->broken = "a lane is fenced twice";
		side->cable[l] = CABLE_ASKED;
		return;
	}
	if (side->cable[l] != CABLE_FENCED || peer_of(pair, side)->cable[l] != CABLE_FENCED)
		pair->broken = "sent again before both sides have fenced the lane";
	if (side->resent[l] >> action->device & 1)
		pair->broken = "sent again twice";
	side->resent[l] |= (uint8_t)(1u << action->device);
}

static inline void perform(struct pair *pair, struct side *side, const struct core_actions *actions)
{
	for (unsigned i = 0; i < actions->count; i++) {
		const struct core_action *action = &actions->action[i];

		if (action->kind == ACTION_SEND && action->message == MESSAGE_FENCED &&
		    side->cable[action->lane] != CABLE_FENCED)
			pair->broken = "tells what came before it is fenced";
		if (action->kind == ACTION_SEND)
			send_letter(pair, side, action);
		else if (action->kind == ACTION_DEVICE)
			begin_request(pair, side, action);
		else if (action->kind == ACTION_TOKEN)
			pair->token = 1;
		else if (action->kind == ACTION_FENCE_LANE || action->kind == ACTION_RESEND)
			fence_and_resend(pair, side, action);
	}
}

static inline unsigned running(const struct pair *pair, const struct side *side)
{
	unsigned count = 0;

	for (unsigned d = 0; d < pair->devices; d++)
		count += side->running[d];
	return count;
}

static inline void step(struct pair *pair, struct side *side, const struct core_event *event)
{
	struct core_actions actions;
	const char *broken = witness_step(&side->witness, &side->core, event, pair->now, &actions);

	perform(pair, side, &actions);
	if (running(pair, &pair->side[SOURCE]) && running(pair, &pair->side[DESTINATION]))
		broken = "both sides run";
	if (broken && !pair->broken)
		pair->broken = broken;
}

static inline bool break_lane(struct pair *pair, struct side *side)
{
	static const struct vfiomig_error error = {
		.code = VFIOMIG_FABRIC, .errnum = 5, .name = "lane", .text = "lane"
	};
	unsigned l = (unsigned)random_below(&pair->random, LANES);
	struct core_event event = { .kind = CORE_LANE_LOST, .lane = l, .error = &error };

	if (side->cable[l] != CABLE_LIVES)
		return false;
	side->cable[l] = CABLE_BROKEN;
	step(pair, side, &event);
	return true;
}

static inline bool answer_fence(struct pair *pair, struct side *side)
{
	struct core_event event = { .kind = CORE_LANE_FENCED, .lane = (unsigned)random_below(&pair->random, LANES) };

	for (unsigned i = 0; i < LANES && side->cable[event.lane] != CABLE_ASKED; i++)
		event.lane = (event.lane + 1) % LANES;
	if (side->cable[event.lane] != CABLE_ASKED)
		return false;
	side->cable[event.lane] = CABLE_FENCED;
	step(pair, side, &event);
	return true;
}

#endif
