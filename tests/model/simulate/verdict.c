/* SPDX-License-Identifier: MIT */
/* When nothing happens any more: has everybody come to an end, and is what they said true? */
#include "simulate.h"

#include <string.h>

static bool applied(const struct world *world, enum fault_kind kind)
{
	return world->applied[kind] > 0;
}

/* Lanes were lost, but one lived all the while. */
static bool lanes_suffice(const struct world *world)
{
	return !world->truth.lanes_hit_early && world->truth.lanes_hit != (1U << world->shape.lanes) - 1;
}

/* Whatever was done to it, it must end well all the same. */
static bool undisturbed(const struct world *world)
{
	for (unsigned kind = 0; kind < FAULT_KINDS; kind++)
		if (world->applied[kind] && kind != FAULT_REORDER && kind != FAULT_SHORT_IO &&
		    kind != FAULT_SLOW_CONSUMER && kind != FAULT_CALLS_LOST && kind != FAULT_LANE_BEFORE &&
		    kind != FAULT_LANE_AFTER && kind != FAULT_LANE_BREAKS && kind != FAULT_WORD_SLOW)
			return false;
	return lanes_suffice(world) && !world->shape.downtime_limit_ns && !world->truth.damaged &&
	       world->shape.external[SOURCE] == world->shape.external[DESTINATION];
}

static bool all_source_devices(const struct world *world, enum vfiomig_state state)
{
	for (unsigned d = 0; d < world->shape.devices; d++)
		if (world->device[SOURCE][d].state != state)
			return false;
	return true;
}

static bool any_broken(const struct world *world, unsigned side)
{
	for (unsigned d = 0; d < world->shape.devices; d++)
		if (world->device[side][d].broken || world->side[side].thread[d].abandoned)
			return true;
	return false;
}

/* A source that could have been told must not end in doubt. */
static bool doubt_may_be(const struct world *world)
{
	return applied(world, FAULT_CUT) || applied(world, FAULT_HOLE) || world->truth.killed[DESTINATION] ||
	       applied(world, FAULT_SLEEP) || applied(world, FAULT_UNWRITTEN) || applied(world, FAULT_CALLS_LOST) ||
	       applied(world, FAULT_DEVICE_STUCK);
}

/* Whatever happens to a probe: nothing is stopped, and nothing runs over there. */
static void judge_probe(struct world *world)
{
	enum vfiomig_code code = world->side[SOURCE].core.outcome.code;

	if (world->truth.source_stopped && !world->truth.killed[SOURCE] && !any_broken(world, SOURCE))
		broken(world, "a probe stopped the source");
	if (destination_ran(world) || world->truth.commit_sent)
		broken(world, "a probe went as far as the commit");
	if (code == VFIOMIG_OK && world->side[SOURCE].finished && !all_source_devices(world, VFIOMIG_STATE_RUNNING))
		broken(world, "a probe is over, but the devices do not run");
}

/* What became of the destination was nobody's to tell the source: a person decided, or its caller's protocol did. */
static bool nobody_told(const struct world *world)
{
	return world->truth.decided_resume || world->truth.decided_promote || world->side[SOURCE].core.alone;
}

static void judge_doubt(struct world *world)
{
	if (!doubt_may_be(world))
		broken(world, "the source is in doubt, though nothing kept the answer from it");
	if (!world->truth.commit_sent)
		broken(world, "the source is in doubt, but COMMIT was never sent");
}

static void judge_source(struct world *world)
{
	const struct side *side = &world->side[SOURCE];
	enum vfiomig_code code = side->core.outcome.code;
	bool resolved = nobody_told(world);
	bool goes_on = code >= VFIOMIG_INTERNAL && code <= VFIOMIG_CANCELLED;

	if (code == VFIOMIG_OK && !resolved && !destination_ran(world))
		broken(world, "the source says that the destination runs, but it never ran");
	if (code == VFIOMIG_OK && !resolved && !world->truth.killed[DESTINATION] && !destination_whole(world))
		broken(world, "the source says that all is well, but not all devices run at the destination");
	if (code == VFIOMIG_DEGRADED && !resolved && !any_broken(world, DESTINATION))
		broken(world, "the source says that the destination lost a device, but none failed");
	if (goes_on && !all_source_devices(world, VFIOMIG_STATE_RUNNING))
		broken(world, "the source says that it runs, but its devices do not");
	if (goes_on && destination_ran(world))
		broken(world, "the source says that it runs, but the destination ran");
	if (code == VFIOMIG_IN_DOUBT && !commits_externally(world))
		judge_doubt(world);
	if (code == VFIOMIG_IN_DOUBT && !world->truth.decided_resume && side_runs(world, SOURCE))
		broken(world, "the source says that it is stopped, but it runs");
	if (code == VFIOMIG_SOURCE_STUCK && !any_broken(world, SOURCE))
		broken(world, "the source says that its devices cannot be resumed, but none failed");
	if (strcmp(side->result.destination_state, "running") == 0 && !resolved && !destination_ran(world))
		broken(world, "the source says that the destination is running, but it never ran");
	if (strcmp(side->result.destination_state, "reset") == 0 && destination_ran(world))
		broken(world, "the source says that the destination was reset, but it ran");
}

static bool all_reset(const struct world *world)
{
	for (unsigned d = 0; d < world->shape.devices; d++)
		if (world->device[DESTINATION][d].resumed)
			return false;
	return true;
}

static void judge_destination(struct world *world)
{
	const struct side *side = &world->side[DESTINATION];
	enum vfiomig_code code = side->core.outcome.code;
	const char *state = side->result.destination_state;

	if (code == VFIOMIG_OK && !destination_whole(world))
		broken(world, "the destination says that it runs, but not all of its devices do");
	if (code == VFIOMIG_DEGRADED && !any_broken(world, DESTINATION))
		broken(world, "the destination says that it lost a device, but none failed");
	if (code >= VFIOMIG_INTERNAL && code <= VFIOMIG_CANCELLED && destination_ran(world))
		broken(world, "the destination says that it never ran, but it did");
	if (code == VFIOMIG_IN_DOUBT || code == VFIOMIG_SOURCE_STUCK)
		broken(world, "the destination ends with a source's code");
	if ((strcmp(state, "reset") == 0 || strcmp(state, "untouched") == 0) && !all_reset(world))
		broken(world, "the destination says that its devices are %s, but one is not", state);
	if (strcmp(state, "stuck") == 0 && !any_broken(world, DESTINATION))
		broken(world, "the destination says that a device is stuck, but none failed");
	if (strcmp(side->result.source_state, "retired") == 0 && side_runs(world, SOURCE))
		broken(world, "the destination says that the source is retired, but it runs");
}

static bool listens(const struct side *side)
{
	return side->number == DESTINATION && side->core.phase == PHASE_CONNECT;
}

static bool well(const struct world *world, const struct side *side)
{
	bool probed = world->shape.probe && side->number == DESTINATION;

	return side->finished && side->core.outcome.code == (probed ? VFIOMIG_CANCELLED : VFIOMIG_OK);
}

void verdict(struct world *world)
{
	for (unsigned s = 0; s < SIDES; s++) {
		const struct side *side = &world->side[s];

		if (side->alive && !side->finished && !listens(side))
			broken(world, "the %s waits for ever, in phase %s", side_name(side),
			       core_phase_name(&side->core));
	}
	if (world->shape.probe)
		judge_probe(world);
	else if (world->side[SOURCE].finished && !world->truth.killed[SOURCE])
		judge_source(world);
	if (world->side[DESTINATION].finished && !world->truth.killed[DESTINATION])
		judge_destination(world);
	caller_verdict(world);
	if (undisturbed(world) && !(well(world, &world->side[SOURCE]) && well(world, &world->side[DESTINATION])))
		broken(world, "nothing went wrong, but it ends with %d and %d: %.100s",
		       (int)world->side[SOURCE].core.outcome.code, (int)world->side[DESTINATION].core.outcome.code,
		       world->side[SOURCE].core.outcome.text);
}

const char *verdict_outcome(const struct world *world)
{
	const struct side *source = &world->side[SOURCE];

	if (commits_externally(world) && world->truth.committed[SOURCE] && world->truth.taken_back)
		return "taken back from its commit";
	if (world->truth.decided_resume || world->truth.decided_promote)
		return "resolved";
	if (world->truth.killed[SOURCE])
		return destination_ran(world)	  ? "source dead, destination ran"
		       : side_runs(world, SOURCE) ? "source dead, its VMM goes on"
						  : "source dead, none runs";
	if (source->core.alone && !destination_ran(world))
		return "retired, none runs";
	if (source->core.outcome.code == VFIOMIG_OK)
		return world->shape.probe ? "probed" : "migrated";
	if (source->core.outcome.code == VFIOMIG_DEGRADED)
		return "degraded";
	if (source->core.outcome.code == VFIOMIG_IN_DOUBT)
		return "in doubt";
	if (source->core.outcome.code == VFIOMIG_SOURCE_STUCK)
		return "source stuck";
	return world->truth.source_stopped ? "back at the source" : "refused before the stop";
}
