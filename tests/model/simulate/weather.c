/* SPDX-License-Identifier: MIT */
/* The policy of the loop fabric: when each lane's oldest message may arrive, and what happens to it on the way. */
#include "simulate.h"

#include "wire/immediate.h"

/* A message takes its time from when it is the lane's oldest, so lanes overtake each other and none reorders. */
static uint64_t takes(struct world *world)
{
	if (!world->shape.reorder)
		return draw(world, 0, 5 * NS_PER_US);
	fate_applied(world, fate_find(world, FAULT_REORDER, SOURCE));
	return one_in(world, 10) ? draw(world, NS_PER_MS, 60 * NS_PER_MS) : draw(world, 0, NS_PER_MS);
}

static bool is_due(struct world *world, const struct loop_message *message)
{
	unsigned to = message->to == VFIOMIG_SOURCE ? SOURCE : DESTINATION;
	uint64_t *due = &world->lane_due[to][message->lane], *number = &world->lane_number[to][message->lane];

	if (*number != message->number + 1) {
		*number = message->number + 1;
		*due = world->now + takes(world);
	}
	return world->now >= *due;
}

static struct fault *struck(struct world *world, enum fault_kind kind, const struct loop_message *message)
{
	struct fault *fault = fate_find(world, kind, message->to == VFIOMIG_SOURCE ? SOURCE : DESTINATION);

	return fault && fault->lane % world->shape.lanes == message->lane ? fault : NULL;
}

/* Where payloads bear no checksum, only what has one is damaged; a message without body has nothing to turn. */
static bool may_damage(const struct world *world, const struct loop_message *message)
{
	enum immediate_kind kind = immediate_kind(message->immediate);

	return message->bytes && kind != IMMEDIATE_CONTROL &&
	       (kind == IMMEDIATE_TOKEN || world->shape.integrity == VFIOMIG_INTEGRITY_CRC32C);
}

void weather_hit(struct world *world, struct fault *fault, unsigned lane)
{
	fate_applied(world, fault);
	world->truth.lanes_hit |= 1U << lane;
	world->truth.lanes_hit_early |=
		world->side[SOURCE].core.phase < PHASE_PRECOPY || world->side[DESTINATION].core.phase < PHASE_STREAM;
}

enum loop_verdict weather_judge(void *context, const struct loop_message *message, uint64_t random)
{
	struct world *world = context;
	struct fault *fault;

	(void)random; /* the run has one generator */
	if (!is_due(world, message))
		return LOOP_DELAY;
	fault = struck(world, FAULT_LANE_BEFORE, message);
	if (fault) {
		weather_hit(world, fault, message->lane);
		return LOOP_CUT_BEFORE;
	}
	fault = struck(world, FAULT_LANE_AFTER, message);
	if (fault) {
		weather_hit(world, fault, message->lane);
		return LOOP_CUT_AFTER;
	}
	fault = struck(world, FAULT_DAMAGE, message);
	if (fault && may_damage(world, message)) {
		world->truth.damaged = true;
		fate_applied(world, fault);
		return LOOP_CORRUPT;
	}
	return LOOP_DELIVER;
}
