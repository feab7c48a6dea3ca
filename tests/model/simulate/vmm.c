/* SPDX-License-Identifier: MIT */
/*
 * The two VMMs, where they commit: each has a session, a connection of its own to the other one, and a mind that it may change. They keep to
 * the order of vfiomig/session.h: "prepared" from there, commit here, "commit" to there, commit there; and whoever will not says so.
 */
#include "simulate.h"

#include <errno.h>
#include <string.h>

static void later(struct world *world, enum event_kind kind, unsigned s, uint32_t a, uint64_t in_ns)
{
	event_push(world, in_ns, &(struct event){ .kind = kind, .side = s, .a = a });
}

static void wait_patiently(struct world *world, unsigned s)
{
	later(world, EVENT_PATIENCE, s, ++world->mind[s].wait, world->shape.patience_ns);
}

static void speak(struct world *world, unsigned from, enum word word)
{
	struct talk *talk = &world->talk[!from];
	uint64_t at = world->now + short_while(world);

	tell(world, &world->side[from], "says", word, 0);
	if (talk->ended)
		return;
	if (world->shape.word_ns_max) {
		at += draw(world, NS_PER_MS, world->shape.word_ns_max);
		fate_applied(world, fate_find(world, FAULT_WORD_SLOW, SOURCE));
	}
	talk->last_ns = at > talk->last_ns ? at : talk->last_ns;
	event_push(world, talk->last_ns - world->now,
		   &(struct event){ .kind = EVENT_WORD, .side = !from, .a = word, .b = ++talk->said });
}

/* What is under way to @s is lost from some word on. */
static void lose_tail(struct world *world, unsigned s)
{
	struct talk *talk = &world->talk[s];

	talk->ended = true;
	talk->lost_after = (unsigned)draw(world, talk->heard, talk->said);
}

bool vmm_cut(struct world *world)
{
	if (!commits_externally(world) || world->talk[SOURCE].ended || world->talk[DESTINATION].ended)
		return false;
	for (unsigned s = 0; s < SIDES; s++) {
		lose_tail(world, s);
		if (!one_in(world, 4))
			later(world, EVENT_WORD, s, WORD_END, draw(world, 0, 2 * NS_PER_S));
	}
	person_called(world, 3 * NS_PER_S);
	return true;
}

static void say_over(struct world *world, unsigned s)
{
	struct vmm *vmm = &world->mind[s];

	vmm->cancelled = true; /* from here on it will not commit, whatever it hears */
	if (!vmm->said_over)
		speak(world, s, WORD_OVER);
	vmm->said_over = true;
}

static void give_up(struct world *world, unsigned s)
{
	struct side *side = &world->side[s];

	if (side->alive && !side->told)
		caller_cancel(world, side);
	say_over(world, s);
}

static void call_person(struct world *world, struct vmm *vmm)
{
	if (!vmm->called)
		person_called(world, NS_PER_S);
	vmm->called = true;
}

static void commit(struct world *world, unsigned s)
{
	struct vmm *vmm = &world->mind[s];
	int rc = caller_commit(world, &world->side[s]);

	vmm->early = rc == -EAGAIN;
	if (rc == 0) {
		vmm->committed = true;
		wait_patiently(world, s);
		if (s == SOURCE)
			speak(world, s, WORD_COMMIT);
		/* As by a second thread. */
		if (one_in(world, 8))
			caller_commit(world, &world->side[s]);
		if (one_in(world, 8))
			caller_cancel(world, &world->side[s]);
		if (s == SOURCE && one_in(world, 8))
			caller_take_back(world, &world->side[s]); /* by mistake: it has not ended */
	} else if (rc != -EAGAIN) {
		say_over(world, s);
	}
}

/* Its session's process is dead, and its devices are the VMM's: it knows what it has committed. */
static void orphan(struct world *world, unsigned s)
{
	struct vmm *vmm = &world->mind[s];

	if (s == SOURCE && (!vmm->committed || vmm->heard_over) && !side_runs(world, SOURCE) && !vmm->heard_runs)
		people_resume(world);
	if (!vmm->committed)
		say_over(world, s);
	call_person(world, vmm);
}

static void undecided(struct world *world, unsigned s)
{
	struct vmm *vmm = &world->mind[s];
	bool asked = s == SOURCE ? vmm->heard_prepared : vmm->heard_commit;

	if (vmm->cancelled)
		return;
	if (vmm->unwilling || vmm->heard_over)
		give_up(world, s);
	else if (vmm->over)
		say_over(world, s);
	else if (asked && (!vmm->early || vmm->ready))
		commit(world, s);
	else if (s == DESTINATION && vmm->ready && !vmm->said_prepared) {
		vmm->said_prepared = true;
		speak(world, s, WORD_PREPARED);
		wait_patiently(world, s);
	}
}

static bool aborted_over_there(const struct side *source)
{
	return source->core.outcome.code == VFIOMIG_IN_DOUBT;
}

/* The destination never ran and never will, by its VMM's word or its session's: the one case in which nobody needs to be asked. */
static void want_back(struct world *world, struct side *side)
{
	if (world->truth.taken_back)
		return;
	if (caller_take_back(world, side) && !side->finished)
		caller_cancel(world, side); /* the sooner it has ended */
	else if (world->truth.taken_back && one_in(world, 2))
		caller_take_back(world, side);
}

static void source_committed(struct world *world)
{
	struct vmm *vmm = &world->mind[SOURCE];
	struct side *side = &world->side[SOURCE];

	if (vmm->heard_over || (vmm->over && aborted_over_there(side)))
		want_back(world, side);
	else if (vmm->cut && !vmm->heard_runs)
		call_person(world, vmm);
}

static void destination_committed(struct world *world)
{
	struct vmm *vmm = &world->mind[DESTINATION];
	enum vfiomig_code code = world->side[DESTINATION].core.outcome.code;

	if (!vmm->over || vmm->said_over)
		return;
	if (code == VFIOMIG_OK || code == VFIOMIG_DEGRADED)
		speak(world, DESTINATION, WORD_RUNS);
	else
		say_over(world, DESTINATION);
	vmm->said_over = true;
}

static void consider(struct world *world, unsigned s)
{
	struct vmm *vmm = &world->mind[s];

	if (!vmm->alive)
		return;
	if (!world->side[s].alive)
		orphan(world, s);
	else if (!vmm->committed)
		undecided(world, s);
	else if (s == SOURCE)
		source_committed(world);
	else
		destination_committed(world);
}

void vmm_hear(struct world *world, unsigned s, enum word word)
{
	struct vmm *vmm = &world->mind[s];

	if (!vmm->alive)
		return;
	tell(world, &world->side[s], "hears", word, 0);
	vmm->heard_commit |= word == WORD_COMMIT;
	vmm->heard_over |= word == WORD_OVER;
	vmm->heard_runs |= word == WORD_RUNS;
	vmm->cut |= word == WORD_END;
	if (word == WORD_END && one_in(world, 2))
		vmm->unwilling = true; /* it knows what it may give up by itself; or a person comes */
	if (word == WORD_PREPARED) {
		vmm->heard_prepared = true;
		later(world, EVENT_CONSIDER, s, 0, world->shape.think_ns);
		return;
	}
	consider(world, s);
}

static void word_arrives(struct world *world, const struct event *event)
{
	struct talk *talk = &world->talk[event->side];

	if (event->b && talk->ended && event->b > talk->lost_after)
		return;
	if (event->b)
		talk->heard = event->b;
	vmm_hear(world, event->side, (enum word)event->a);
}

static void dispatch(struct world *world, struct side *side)
{
	struct vmm *vmm = &world->mind[side->number];

	if (!vmm->alive || !side->alive)
		return;
	if (one_in(world, 4))
		caller_prepared(world, side);
	if (!caller_told_prepared(world, side))
		return;
	vmm->ready = true;
	tell(world, side, "is told: prepared", 0, 0);
	wait_patiently(world, side->number);
	consider(world, side->number);
}

static void patience_ends(struct world *world, const struct event *event)
{
	struct vmm *vmm = &world->mind[event->side];

	if (!vmm->alive || event->a != vmm->wait)
		return;
	if (vmm->committed || one_in(world, 2))
		call_person(world, vmm);
	else
		vmm->unwilling = true;
	consider(world, event->side);
}

/* What is the VMM's own; true: it was. */
bool vmm_event(struct world *world, struct side *side, const struct event *event)
{
	switch (event->kind) {
	case EVENT_WORD:
		word_arrives(world, event);
		return true;
	case EVENT_DISPATCH:
		dispatch(world, side);
		return true;
	case EVENT_CONSIDER:
		consider(world, event->side);
		return true;
	case EVENT_PATIENCE:
		patience_ends(world, event);
		return true;
	default:
		return false;
	}
}

void vmm_told_over(struct world *world, struct side *side)
{
	world->mind[side->number].over = true;
	consider(world, side->number);
}

void vmm_dies(struct world *world, unsigned s)
{
	struct talk *talk = &world->talk[!s];

	if (!world->mind[s].alive)
		return;
	world->mind[s].alive = false;
	if (!talk->ended && one_in(world, 2))
		lose_tail(world, !s);
	else if (!talk->ended)
		talk->lost_after = talk->said;
	talk->ended = true;
	later(world, EVENT_WORD, !s, WORD_END, draw(world, 0, NS_PER_S));
	person_called(world, 3 * NS_PER_S);
}

void vmm_session_died(struct world *world, struct side *side, bool held)
{
	if (!held)
		vmm_dies(world, side->number);
	else
		later(world, EVENT_CONSIDER, side->number, 0, short_while(world));
	person_called(world, 3 * NS_PER_S);
}

void vmm_mind(struct world *world, unsigned s)
{
	world->mind[s].unwilling = true;
	consider(world, s);
}

void vmm_begin(struct world *world)
{
	for (unsigned s = 0; s < SIDES; s++)
		world->mind[s].alive = commits_externally(world);
}
