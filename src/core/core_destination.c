/* SPDX-License-Identifier: MIT */
/* The destination's tables: its phases, and the steps of each of its devices. */
#include "core/core_table.h"

enum { HANDSHAKE_MS = 60000 };

static void agree_enter(struct core *core, struct core_actions *actions)
{
	(void)core;
	core_emit(actions, ACTION_PROBE);
}

static void prepare_enter(struct core *core, struct core_actions *actions)
{
	(void)core;
	core_emit_send(actions, MESSAGE_AGREED); /* first: the source prepares at the same time */
	core_emit(actions, ACTION_OPEN_FABRIC);
}

static void lanes_enter(struct core *core, struct core_actions *actions)
{
	(void)core;
	core_emit_send(actions, MESSAGE_READY);
	core_emit(actions, ACTION_CONNECT_LANES);
}

static void stream_enter(struct core *core, struct core_actions *actions)
{
	if (!core_gate_any(core))
		core->facts |= FACT_PLATFORM_READY; /* nobody waits for it */
	core_emit_send(actions, MESSAGE_LANES_READY);
}

static void drain_enter(struct core *core, struct core_actions *actions)
{
	core->lane_lost_ns = 0; /* all is loaded: no lane is needed any more */
	core_emit(actions, ACTION_RELEASE);
	core_record_fact(core, FACT_PREPARED, actions);
}

static void hold_enter(struct core *core, struct core_actions *actions)
{
	(void)core;
	core_emit_send(actions, MESSAGE_PREPARED);
}

static void record_enter(struct core *core, struct core_actions *actions)
{
	core_record_fact(core, FACT_COMMITTED, actions);
}

static void done_enter(struct core *core, struct core_actions *actions)
{
	if (!core->peer_gone)
		core_emit_send(actions,
			       MESSAGE_DONE); /* first: until it is there, the devices count as standing still */
	core_record_fact(core, FACT_RUNNING, actions);
	core_emit(actions, ACTION_FINISH);
}

static void failed_enter(struct core *core, struct core_actions *actions)
{
	(void)core;
	core_emit(actions, ACTION_FINISH);
}

static void restore_enter(struct core *core, struct core_actions *actions)
{
	core_ask_touched(core, REQUEST_RESET, actions);
}

const struct phase_row destination_phases[PHASE_COUNT] = {
	[PHASE_CONNECT] = { "CONNECT", 0, FACT_CONTROL_UP, 0, 0, PHASE_AGREE, NULL },
	[PHASE_AGREE] = { "AGREE", FACT_OFFER, FACT_OFFER | FACT_PROBED, DESTINATION_CHECKED, HANDSHAKE_MS,
			  PHASE_PREPARE, agree_enter },
	[PHASE_PREPARE] = { "PREPARE", 0, FACT_FABRIC_OPEN, DESTINATION_RESUMING, HANDSHAKE_MS, PHASE_LANES,
			    prepare_enter },
	[PHASE_LANES] = { "LANES", 0, FACT_LANES_UP, DESTINATION_RESUMING, HANDSHAKE_MS, PHASE_STREAM, lanes_enter },
	[PHASE_STREAM] = { "STREAM", FACT_SWITCHOVER, 0, DESTINATION_FINISHED, 0, PHASE_DRAIN, stream_enter },
	[PHASE_DRAIN] = { "DRAIN", 0, FACT_RELEASED | FACT_PREPARED, 0, 0, PHASE_HOLD, drain_enter },
	[PHASE_HOLD] = { "HOLD", FACT_COMMIT, FACT_COMMIT, 0, PHASE_HOLD_LIMIT, PHASE_RECORD, hold_enter },
	[PHASE_RECORD] = { "RECORD", 0, FACT_COMMITTED, 0, 0, PHASE_COMMIT, record_enter },
	[PHASE_COMMIT] = { "COMMIT", 0, 0, DESTINATION_P2P, 0, PHASE_RUN, NULL },
	[PHASE_RUN] = { "RUN", 0, 0, DESTINATION_RAN, 0, PHASE_DONE, NULL },
	[PHASE_DONE] = { "DONE", 0, 0, 0, 0, PHASE_NONE, done_enter },
	[PHASE_ROLLBACK] = { "ROLLBACK", 0, FACT_FABRIC_DOWN, 0, 0, PHASE_RESTORE, NULL },
	[PHASE_RESTORE] = { "RESTORE", 0, 0, 0, 0, PHASE_FAILED, restore_enter },
	[PHASE_FAILED] = { "FAILED", 0, 0, 0, 0, PHASE_NONE, failed_enter },
};

static bool may_check(const struct core *core, unsigned d)
{
	(void)d;
	return core->phase == PHASE_AGREE && (core->facts & FACT_OFFER) && core->devices > 0;
}

static bool may_resume(const struct core *core, unsigned d)
{
	(void)d;
	return core->phase == PHASE_PREPARE;
}

static bool may_load(const struct core *core, unsigned d)
{
	(void)d;
	return core->phase == PHASE_STREAM;
}

/* Its manifest came and was found true (core_gate_manifest fails the session otherwise). */
static bool may_finish(const struct core *core, unsigned d)
{
	return core->device[d].ended;
}

/* The barriers of the start, as of the stop: nobody runs before all are ready for each other. */
static bool may_run_p2p(const struct core *core, unsigned d)
{
	(void)d;
	return core->phase == PHASE_COMMIT;
}

static bool may_run(const struct core *core, unsigned d)
{
	(void)d;
	return core->phase == PHASE_RUN;
}

const struct step_row destination_steps[] = {
	{ REQUEST_CHECK, may_check, NULL },   { REQUEST_RESUMING, may_resume, NULL },
	{ REQUEST_LOAD, may_load, NULL },     { REQUEST_CONFIG, core_gate_open, NULL },
	{ REQUEST_FINISH, may_finish, NULL }, { REQUEST_RUN_P2P, may_run_p2p, core_device_p2p_missing },
	{ REQUEST_RUN, may_run, NULL },	      { REQUEST_NONE, NULL, NULL },
};
