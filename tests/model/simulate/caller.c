/* SPDX-License-Identifier: MIT */
/*
 * The caller's commit: production's own _commit, _prepared, _cancel and _take_back, called on a session that has nothing but a side's core, no
 * device and no descriptor. What each answers is held against what was answered before and against the devices as they are.
 */
#include "simulate.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "session/session.h"

const char *const deed_names[DEED_KINDS] = {
	[DEED_COMMIT] = "commit",
	[DEED_COMMIT_EARLY] = "commit before prepared",
	[DEED_COMMIT_AGAIN] = "commit again",
	[DEED_COMMIT_CANCELLED] = "commit of what has failed",
	[DEED_CANCEL_IN_TIME] = "cancel in time",
	[DEED_CANCEL_LATE] = "cancel after the commit",
	[DEED_TAKE_BACK] = "source taken back",
	[DEED_TAKE_BACK_REFUSED] = "source not taken back",
	[DEED_RETIRED_ALONE] = "retired without an answer",
	[DEED_ABORTED_AFTER] = "aborted after the commit",
	[DEED_FENCED] = "person fences",
	[DEED_PROMOTED] = "person promotes",
	[DEED_HELD_WITHOUT_PEER] = "held without a peer",
	[DEED_CONFLICT] = "only one side commits itself",
};

bool commits_externally(const struct world *world)
{
	return world->shape.external[SOURCE] && world->shape.external[DESTINATION];
}

void caller_met(struct world *world, enum deed deed)
{
	world->met[deed]++;
}

void caller_open(struct world *world)
{
	for (unsigned s = 0; s < SIDES; s++) {
		world->caller[s] = calloc(1, sizeof(*world->caller[s]));
		if (!world->caller[s]) {
			perror("simulate");
			exit(1);
		}
		pthread_mutex_init(&world->caller[s]->snapshot_lock, NULL);
	}
}

void caller_close(struct world *world)
{
	for (unsigned s = 0; s < SIDES; s++)
		free(world->caller[s]);
}

void caller_begin(struct world *world)
{
	for (unsigned s = 0; s < SIDES; s++) {
		struct vfiomig_session *session = world->caller[s];

		session->role = s == SOURCE ? VFIOMIG_SOURCE : VFIOMIG_DESTINATION;
		session->options.flags = world->shape.external[s] ? 0 : VFIOMIG_OWN_COMMIT;
		session->cancel_fd = session->notify_fd = session->events.fd = -1;
		session->commit_owed = session->prepared_told = session->ended = session->taken_back = false;
		atomic_store(&session->decision, DECISION_NONE);
		atomic_store(&session->committed, false);
	}
}

static struct vfiomig_session *session_of(struct world *world, const struct side *side)
{
	struct vfiomig_session *session = world->caller[side->number];

	session->core = side->core;
	session->started = side->started;
	session->ended = side->told;
	return session;
}

static void later(struct world *world, const struct side *side, enum event_kind kind)
{
	event_push(world, short_while(world),
		   &(struct event){ .kind = kind, .side = side->number, .life = side->life });
}

static bool all_stand(const struct world *world, unsigned s)
{
	for (unsigned d = 0; d < world->shape.devices; d++)
		if (world->device[s][d].state != VFIOMIG_STATE_STOP || (s == DESTINATION && !world->device[s][d].whole))
			return false;
	return true;
}

/* The destination has said that it runs, and so its source knows. */
static bool proven(const struct world *world, unsigned s)
{
	return s == SOURCE && destination_ran(world);
}

/* The destination may fail to start: then it never ran, and its commit is as if it had not been. */
static bool undone(const struct world *world, unsigned s)
{
	return s == DESTINATION && world->truth.aborted_over_there;
}

static void judge_commit(struct world *world, const struct side *side, int rc)
{
	struct truth *truth = &world->truth;
	unsigned s = side->number;
	const char *name = side_name(side);

	if (rc == 0 && (truth->committed[s] || truth->refused[s] || truth->cancel_asked[s]))
		broken(world, "the %s may commit though %s", name,
		       truth->committed[s] ? "it is committed"
		       : truth->refused[s] ? "it was told that there is nothing left to commit"
					   : "its cancel was answered with 0");
	if (rc == 0 && !(all_stand(world, s) && truth->ready_over_there))
		broken(world, "the %s may commit, but not all is loaded and stands", name);
	if (rc == -EAGAIN && (truth->committed[s] || truth->refused[s] || world->mind[s].ready))
		broken(world, "the %s is told to come again, after it was prepared, committed or refused", name);
	if (rc == -EALREADY && !truth->committed[s] && !proven(world, s))
		broken(world, "the %s is told that it is committed, but it never was", name);
	if (rc == -ECANCELED && truth->committed[s] && !undone(world, s))
		broken(world, "the %s is told that there is nothing to commit, but it is committed", name);
	if (rc != 0 && rc != -EAGAIN && rc != -EALREADY && rc != -ECANCELED)
		broken(world, "the %s answers a commit with %d", name, rc);
	truth->refused[s] |= rc == -ECANCELED;
}

int caller_prepared(struct world *world, struct side *side)
{
	int rc = vfiomig_session_prepared(session_of(world, side));

	tell(world, side, "prepared?", (uint64_t)-rc, 0);
	judge_commit(world, side, rc);
	return rc;
}

int caller_commit(struct world *world, struct side *side)
{
	int expected = caller_prepared(world, side), rc = vfiomig_session_commit(session_of(world, side));
	unsigned s = side->number;

	tell(world, side, "commits", (uint64_t)-rc, 0);
	if (rc != expected)
		broken(world, "the %s answers _prepared with %d and _commit with %d", side_name(side), expected, rc);
	judge_commit(world, side, rc);
	caller_met(world, rc == 0	    ? DEED_COMMIT
			  : rc == -EAGAIN   ? DEED_COMMIT_EARLY
			  : rc == -EALREADY ? DEED_COMMIT_AGAIN
					    : DEED_COMMIT_CANCELLED);
	if (rc)
		return rc;
	world->truth.committed[s] = true;
	later(world, side, EVENT_NUDGE);
	return 0;
}

int caller_cancel(struct world *world, struct side *side)
{
	unsigned s = side->number;
	int rc = vfiomig_session_cancel(session_of(world, side));

	tell(world, side, "cancels", (uint64_t)-rc, 0);
	if (rc == 0 && world->truth.committed[s])
		broken(world, "the %s answers a cancel with 0 after its commit was answered so", side_name(side));
	if (rc && (rc != -EALREADY || !(world->truth.committed[s] || proven(world, s))))
		broken(world, "the %s answers a cancel with %d, but it is not committed", side_name(side), rc);
	world->truth.cancel_asked[s] |= rc == 0;
	if (rc)
		caller_met(world, DEED_CANCEL_LATE);
	later(world, side, EVENT_CANCEL);
	return rc;
}

/* It is the destination's: it runs, as its session has said. */
static bool gone_over(const struct side *source)
{
	return source->core.phase == PHASE_DONE && strcmp(source->result.destination_state, "unknown") != 0;
}

int caller_take_back(struct world *world, struct side *side)
{
	struct vfiomig_session *session = session_of(world, side);
	struct vfiomig_result result;
	int rc = vfiomig_session_take_back(session, &result);
	bool may = side->told && world->truth.committed[SOURCE] && !world->truth.taken_back && !gone_over(side);

	tell(world, side, "takes back", (uint64_t)-rc, 0);
	if ((rc == 0) != may || (rc && rc != -EINVAL))
		broken(world, "_take_back answers %d of a source that is %s, %s and %s", rc,
		       world->truth.committed[SOURCE] ? "committed" : "not committed",
		       side->told ? "has ended" : "has not ended",
		       world->truth.taken_back ? "was taken back before" : "was not taken back before");
	caller_met(world, rc ? DEED_TAKE_BACK_REFUSED : DEED_TAKE_BACK);
	if (rc)
		return rc;
	side->core.outcome = session->core.outcome;
	side->core.phase = session->core.phase;
	side->result = result;
	people_resume(world); /* the session has no device, so its threads are played here */
	return 0;
}

bool caller_told_prepared(struct world *world, struct side *side)
{
	return session_take_prepared(session_of(world, side));
}

bool caller_owes(struct world *world, struct side *side)
{
	struct vfiomig_session *session = world->caller[side->number];
	bool owed = session->commit_owed;

	session->commit_owed = false;
	return owed;
}

/* While both hold, what the peer does not say, a connection that is lost and time end nothing. */
static void judge_hold(struct world *world, const struct side *side, const struct core_event *event)
{
	bool limited = side->number == SOURCE && world->shape.downtime_limit_ns;

	if (event->kind == CORE_LOST || (event->kind == CORE_TICK && !limited))
		broken(world, "the %s gives up what is prepared because of a silence, a loss or of time: %.120s",
		       side_name(side), side->core.outcome.text);
}

void caller_stepped(struct world *world, struct side *side, const struct core_event *event, enum core_phase before)
{
	unsigned s = side->number;

	if (!world->shape.external[s])
		return;
	atomic_store(&world->caller[s]->committed, core_too_late(&side->core));
	if (before == PHASE_HOLD && side->core.phase == PHASE_ROLLBACK)
		judge_hold(world, side, event);
	if (before == PHASE_HOLD && event->kind == CORE_LOST)
		caller_met(world, DEED_HELD_WITHOUT_PEER);
	if (event->kind == CORE_CANCEL && before < PHASE_DONE && side->core.phase == PHASE_ROLLBACK)
		caller_met(world, DEED_CANCEL_IN_TIME);
	if (before < PHASE_DONE && side->core.phase == PHASE_FAILED && side->core.outcome.code == VFIOMIG_IN_DOUBT)
		caller_met(world, DEED_ABORTED_AFTER);
	world->truth.aborted_over_there |= s == DESTINATION && side->core.phase == PHASE_ROLLBACK;
	if (side->core.phase != before)
		later(world, side, EVENT_DISPATCH);
}

/* As session_hear_cancel: what is owed to the caller comes first. */
void caller_hear_cancel(struct world *world, struct side *side)
{
	struct vfiomig_error err = { 0 };

	if (!side->started) {
		later(world, side, EVENT_CANCEL); /* nobody listens yet, but it is not lost */
		return;
	}
	side_step(world, side, &(struct core_event){ .kind = CORE_TICK });
	if (!side->alive)
		return;
	error_set(&err, VFIOMIG_CANCELLED, ECANCELED, NULL, "the waiting was cancelled");
	if (core_finished(&side->core) || !core_too_late(&side->core))
		side_step(world, side, &(struct core_event){ .kind = CORE_CANCEL });
	else if (side->number == SOURCE)
		side_step(world, side, &(struct core_event){ .kind = CORE_LOST, .error = &err });
}

/* After every step: whose the devices are. */
void caller_check(struct world *world)
{
	struct truth *truth = &world->truth;

	if (!commits_externally(world))
		return;
	truth->ready_over_there |= all_stand(world, DESTINATION);
	if (truth->committed[SOURCE] && !truth->taken_back && side_runs(world, SOURCE))
		broken(world, "the source runs though its commit was answered with 0");
	if (!truth->committed[DESTINATION] && destination_ran(world))
		broken(world, "the destination runs though its caller never committed");
}

static bool all_run(const struct world *world, unsigned s)
{
	for (unsigned d = 0; d < world->shape.devices; d++)
		if (world->device[s][d].gone || world->device[s][d].state != VFIOMIG_STATE_RUNNING)
			return false;
	return true;
}

static void judge_source(struct world *world)
{
	const struct side *side = &world->side[SOURCE];
	enum vfiomig_code code = side->core.outcome.code;
	bool committed = world->truth.committed[SOURCE], back = world->truth.taken_back;
	bool stays = code == VFIOMIG_OK || code == VFIOMIG_DEGRADED || code == VFIOMIG_IN_DOUBT;

	if (committed && !back && !stays)
		broken(world, "the source was committed, and ends with code %d", (int)code);
	if (!committed && stays && !world->shape.probe && !destination_ran(world))
		broken(world, "the source was never committed, and ends with code %d", (int)code);
	if (code == VFIOMIG_IN_DOUBT && !world->truth.aborted_over_there)
		broken(world, "the source says that the destination gave up, but it did not");
	if (code == VFIOMIG_OK && !committed && !world->shape.probe && world->truth.cancel_asked[SOURCE])
		broken(world, "a cancel that was answered with 0 came neither in time, nor was that told");
}

static void judge_destination(struct world *world)
{
	const struct side *side = &world->side[DESTINATION];
	enum vfiomig_code code = side->core.outcome.code;
	bool failed = false;

	for (unsigned d = 0; d < world->shape.devices; d++)
		failed |= world->device[DESTINATION][d].broken || side->thread[d].abandoned;
	if (world->truth.committed[DESTINATION] && code != VFIOMIG_OK && !failed)
		broken(world, "the destination was committed, and does not run though no device failed: code %d",
		       (int)code);
	if (strcmp(side->result.source_state, "running") == 0 && world->truth.committed[SOURCE] &&
	    !world->truth.taken_back)
		broken(world, "the destination says that the source is running, but that was committed");
	if (strcmp(side->result.source_state, "stopped") == 0 && !world->truth.committed[SOURCE] &&
	    !world->truth.killed[SOURCE])
		broken(world, "the destination says that the source is stopped, but that was never committed");
}

void caller_verdict(struct world *world)
{
	const struct side *source = &world->side[SOURCE], *destination = &world->side[DESTINATION];
	enum vfiomig_code code = destination->core.outcome.code;
	bool runs_there = destination->finished && destination->core.phase == PHASE_DONE && code != VFIOMIG_CANCELLED;

	if (!commits_externally(world)) {
		bool conflict = strcmp(source->core.outcome.name, "commit-conflict") == 0;

		if (world->shape.external[SOURCE] != world->shape.external[DESTINATION] && conflict)
			caller_met(world, DEED_CONFLICT);
		if (conflict && world->truth.source_stopped && !world->truth.killed[SOURCE])
			broken(world, "the source was stopped, though nobody agreed on who commits");
		return;
	}
	if (source->finished && !world->truth.killed[SOURCE])
		judge_source(world);
	if (destination->finished && !world->truth.killed[DESTINATION])
		judge_destination(world);
	if (source->core.alone)
		caller_met(world, DEED_RETIRED_ALONE);
	if (!destination_ran(world) && !runs_there && !source_unable(world) && !all_run(world, SOURCE))
		broken(world, "neither side runs, though the source could");
}
