/* SPDX-License-Identifier: MIT */
/*
 * Who acts on what a process left behind: a later process on the destination's host, a VMM that holds the devices of a source that died,
 * and a person, who knows more than the program and keeps to the rules: the other side is fenced before a decision is written.
 */
#include "simulate.h"

#include <limits.h>

static void later(struct world *world, enum event_kind kind, unsigned side, uint64_t most_ns)
{
	event_push(world, draw(world, 5 * NS_PER_MS, most_ns), &(struct event){ .kind = kind, .side = side });
}

void people_ended(struct world *world, struct side *side)
{
	bool runs = side->core.phase == PHASE_DONE;

	if (commits_externally(world))
		return; /* its VMM is told */
	if (side->number == DESTINATION && !runs && world->shape.recv_again)
		later(world, EVENT_AGAIN, DESTINATION, 3 * NS_PER_S);
	if (side->number == SOURCE && side->core.outcome.code == VFIOMIG_IN_DOUBT)
		later(world, EVENT_PERSON, SOURCE, 5 * NS_PER_S);
}

/* Only who knows the result needs no record any more. */
void people_told(struct world *world, struct side *side)
{
	side->told = true;
	if (commits_externally(world))
		vmm_told_over(world, side);
	else if (side->number == SOURCE && side->core.outcome.code != VFIOMIG_IN_DOUBT)
		record_forget(world, side);
}

void people_died(struct world *world, struct side *side, bool held)
{
	if (commits_externally(world)) {
		vmm_session_died(world, side, held);
		return;
	}
	if (side->number == DESTINATION && world->shape.recv_again)
		later(world, EVENT_AGAIN, DESTINATION, 3 * NS_PER_S);
	if (side->number == SOURCE && held && !(side->told && side->core.outcome.code != VFIOMIG_IN_DOUBT))
		later(world, EVENT_VMM, SOURCE, 2 * NS_PER_S);
}

void people_again(struct world *world)
{
	if (world->truth.fenced)
		return;
	record_sweep(world, DESTINATION);
	world->listens_again = true;
}

void people_resume(struct world *world)
{
	for (unsigned d = 0; d < world->shape.devices; d++) {
		struct device *device = &world->device[SOURCE][d];

		if (!device->gone && device->effect == REQUEST_NONE)
			device_walk(world, SOURCE, d, VFIOMIG_STATE_RUNNING, UINT_MAX);
	}
	world->truth.taken_back = true;
	tell(world, &world->side[SOURCE], "goes on", 0, 0);
}

void people_vmm(struct world *world)
{
	bool degraded;
	enum vfiomig_journal_state state = record_state(world, SOURCE, &degraded);

	if (state == VFIOMIG_JOURNAL_NONE || state == VFIOMIG_JOURNAL_ABORTED)
		people_resume(world);
	else if (state == VFIOMIG_JOURNAL_COMMITTED)
		later(world, EVENT_PERSON, SOURCE, NS_PER_S);
}

void people_fence(struct world *world, unsigned s)
{
	world->truth.fenced |= s == DESTINATION;
	fate_kill(world, &world->side[s], false);
	vmm_dies(world, s);
	for (unsigned d = 0; d < world->shape.devices; d++)
		world->device[s][d].gone = true;
	world->truth.held[s] = false;
	if (s == DESTINATION)
		world->listens_again = false;
}

/* The source's record says what is to be; who holds the devices obeys. */
static void decide(struct world *world, bool back)
{
	struct side *source = &world->side[SOURCE];
	bool ended = source->finished && source->core.outcome.code == VFIOMIG_IN_DOUBT;

	record_decide(world, back ? VFIOMIG_JOURNAL_ABORTED : VFIOMIG_JOURNAL_RETIRED);
	tell(world, source, back ? "resolved: back" : "resolved: over", 0, 0);
	world->truth.decided_resume = back;
	world->truth.decided_promote = !back;
	if (back && ((source->alive && ended) || (!source->alive && world->truth.held[SOURCE])))
		people_resume(world);
}

void people_decide(struct world *world)
{
	bool degraded, ran = destination_ran(world);

	if (record_state(world, SOURCE, &degraded) != VFIOMIG_JOURNAL_COMMITTED)
		return;
	if (!ran)
		people_fence(world, DESTINATION);
	decide(world, !ran);
}
