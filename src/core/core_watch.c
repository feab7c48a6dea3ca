/* SPDX-License-Identifier: MIT */
/* What only time can tell: the peer's silence, a phase that lasts too long, a gate that nobody opens. */
#include <errno.h>

#include "base/clock.h"
#include "base/error.h"
#include "core/core_table.h"

enum { HEARTBEAT_MS = 100, GATE_WAIT_MS_MAX = 60000, LANE_GRACE_MS = 200 };

/* Every device still under way has its data and waits for the gate alone. */
static bool only_gate_awaited(const struct core *core)
{
	bool any = false;

	if (core->role != VFIOMIG_DESTINATION || core->phase != PHASE_STREAM)
		return false;
	for (unsigned d = 0; d < core->devices; d++) {
		if (core->device[d].busy)
			return false;
		if (core->device[d].step == DESTINATION_LOADED && !core_gate_open(core, d))
			any = true;
	}
	return any;
}

/*
 * Where silence has a patience of its own, the phase's limit: a destination that is prepared holds for the source, a
 * source that has sent COMMIT waits for the answer. A destination that has it runs, whatever the source says. With external commit
 * the caller decides what to do about a peer that is silent in HOLD, and the answer is only worth a wait while there is a peer.
 */
static bool silence_counts(const struct core *core)
{
	bool patient = core->overtaken && !core->external;

	return (core->facts & FACT_CONTROL_UP) && !core->peer_gone && !patient && !core_committed(core) &&
	       core->phase != PHASE_HOLD;
}

static void check_silence(struct core *core, uint64_t now, struct core_actions *actions)
{
	struct vfiomig_error err = { 0 };

	if (!silence_counts(core) || now < core->heard_ns || now - core->heard_ns < core->peer_timeout_ns)
		return;
	error_set(&err, VFIOMIG_TIMEOUT, ETIMEDOUT, "peer-silent", "the %s was silent for %llu ms",
		  core_peer_name(core), (unsigned long long)(core->peer_timeout_ns / NS_PER_MS));
	core_fail(core, &err, now, actions); /* the ABORT still goes out: it may only have been asleep */
	core->peer_gone = true;
	core->peer_knows = false; /* nobody can say whether it heard */
}

static uint64_t phase_limit_ns(const struct core *core)
{
	uint32_t limit_ms = core->phases[core->phase].limit_ms;

	if (core->external && core->phase == PHASE_HOLD)
		return 0; /* the caller's to end */
	return limit_ms <= PHASE_ANSWER_LIMIT ? limit_ms * core->hold_ns : limit_ms * NS_PER_MS;
}

/* The peer's own word may tell better why a lane ended; but not where the cause is ours, and all lanes went with their device. */
static uint64_t lane_grace_ns(const struct core *core)
{
	return core->lane_lost.errnum == ENODEV ? 0 : LANE_GRACE_MS * NS_PER_MS;
}

static void check_limits(struct core *core, uint64_t now, struct core_actions *actions)
{
	const struct phase_row *row = &core->phases[core->phase];
	uint64_t limit_ns = phase_limit_ns(core);
	struct vfiomig_error err = { 0 };

	if (core->lane_lost_ns && now - core->lane_lost_ns >= lane_grace_ns(core)) {
		core_fail(core, &core->lane_lost, now, actions);
		return;
	}
	if (limit_ns && now - core->phase_ns >= limit_ns) {
		error_set(&err, VFIOMIG_TIMEOUT, ETIMEDOUT, "phase-timeout", "phase %s took longer than %g s",
			  row->name, (double)limit_ns / NS_PER_S);
		core_fail(core, &err, now, actions);
		return;
	}
	if (!only_gate_awaited(core)) {
		core->gate_ns = 0;
	} else if (!core->gate_ns) {
		core->gate_ns = now;
	} else if (now - core->gate_ns >= GATE_WAIT_MS_MAX * NS_PER_MS) {
		error_set(&err, VFIOMIG_TIMEOUT, ETIMEDOUT, "gate-timeout",
			  "all data is loaded, but %s did not come within %d s",
			  core->facts & FACT_TOKEN ? "the platform's ready" : "the token", GATE_WAIT_MS_MAX / 1000);
		core_fail(core, &err, now, actions);
	}
}

void core_check_downtime(struct core *core, uint64_t now, struct core_actions *actions)
{
	uint64_t limit_ns = core->downtime_limit_ns;
	struct vfiomig_error err = { 0 };

	if (!limit_ns || !core->stop_ns || core->overtaken || core->phase >= PHASE_COMMIT ||
	    now - core->stop_ns <= limit_ns)
		return;
	error_set(&err, VFIOMIG_TIMEOUT, ETIMEDOUT, "downtime-limit",
		  "the devices have stood still for more than %llu ms, in phase %s: the limit was overrun before the "
		  "commit, and they go on at the source",
		  (unsigned long long)(limit_ns / NS_PER_MS), core_phase_name(core));
	core_fail(core, &err, now, actions);
}

void core_watch(struct core *core, uint64_t now, struct core_actions *actions)
{
	bool talking = (core->facts & FACT_CONTROL_UP) && !core->peer_gone;

	if (core_finished(core))
		return;
	if (talking && now - core->sent_ns >= HEARTBEAT_MS * NS_PER_MS)
		core_emit_send(actions, MESSAGE_HEARTBEAT);
	check_silence(core, now, actions);
	if (core->phase < PHASE_DONE)
		check_limits(core, now, actions);
	core_lanes_watch(core, now, actions);
	core_check_downtime(core, now, actions);
}
