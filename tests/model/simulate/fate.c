/* SPDX-License-Identifier: MIT */
/* What is done to a run from outside, when its time has come: by step of the run, from a phase on, or between two actions of a core. */
#include "simulate.h"

static bool is_deed(enum fault_kind kind)
{
	return kind == FAULT_LANES_ALL || kind == FAULT_LANE_BREAKS || kind == FAULT_CUT || kind == FAULT_HOLE ||
	       kind == FAULT_KILL || kind == FAULT_KILL_HELD || kind == FAULT_SLEEP || kind == FAULT_CANCEL ||
	       kind == FAULT_CALLS_LOST || kind == FAULT_RESOLVE || kind == FAULT_VMM_DIES || kind == FAULT_VMM_MIND ||
	       kind == FAULT_WORD_CUT;
}

struct fault *fate_find(struct world *world, enum fault_kind kind, unsigned side)
{
	for (unsigned i = 0; i < world->shape.faults; i++) {
		struct fault *fault = &world->shape.fault[i];

		if (fault->kind == kind && fault->side == side && fault->armed && !fault->over)
			return fault;
	}
	return NULL;
}

struct fault *fate_find_call(struct world *world, enum fault_kind kind, unsigned side, unsigned d,
			     enum device_request request)
{
	for (unsigned i = 0; i < world->shape.faults; i++) {
		struct fault *fault = &world->shape.fault[i];

		if (fault->kind == kind && fault->side == side && fault->armed && !fault->over &&
		    fault->device % world->shape.devices == d && fault->request == request)
			return fault;
	}
	return NULL;
}

void fate_applied(struct world *world, struct fault *fault)
{
	if (!fault)
		return;
	fault->over = true;
	world->applied[fault->kind]++;
	tell(world, &world->side[fault->side], fault_names[fault->kind], fault->lane, fault->device);
}

void fate_kill(struct world *world, struct side *side, bool held)
{
	if (!side->alive)
		return;
	side->alive = false;
	side->life++;
	side->asleep = false;
	world->truth.killed[side->number] = true;
	world->truth.held[side->number] = held;
	for (unsigned d = 0; d < world->shape.devices && !held; d++)
		world->device[side->number][d].gone = true;
	control_orphan(world, side);
	lanes_close(world, side);
	people_died(world, side, held);
}

static void sleep_for(struct world *world, struct side *side, uint64_t ns)
{
	side->asleep = true;
	side->awake_ns = world->now + ns;
	event_push(world, ns, &(struct event){ .kind = EVENT_WAKE, .side = side->number, .life = side->life });
}

static bool cut_all_lanes(struct world *world, struct side *side)
{
	if (!side->fabric || !side->lanes_up)
		return false;
	for (unsigned lane = 0; lane < side->plan.lanes; lane++)
		loop_cut(side->fabric, lane);
	for (unsigned s = 0; s < SIDES; s++)
		lanes_look_soon(world, &world->side[s], short_while(world));
	return true;
}

/* Rather while something is on its way over it. */
static bool break_lane(struct world *world, struct side *side, struct fault *fault)
{
	unsigned lane = fault->lane % world->shape.lanes;

	if (!side->fabric || !side->lanes_up || side->lanes_dead >> lane & 1)
		return false;
	loop_break(side->fabric, lane);
	weather_hit(world, fault, lane);
	lanes_look_soon(world, side, short_while(world));
	return true;
}

static bool swallow(struct world *world, const struct fault *fault)
{
	if (world->hole || world->cut)
		return false;
	world->hole = true;
	world->calls_lost_until = world->now + fault->ns;
	return true;
}

static bool cut_control(struct world *world, const struct fault *fault)
{
	if (world->hole || world->cut || !world->side[SOURCE].up)
		return false;
	control_break(world);
	if (one_in(world, 2))
		world->calls_lost_until = world->now + fault->ns;
	return true;
}

static bool is_on(const struct side *side)
{
	return side->alive && !side->finished;
}

static bool change_vmm(struct world *world, const struct fault *fault)
{
	if (!world->mind[fault->side].alive)
		return false;
	if (fault->kind == FAULT_VMM_DIES)
		vmm_dies(world, fault->side);
	else
		vmm_mind(world, fault->side);
	return true;
}

/* False: there was nothing to do it to, now. */
static bool do_it(struct world *world, struct fault *fault)
{
	struct side *side = &world->side[fault->side];

	switch (fault->kind) {
	case FAULT_LANES_ALL:
		return is_on(side) && cut_all_lanes(world, side);
	case FAULT_LANE_BREAKS:
		return is_on(side) && break_lane(world, side, fault);
	case FAULT_CUT:
		return cut_control(world, fault);
	case FAULT_HOLE:
		return swallow(world, fault);
	case FAULT_CANCEL:
		if (!is_on(side) || side->asleep)
			return false;
		if (!side->started && !world->shape.external[fault->side])
			return false;
		if (world->shape.external[fault->side])
			caller_cancel(world, side);
		else
			asking_cancel(world, side);
		return true;
	case FAULT_VMM_DIES:
	case FAULT_VMM_MIND:
		return is_on(side) && !side->asleep && change_vmm(world, fault);
	case FAULT_WORD_CUT:
		return vmm_cut(world);
	case FAULT_SLEEP:
		if (!is_on(side) || side->asleep)
			return false;
		sleep_for(world, side, fault->ns);
		return true;
	case FAULT_CALLS_LOST:
		world->calls_lost_until = world->now + fault->ns;
		return false; /* counts once a question was lost */
	case FAULT_RESOLVE:
		if (!is_on(side) || !side->asking.on)
			return false;
		people_decide(world);
		return true;
	default:
		if (!side->alive)
			return false;
		fate_kill(world, side, fault->kind == FAULT_KILL_HELD);
		return true;
	}
}

bool fate_dies_here(struct world *world, struct side *side)
{
	for (unsigned i = 0; i < world->shape.faults; i++) {
		struct fault *fault = &world->shape.fault[i];

		if ((fault->kind != FAULT_KILL && fault->kind != FAULT_KILL_HELD) || !fault->armed || fault->over ||
		    fault->side != side->number || !side->alive)
			continue;
		if (fault->actions-- > 1)
			continue;
		fate_applied(world, fault);
		fate_kill(world, side, fault->kind == FAULT_KILL_HELD);
	}
	return !side->alive;
}

static void arm(struct world *world, struct fault *fault)
{
	const struct side *side = &world->side[fault->side];

	if (side->core.phase < fault->phase)
		return;
	if (fault->steps > 0) {
		fault->steps--;
		return;
	}
	fault->armed = true;
}

void fate_step(struct world *world)
{
	for (unsigned i = 0; i < world->shape.faults; i++) {
		struct fault *fault = &world->shape.fault[i];

		if (!fault->armed)
			arm(world, fault);
		if (!fault->armed || fault->over || !is_deed(fault->kind) || fault->actions > 0)
			continue;
		if (!do_it(world, fault))
			fault->over = fault->kind != FAULT_RESOLVE && fault->kind != FAULT_CALLS_LOST;
		else if (!fault->over)
			fate_applied(world, fault);
	}
}
