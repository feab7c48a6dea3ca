/* SPDX-License-Identifier: MIT */
/*
 * The hosts' journals, in the production encoding: they outlive every process. And the question of a source that has sent COMMIT
 * and hears nothing, as src/session/session_ask.c asks it and session_query.c answers it.
 */
#include "simulate.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"

enum { CALL_MS = 2000, PAUSE_MS = 250 };

static const uint8_t session_id[16] = "simulated run.";

static void store(struct world *world, unsigned side, struct vfiomig_journal *journal)
{
	struct record *record = &world->disk[side];

	journal->time_ns = world->now;
	record->bytes = journal_encode(record->data, journal);
}

static bool fetch(const struct world *world, unsigned side, struct vfiomig_journal *journal)
{
	const struct record *record = &world->disk[side];

	return record->bytes && !journal_decode(journal, record->data, record->bytes);
}

/* Does the process that wrote it live? */
static bool is_held(const struct world *world, unsigned side, const struct vfiomig_journal *journal)
{
	return world->side[side].alive && journal->pid == world->side[side].life;
}

static enum vfiomig_journal_state state_of(enum core_fact fact)
{
	return fact == FACT_PREPARED	? VFIOMIG_JOURNAL_PREPARED
	       : fact == FACT_COMMITTED ? VFIOMIG_JOURNAL_COMMITTED
	       : fact == FACT_RUNNING	? VFIOMIG_JOURNAL_RUNNING
					: VFIOMIG_JOURNAL_ABORTED;
}

void record_put(struct world *world, struct side *side, enum core_fact fact)
{
	bool answered = fact == FACT_PREPARED || fact == FACT_COMMITTED;
	struct fault *full = fate_find(world, FAULT_UNWRITTEN, side->number);
	struct vfiomig_journal journal = { .role = side->core.role,
					   .state = state_of(fact),
					   .degraded =
						   fact == FACT_RUNNING && side->core.outcome.code == VFIOMIG_DEGRADED,
					   .pid = side->life,
					   .hold_ms = (uint32_t)(world->shape.hold_ns / NS_PER_MS) };
	struct vfiomig_error err = { 0 };

	memcpy(journal.session, session_id, sizeof(journal.session));
	fate_applied(world, full);
	if (!full)
		store(world, side->number, &journal);
	error_set(&err, VFIOMIG_INTERNAL, ENOSPC, "journal", "the journal takes no record");
	if (answered && full)
		side_post(world, side, &(struct core_event){ .kind = CORE_UNWRITTEN }, &err);
	else if (answered)
		side_post_fact(world, side, fact);
}

void record_forget(struct world *world, struct side *side)
{
	world->disk[side->number].bytes = 0;
}

enum vfiomig_journal_state record_state(const struct world *world, unsigned side, bool *degraded)
{
	struct vfiomig_journal journal;

	if (!fetch(world, side, &journal))
		return VFIOMIG_JOURNAL_NONE;
	*degraded = journal.degraded;
	return journal.state;
}

/* A person's word, written into the source's record. */
void record_decide(struct world *world, enum vfiomig_journal_state state)
{
	struct vfiomig_journal journal;

	if (!fetch(world, SOURCE, &journal))
		return;
	journal.state = state;
	store(world, SOURCE, &journal);
}

/* What a process that starts finds too old to be asked for. */
void record_sweep(struct world *world, unsigned side)
{
	struct vfiomig_journal journal;

	if (!fetch(world, side, &journal) || journal.state == VFIOMIG_JOURNAL_COMMITTED ||
	    (is_held(world, side, &journal) && journal.state < VFIOMIG_JOURNAL_ABORTED))
		return;
	if (world->now - journal.time_ns > 2 * world->shape.hold_ns)
		world->disk[side].bytes = 0;
}

/* PREPARED by a process that is gone: the tombstone is written before it is said. */
static void bury(struct world *world, struct vfiomig_journal *journal)
{
	if (journal->state != VFIOMIG_JOURNAL_PREPARED || is_held(world, DESTINATION, journal))
		return;
	journal->state = VFIOMIG_JOURNAL_ABORTED;
	store(world, DESTINATION, journal);
}

/* Who listens at the destination: the session itself, while it goes on or holds what runs, or a later process. */
static bool anybody_listens(const struct world *world)
{
	const struct side *side = &world->side[DESTINATION];

	return world->listens_again || (side->alive && (!side->finished || side->core.phase == PHASE_DONE));
}

void asked(struct world *world, unsigned call)
{
	struct message_answer answer = { 0 }, heard;
	uint8_t body[MESSAGE_ANSWER_BYTES];
	struct vfiomig_journal journal;
	struct side *source = &world->side[SOURCE];

	if (!anybody_listens(world))
		return;
	if (fetch(world, DESTINATION, &journal)) {
		bury(world, &journal);
		answer = (struct message_answer){ .state = (uint8_t)journal.state,
						  .held = is_held(world, DESTINATION, &journal),
						  .degraded = journal.degraded };
	}
	message_encode_answer(body, &answer);
	if (message_decode_answer(&heard, body, sizeof(body))) {
		broken(world, "an ANSWER cannot be read");
		return;
	}
	tell(world, &world->side[DESTINATION], "answers", heard.state, heard.held);
	if (world->now >= world->calls_lost_until)
		event_push(world, short_while(world),
			   &(struct event){ .kind = EVENT_ANSWER,
					    .side = SOURCE,
					    .life = source->life,
					    .a = heard.state | (heard.degraded ? 256U : 0U),
					    .b = call });
}

static bool waits_for_answer(const struct side *side)
{
	return side->number == SOURCE && side->core.phase == PHASE_COMMIT && !side->core.external;
}

bool asking_begins(struct world *world, struct side *side)
{
	if (!waits_for_answer(side))
		return false;
	if (!side->asking.on)
		tell(world, side, "asks", 0, 0);
	side->asking.on = true;
	return true;
}

static void hang_up(struct world *world, struct asking *asking, unsigned pause_ms)
{
	asking->under_way = false;
	asking->next_ns = world->now + pause_ms * NS_PER_MS;
}

static void runs_there(struct world *world, struct side *side, bool degraded)
{
	struct core_event event = { .kind = CORE_MESSAGE, .message = MESSAGE_DONE };
	struct vfiomig_error err = { 0 };

	error_set(&err, VFIOMIG_DEGRADED, 0, "degraded", "the destination runs without all of its devices");
	event.error = degraded ? &err : NULL;
	side_step(world, side, &event);
}

static void never_ran(struct world *world, struct side *side)
{
	struct vfiomig_error err = { 0 };

	error_set(&err, VFIOMIG_FABRIC, ECONNRESET, "never-ran", "the destination never ran");
	side_step(world, side, &(struct core_event){ .kind = CORE_ABORT, .error = &err });
}

void answered(struct world *world, struct side *side, unsigned call, enum vfiomig_journal_state state, bool degraded)
{
	if (!side->asking.under_way || side->asking.call != call || !waits_for_answer(side))
		return;
	hang_up(world, &side->asking, PAUSE_MS);
	if (state == VFIOMIG_JOURNAL_RUNNING || state == VFIOMIG_JOURNAL_DONE)
		runs_there(world, side, degraded);
	else if (state == VFIOMIG_JOURNAL_ABORTED)
		never_ran(world, side);
}

static bool obey(struct world *world, struct side *side)
{
	bool degraded;
	enum vfiomig_journal_state state = record_state(world, SOURCE, &degraded);

	if (state == VFIOMIG_JOURNAL_ABORTED)
		never_ran(world, side);
	else if (state == VFIOMIG_JOURNAL_RETIRED)
		runs_there(world, side, false);
	return state == VFIOMIG_JOURNAL_ABORTED || state == VFIOMIG_JOURNAL_RETIRED;
}

static void call(struct world *world, struct side *side)
{
	side->asking.under_way = true;
	side->asking.call++;
	side->asking.next_ns = world->now + CALL_MS * NS_PER_MS;
	if (world->now >= world->calls_lost_until)
		event_push(world, short_while(world),
			   &(struct event){ .kind = EVENT_ASKED, .side = DESTINATION, .b = side->asking.call });
	else
		fate_applied(world, fate_find(world, FAULT_CALLS_LOST, SOURCE));
}

/* A cancel comes too late for the migration, but whoever has had enough of the asking is told of the doubt now. */
void asking_cancel(struct world *world, struct side *side)
{
	struct vfiomig_error err = { 0 };

	error_set(&err, VFIOMIG_CANCELLED, ECANCELED, NULL, "the asking was cancelled");
	if (!core_too_late(&side->core))
		side_step(world, side, &(struct core_event){ .kind = CORE_CANCEL });
	else if (side->asking.on && waits_for_answer(side))
		side_step(world, side, &(struct core_event){ .kind = CORE_LOST, .error = &err });
}

void asking_tick(struct world *world, struct side *side)
{
	struct asking *asking = &side->asking;

	if (waits_for_answer(side) && !asking->on && world->now > side->core.heard_ns + world->shape.peer_timeout_ns)
		asking_begins(world, side);
	if (!asking->on)
		return;
	if (!waits_for_answer(side))
		asking->on = false;
	else if (asking->under_way && world->now >= asking->next_ns)
		hang_up(world, asking, PAUSE_MS);
	else if (!asking->under_way && world->now >= asking->next_ns && !obey(world, side))
		call(world, side);
}
