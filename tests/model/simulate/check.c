/* SPDX-License-Identifier: MIT */
/*
 * The invariants of src/README.md, looked at after every step from outside: by what was posted, loaded and run, not by what the
 * production code believes of itself. Its own word on its consistency is asked as well.
 */
#include "simulate.h"

#include <string.h>

static bool is_fenced(const struct world *world, unsigned lane)
{
	return world->side[SOURCE].lanes_dead >> lane & 1 && world->side[DESTINATION].lanes_dead >> lane & 1;
}

/* The rule of lanes that are replaced: never again before both sides have fenced the one that had it. */
static void check_resend(struct world *world, const struct flow_action *action, unsigned lane)
{
	world->truth.resent++;
	if (!is_fenced(world, lane))
		broken(world,
		       "a packet of device %u is sent again before lane %u, which had it, is fenced on both sides",
		       action->device, lane);
}

/* Invariant 2, when a packet is given to a lane. */
void check_post(struct world *world, unsigned lane, const struct flow_action *action)
{
	unsigned d = action->device, slot = action->slot;
	struct truth *truth = &world->truth;
	uint64_t index = world->side[SOURCE].flow.device[d].slots[slot].index;

	if (index >= truth->loaded[d] + world->side[SOURCE].plan.slots)
		broken(world, "packet %llu of device %u is sent without credit: %llu are loaded, there are %u slots",
		       (unsigned long long)index, d, (unsigned long long)truth->loaded[d],
		       world->side[SOURCE].plan.slots);
	if (truth->slot_index[d][slot] == index + 1)
		check_resend(world, action, truth->slot_lane[d][slot]);
	else if (truth->in_slot[d][slot])
		broken(world, "packet %llu of device %u is posted while lane %llu still reads its slot",
		       (unsigned long long)index, d, (unsigned long long)truth->in_slot[d][slot] - 1);
	truth->in_slot[d][slot] = lane + 1;
	truth->slot_index[d][slot] = index + 1;
	truth->slot_lane[d][slot] = lane;
	if (index + 1 > truth->posted[d])
		truth->posted[d] = index + 1;
}

/* Invariant 3, when a slot is taken to be filled. */
void check_take(struct world *world, unsigned d, unsigned slot, uint64_t index)
{
	struct truth *truth = &world->truth;
	uint32_t slots = world->side[SOURCE].plan.slots;

	if (index >= slots && truth->loaded[d] <= index - slots)
		broken(world, "slot %u of device %u is filled again before its packet %llu is loaded", slot, d,
		       (unsigned long long)(index - slots));
	if (truth->in_slot[d][slot] && !is_fenced(world, (unsigned)truth->in_slot[d][slot] - 1))
		broken(world, "slot %u of device %u is filled again while lane %llu still reads it", slot, d,
		       (unsigned long long)truth->in_slot[d][slot] - 1);
	truth->in_slot[d][slot] = 0;
}

/* Invariant 5, when a config state is loaded. */
void check_config(struct world *world, unsigned d)
{
	const struct side *side = &world->side[DESTINATION];
	const struct token_count *count = &side->token.count[d];

	if (!(side->plan.gated >> d & 1))
		return;
	if (!side->token_here || !world->truth.platform_ready)
		broken(world, "the config state of device %u is loaded through a closed gate", d);
	else if (count->packets != world->truth.loaded[d] - 1 || count->bytes != world->device[DESTINATION][d].at)
		broken(world,
		       "the config state of device %u is loaded though the token counts otherwise than what came", d);
}

static void check_slots(struct world *world, const struct side *side, unsigned d)
{
	const struct flow_device *device = &side->flow.device[d];
	unsigned owned = 0, reading = 0;

	for (unsigned s = 0; s < side->plan.slots; s++) {
		const struct flow_slot *slot = &device->slots[s];

		owned += slot->owner < OWNER_COUNT;
		reading += slot->owner == OWNER_READER;
		if (slot->owner != OWNER_NOBODY && slot->index % side->plan.slots != s)
			broken(world, "packet %llu of device %u is in slot %u", (unsigned long long)slot->index, d, s);
		if (slot->owner == OWNER_NOBODY && world->truth.in_slot[d][s] && !world->side[SOURCE].stop &&
		    !is_fenced(world, (unsigned)world->truth.in_slot[d][s] - 1))
			broken(world, "slot %u of device %u belongs to nobody while a lane still reads it", s, d);
		if (slot->owner == OWNER_NOBODY && world->truth.loaded[d] < world->truth.slot_index[d][s])
			broken(world, "slot %u of device %u belongs to nobody before its packet is loaded", s, d);
	}
	if (owned != side->plan.slots || reading > 1)
		broken(world, "the owners of device %u's slots do not add up", d);
	if (device->credit > world->truth.loaded[d])
		broken(world, "the source has credit for %llu packets of device %u, but %llu are loaded",
		       (unsigned long long)device->credit, d, (unsigned long long)world->truth.loaded[d]);
}

static void check_window(struct world *world, const struct side *side, unsigned d)
{
	const struct flow_device *device = &side->flow.device[d];
	unsigned here = 0;

	for (unsigned s = 0; s < side->plan.slots; s++)
		here += device->window.entries[s].here;
	if (device->packets - device->window.base != here || here > side->plan.slots)
		broken(world, "device %u: %llu packets came, %llu are loaded, but %u are in its window", d,
		       (unsigned long long)device->packets, (unsigned long long)device->window.base, here);
	if (device->packets > world->truth.posted[d])
		broken(world, "device %u: more packets came than were posted", d);
}

static void check_flow(struct world *world, const struct side *side)
{
	if (!side->flow.memory)
		return;
	if (!flow_consistent(&side->flow))
		broken(world, "the flow of the %s is not consistent", side_name(side));
	for (unsigned lane = 0; lane < side->flow.lanes; lane++)
		if (side->flow.lane[lane].outstanding > 2)
			broken(world, "lane %u has %u packets outstanding", lane, side->flow.lane[lane].outstanding);
	for (unsigned d = 0; d < side->flow.devices; d++) {
		if (side->number == SOURCE)
			check_slots(world, side, d);
		else
			check_window(world, side, d);
	}
}

/* Invariant 6, and what follows from it: what has run over there has moved on, and is not to be gone back behind. */
static void check_runs(struct world *world)
{
	bool source = side_runs(world, SOURCE);

	world->truth.source_stopped |= !source;
	if (source && side_runs(world, DESTINATION))
		broken(world, "both sides run");
	else if (source && destination_ran(world))
		broken(world, "the source goes on though the destination has run");
}

/* Invariant 4. */
static void check_allocations(struct world *world)
{
	if (world->truth.watched && alloc_count())
		broken(world, "something was allocated after the switchover began");
}

void check_step(struct world *world)
{
	for (unsigned s = 0; s < SIDES; s++)
		if (world->side[s].alive)
			check_flow(world, &world->side[s]);
	check_runs(world);
	caller_check(world);
	check_allocations(world);
}
