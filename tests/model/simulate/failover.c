/* SPDX-License-Identifier: MIT */
/* A lane dies and the others go on: as src/session/session_failover.c does it. */
#include "simulate.h"

#include <errno.h>

#include "base/error.h"

/* All that had come over the lane was taken in. */
static void tell_fenced(struct world *world, struct side *side, unsigned lane)
{
	side->lanes_awaited &= ~(1U << lane);
	if (side->number == DESTINATION)
		flow_lane_fenced(&side->flow, lane);
	side_post(world, side, &(struct core_event){ .kind = CORE_LANE_FENCED, .lane = lane }, NULL);
}

void lanes_fence_one(struct world *world, struct side *side, unsigned lane)
{
	if (side->lanes_dead >> lane & 1) {
		tell_fenced(world, side, lane);
		return;
	}
	if (fate_find(world, FAULT_FENCE_HANGS, side->number)) {
		fate_applied(world, fate_find(world, FAULT_FENCE_HANGS, side->number));
		return;
	}
	side->lanes_awaited |= 1U << lane;
	side->fabric->ops->lose(side->fabric, lane);
	for (unsigned s = 0; s < SIDES; s++)
		lanes_look_soon(world, &world->side[s], short_while(world));
}

void lanes_dead(struct world *world, struct side *side, unsigned lane)
{
	struct vfiomig_error err = *side->fabric->ops->error(side->fabric, lane);

	side->lanes_dead |= 1U << lane;
	flow_lane_dead(&side->flow, lane);
	if (side->lanes_awaited >> lane & 1) {
		tell_fenced(world, side, lane);
		return;
	}
	if (flow_drained(&side->flow) && (!side->plan.gated || side->token_here))
		return;
	error_set(&err, VFIOMIG_FABRIC, EPIPE, NULL, "lane %u was lost", lane);
	side_post(world, side, &(struct core_event){ .kind = CORE_LANE_LOST, .lane = lane }, &err);
}

static void recover(struct world *world, struct side *side)
{
	struct flow_actions actions;

	for (unsigned n = 0; side->alive && flow_recover(&side->flow, n, &actions); n++)
		lanes_perform(world, side, &actions);
}

void lanes_resend(struct world *world, struct side *side)
{
	const char *why;

	tell(world, side, "resends", side->fenced.lane, side->fenced.number);
	if (flow_resend(&side->flow, &side->fenced, &why))
		side_fail(world, side, why, "the destination says of a lane what cannot be");
	else
		recover(world, side);
}
