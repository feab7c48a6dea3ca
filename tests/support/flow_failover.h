/* SPDX-License-Identifier: MIT */
/*
 * Lanes of tests/support/flow_world.h that die. Either end goes first; what is under way arrives until the destination has fenced
 * its end, credits on the lane are lost with it, completions come late or never. What core does is played here, in its order.
 */
#ifndef SUPPORT_FLOW_FAILOVER_H
#define SUPPORT_FLOW_FAILOVER_H

#include "support/flow_world.h"

static inline void drop_credits(struct world *world, unsigned l)
{
	for (unsigned c = 0; c < world->credits;)
		if (world->credit[c].lane == l)
			world->credit[c] = world->credit[--world->credits];
		else
			c++;
}

static inline bool fence_source(struct world *world, unsigned l)
{
	if (world->wire[l].source_fenced)
		return false;
	flow_lane_dead(&world->source, l);
	world->wire[l].source_fenced = true;
	drop_credits(world, l);
	return true;
}

static inline bool fence_destination(struct world *world, unsigned l)
{
	if (world->wire[l].destination_fenced)
		return false;
	flow_lane_dead(&world->destination, l);
	flow_lane_fenced(&world->destination, l);
	world->wire[l].destination_fenced = true;
	return true;
}

/* What the source learns of one device: every packet that the lane carried is settled, one way or the other. */
static inline void settle_packets(struct world *world, unsigned l, unsigned d)
{
	struct traffic *device = &world->device[d];

	world->wire[l].shared = true;
	for (unsigned i = 0; i < device->filled; i++) {
		if (device->carrier[i] != (int)l)
			continue;
		if (device->here[i]) {
			device->sent[i] = true; /* nobody reads its slot any more */
		} else {
			device->carrier[i] = -1;
			world->resent++;
		}
	}
}

static inline bool report(struct world *world, unsigned l)
{
	struct wire *wire = &world->wire[l];
	struct message_fenced fenced;
	const char *why = "nothing";

	if (!wire->source_fenced || !wire->destination_fenced || wire->reports == world->devices)
		return false;
	flow_report(&world->destination, l, wire->reports, &fenced);
	settle_packets(world, l, wire->reports);
	claim(world, !flow_resend(&world->source, &fenced, &why), why);
	wire->reports++;
	drop_credits(world, l);
	world->recovering = 1;
	return true;
}

static inline bool recover(struct world *world)
{
	struct flow_actions actions;

	if (!world->recovering)
		return false;
	if (flow_recover(&world->source, world->recovering - 1, &actions))
		world->recovering++;
	else
		world->recovering = 0;
	perform(world, &actions, true);
	return true;
}

/* One more step of a lane's death; a lane that lives may begin it. */
static inline bool die(struct world *world, unsigned l)
{
	struct wire *wire = &world->wire[l];
	bool begun = wire->source_fenced || wire->destination_fenced;

	if (!begun && (!world->deaths || random_below(&world->random, 60)))
		return false;
	world->deaths -= !begun;
	if (random_below(&world->random, 2) ? fence_source(world, l) : fence_destination(world, l))
		return true;
	return fence_source(world, l) || fence_destination(world, l) || report(world, l);
}

#endif
