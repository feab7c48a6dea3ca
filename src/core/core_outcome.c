/* SPDX-License-Identifier: MIT */
/*
 * How a session ends other than by the straight road: the way back, the doubt after COMMIT, a device that fails to start,
 * and the words for it all.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "core/core_table.h"

/* From COMMIT on the destination runs; silence of the source, a cancel or a late lane's death change nothing in that. */
bool core_committed(const struct core *core)
{
	return core->role == VFIOMIG_DESTINATION && core->phase >= PHASE_RECORD && core->phase <= PHASE_DONE;
}

bool core_too_late(const struct core *core)
{
	return core->overtaken || core_committed(core);
}

int core_may_commit(const struct core *core)
{
	if (!core->external)
		return -ENOTSUP;
	if (core_too_late(core))
		return -EALREADY;
	if (core->phase > PHASE_DONE)
		return -ECANCELED;
	return core->phase == PHASE_HOLD ? 0 : -EAGAIN;
}

void core_take_commit(struct core *core)
{
	if (core_may_commit(core))
		return;
	core->facts |= FACT_COMMIT;
	/* At once: what else happens in this step comes too late. */
	core->overtaken = core->role == VFIOMIG_SOURCE;
}

void core_take_done(struct core *core)
{
	if (!core->external)
		return;
	core->facts |= FACT_COMMIT;
	core->overtaken = true;
}

bool core_peer_runs(const struct core *core)
{
	return core->role == VFIOMIG_SOURCE && core->facts & FACT_DONE;
}

void core_retire_alone(struct core *core)
{
	core->alone |= !core_peer_runs(core);
	core->facts |= FACT_DONE;
}

void core_record_fact(struct core *core, enum core_fact fact, struct core_actions *actions)
{
	if (core->external)
		core->facts |= fact;
	else
		core_emit(actions, ACTION_JOURNAL)->fact = fact;
}

void core_record_outcome(struct core *core, const struct vfiomig_error *error)
{
	if (core->outcome.code == VFIOMIG_OK)
		core->outcome = *error;
}

static void go_back(struct core *core, uint64_t now, struct core_actions *actions)
{
	/* Before anything else: who is told "never ran", and devices that are reset, must not be contradicted by the record. */
	if (core->role == VFIOMIG_DESTINATION && core->phase >= PHASE_DRAIN)
		core_record_fact(core, FACT_ABORTED, actions);
	if (!core->peer_gone && !core->peer_knows && (core->facts & FACT_CONTROL_UP)) {
		core_emit_send(actions, MESSAGE_ABORT);
		core->peer_knows = true;
	}
	core_emit(actions, ACTION_STOP_WAITS);
	core_emit(actions, ACTION_FENCE);
	core_enter(core, PHASE_ROLLBACK, now, actions);
}

void core_return(struct core *core, uint64_t now, struct core_actions *actions)
{
	go_back(core, now, actions);
}

static void finish_in_doubt(struct core *core, const struct vfiomig_error *cause, uint64_t now,
			    struct core_actions *actions)
{
	core_record_outcome(core, cause);
	core->outcome.code = VFIOMIG_IN_DOUBT;
	snprintf(core->outcome.name, sizeof(core->outcome.name), "in-doubt");
	error_prefix(&core->outcome, "COMMIT was sent, but the destination's answer was lost; the source stays stopped "
				     "until it is known that the destination does not run: ");
	core_emit(actions, ACTION_STOP_WAITS);
	core_enter(core, PHASE_FAILED, now, actions);
}

void core_stand_stopped(struct core *core, const struct vfiomig_error *cause, uint64_t now,
			struct core_actions *actions)
{
	core_record_outcome(core, cause);
	core->outcome.code = VFIOMIG_IN_DOUBT;
	snprintf(core->outcome.name, sizeof(core->outcome.name), "destination-aborted");
	error_prefix(&core->outcome,
		     "the source was committed, and then the destination gave up without having run; the "
		     "source's devices stay stopped until its caller takes them back: ");
	core_emit(actions, ACTION_STOP_WAITS);
	core_enter(core, PHASE_FAILED, now, actions);
}

void core_fail(struct core *core, const struct vfiomig_error *error, uint64_t now, struct core_actions *actions)
{
	/* A committed destination may run already: whatever a peer says now, there is no way back but core_settle_run. */
	if (core->phase >= PHASE_DONE || core_committed(core))
		return;
	if (core->external && core->overtaken) {
		core_retire_alone(core);
		return;
	}
	if (core->role == VFIOMIG_SOURCE && core->overtaken) {
		finish_in_doubt(core, error, now, actions);
		return;
	}
	core_record_outcome(core, error);
	go_back(core, now, actions);
}

void core_unwritten(struct core *core, const struct vfiomig_error *error, uint64_t now, struct core_actions *actions)
{
	/* COMMIT came, but without its record no device is run: it never ran, and the source may have its own back. */
	if (core->role == VFIOMIG_DESTINATION && core->phase == PHASE_RECORD) {
		core_record_outcome(core, error);
		go_back(core, now, actions);
		return;
	}
	core_fail(core, error, now, actions);
}

/* After the commit a device failed to start: nobody ran yet -> the source may have it back; else go on without it. */
void core_run_failed(struct core *core, unsigned d, const struct vfiomig_error *error)
{
	core->device[d].failed = true;
	core_record_outcome(core, error);
	core->outcome.code = VFIOMIG_DEGRADED;
}

void core_settle_run(struct core *core, uint64_t now, struct core_actions *actions)
{
	if (core->outcome.code != VFIOMIG_DEGRADED || core->ran || !core_all_idle(core) || !core_committed(core))
		return;
	core->outcome.code = VFIOMIG_DEVICE; /* it never ran: an abort like any other */
	go_back(core, now, actions);
}

static bool any_stuck(const struct core *core)
{
	for (unsigned d = 0; d < core->devices; d++)
		if (core->device[d].stuck)
			return true;
	return false;
}

static void call_source_stuck(struct vfiomig_error *error)
{
	error->code = VFIOMIG_SOURCE_STUCK;
	snprintf(error->name, sizeof(error->name), "source-stuck");
}

/* Not before the ABORT is out: to the peer it is a device's failure like any other. */
void core_judge_stuck(struct core *core)
{
	if (any_stuck(core))
		call_source_stuck(&core->outcome);
}

void core_restore_failed(struct core *core, const struct vfiomig_error *error)
{
	struct vfiomig_error both = core->outcome;

	if (core->role == VFIOMIG_SOURCE)
		call_source_stuck(&both);
	memcpy(both.text, error->text, sizeof(both.text));
	if (core->outcome.code == VFIOMIG_OK) /* a probe, or a recording */
		error_prefix(&both, "the way back failed: ");
	else
		error_prefix(&both, "%.200s; then the way back failed too: ", core->outcome.text);
	core->outcome = both;
}

static const char *own_state(const struct core *core)
{
	bool source = core->role == VFIOMIG_SOURCE;

	if (core->phase == PHASE_DONE)
		return source ? "retired" : core->outcome.code == VFIOMIG_DEGRADED ? "degraded" : "running";
	if (source)
		return core->outcome.code == VFIOMIG_IN_DOUBT	    ? "stopped"
		       : core->outcome.code == VFIOMIG_SOURCE_STUCK ? "stuck"
								    : "running";
	for (unsigned d = 0; d < core->devices; d++)
		if (core->device[d].touched || core->device[d].stuck)
			return "stuck"; /* its reset failed, or it could not even be asked */
	return core->touched ? "reset" : "untouched";
}

/* What this side can know of the other one. */
static const char *peer_state(const struct core *core)
{
	bool source = core->role == VFIOMIG_SOURCE;

	if (core->phase == PHASE_DONE && source)
		return core->alone ? "unknown" : core->outcome.code == VFIOMIG_DEGRADED ? "degraded" : "running";
	if (core->phase == PHASE_DONE)
		return core->peer_gone ? "unknown" : "retired";
	if (core->purpose == CORE_RECORD)
		return core->outcome.code == VFIOMIG_OK ? "recorded" : "untouched";
	if (source && !(core->facts & FACT_AGREED))
		return "untouched";
	if ((core->outcome.code == VFIOMIG_IN_DOUBT || core->peer_gone) && !core->peer_knows)
		return "unknown";
	if (core->peer_stuck)
		return "stuck";
	if (source)
		return "reset";
	/* Once it has said PREPARED, what has become of the source is its caller's decision. */
	if (core->external && core->facts & FACT_COMMIT)
		return "stopped";
	return core->external && core->facts & FACT_PREPARED && !core->peer_aborted ? "unknown" : "running";
}

void core_result(const struct core *core, struct vfiomig_result *result)
{
	bool source = core->role == VFIOMIG_SOURCE;

	*result = (struct vfiomig_result){ .error = core->outcome };
	snprintf(result->source_state, sizeof(result->source_state), "%s", source ? own_state(core) : peer_state(core));
	snprintf(result->destination_state, sizeof(result->destination_state), "%s",
		 source ? peer_state(core) : own_state(core));
}
