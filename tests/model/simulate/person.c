/* SPDX-License-Identifier: MIT */
/*
 * Who comes where a VMM cannot know: it is dead, or hears nothing of the other one. This person can look at both hosts, use whatever
 * session still lives, and power a host off. The rule is that of vfiomig/session.h: the source goes on only when it is certain that the
 * destination does not run and never will, and the destination is committed only when that is certain of the source.
 */
#include "simulate.h"

enum { VISITS_MAX = 400 };

void person_called(struct world *world, uint64_t most_ns)
{
	if (world->person_on || !commits_externally(world))
		return;
	world->person_on = true;
	event_push(world, draw(world, 50 * NS_PER_MS, most_ns),
		   &(struct event){ .kind = EVENT_PERSON, .side = SOURCE });
}

bool source_unable(const struct world *world)
{
	for (unsigned d = 0; d < world->shape.devices; d++) {
		const struct device *device = &world->device[SOURCE][d];

		if (device->gone || device->broken || world->side[SOURCE].thread[d].abandoned)
			return true;
	}
	return false;
}

static bool all_run(const struct world *world)
{
	for (unsigned d = 0; d < world->shape.devices; d++)
		if (world->device[SOURCE][d].state != VFIOMIG_STATE_RUNNING)
			return false;
	return true;
}

/* It listens on for a source that will not come: there is nothing of ours in it. */
static bool never_called(const struct side *side)
{
	return side->number == DESTINATION && side->core.phase == PHASE_CONNECT;
}

static bool at_rest(const struct side *side)
{
	return !side->alive || side->finished || never_called(side);
}

/* Or may run yet, by its session's word. */
static bool has_run(const struct world *world)
{
	const struct side *side = &world->side[DESTINATION];

	return destination_ran(world) || (side->finished && side->core.phase == PHASE_DONE);
}

bool person_settled(const struct world *world)
{
	return at_rest(&world->side[SOURCE]) && at_rest(&world->side[DESTINATION]) &&
	       (has_run(world) || all_run(world) || source_unable(world));
}

static void stop_destination(struct world *world)
{
	struct side *side = &world->side[DESTINATION];

	if (one_in(world, 2)) {
		people_fence(world, DESTINATION);
		caller_met(world, DEED_FENCED);
		return;
	}
	world->mind[DESTINATION].cancelled = true;
	caller_cancel(world, side);
}

/* The source is out of it: by its commit, or because its host is off. */
static bool source_is_out(struct world *world)
{
	const struct truth *truth = &world->truth;

	if (truth->committed[SOURCE] && !truth->taken_back)
		return true;
	for (unsigned d = 0; d < world->shape.devices; d++)
		if (!world->device[SOURCE][d].gone)
			return false;
	return true;
}

static void decide_on_destination(struct world *world)
{
	struct side *side = &world->side[DESTINATION];
	struct vmm *vmm = &world->mind[DESTINATION];

	if (one_in(world, 2) || vmm->cancelled || vmm->unwilling || caller_prepared(world, side)) {
		stop_destination(world);
		return;
	}
	if (!source_is_out(world) && one_in(world, 2)) {
		people_fence(world, SOURCE);
		caller_met(world, DEED_FENCED);
	}
	if (!source_is_out(world)) {
		stop_destination(world);
		return;
	}
	caller_met(world, DEED_PROMOTED);
	if (vmm->alive)
		vmm_hear(world, DESTINATION, WORD_COMMIT);
	else
		caller_commit(world, side);
}

static void give_source_back(struct world *world)
{
	struct side *side = &world->side[SOURCE];

	if (!side->alive)
		people_resume(world);
	else if (!side->finished && (!world->truth.committed[SOURCE] || one_in(world, 2)))
		caller_cancel(world, side);
	else if (!all_run(world))
		caller_take_back(world, side);
}

static void see_to(struct world *world)
{
	const struct side *destination = &world->side[DESTINATION];

	if (has_run(world) || (destination->alive && world->truth.committed[DESTINATION] && !destination->finished))
		return; /* the source ends by itself, and the destination starts its devices */
	if (!at_rest(destination)) {
		if (destination->core.phase == PHASE_HOLD)
			decide_on_destination(world);
		return;
	}
	if (!destination->alive && !world->truth.fenced)
		people_fence(world, DESTINATION); /* what is dead may still be held by somebody */
	give_source_back(world);
}

void person_visits(struct world *world)
{
	if (person_settled(world) || world->visits++ > VISITS_MAX) {
		world->person_on = false;
		return;
	}
	if (!world->side[SOURCE].asleep && !world->side[DESTINATION].asleep)
		see_to(world);
	event_push(world, draw(world, 100 * NS_PER_MS, 600 * NS_PER_MS),
		   &(struct event){ .kind = EVENT_PERSON, .side = SOURCE });
}
