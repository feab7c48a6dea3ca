/* SPDX-License-Identifier: MIT */
/* The source's tables: its phases, and the steps of each of its devices. */
#include "core/core_table.h"

enum { HANDSHAKE_MS = 60000 };

static void connect_enter(struct core *core, struct core_actions *actions)
{
	(void)core;
	core_emit(actions, ACTION_PROBE);
}

static void agree_enter(struct core *core, struct core_actions *actions)
{
	core_emit_send(actions, MESSAGE_OFFER);
	for (unsigned d = 0; d < core->devices; d++) {
		core_emit_send(actions, MESSAGE_DEVICE);
		actions->action[actions->count - 1].device = d;
	}
}

static void prepare_enter(struct core *core, struct core_actions *actions)
{
	(void)core;
	core_emit(actions, ACTION_OPEN_FABRIC);
}

static void lanes_enter(struct core *core, struct core_actions *actions)
{
	(void)core;
	core_emit(actions, ACTION_CONNECT_LANES);
}

static void switchover_enter(struct core *core, struct core_actions *actions)
{
	(void)core;
	core_emit_send(actions, MESSAGE_SWITCHOVER);
}

static void stream_enter(struct core *core, struct core_actions *actions)
{
	(void)actions;
	if (!core_gate_any(core))
		core->facts |= FACT_ITERABLES_DONE; /* nobody waits for them */
}

static void drain_enter(struct core *core, struct core_actions *actions)
{
	if (core_gate_any(core))
		core_emit(actions, ACTION_TOKEN);
}

static void hold_enter(struct core *core, struct core_actions *actions)
{
	(void)actions;
	core->lane_lost_ns = 0; /* PREPARED is here: no lane is needed any more */
}

static void record_enter(struct core *core, struct core_actions *actions)
{
	core_record_fact(core, FACT_COMMITTED, actions);
}

static void commit_enter(struct core *core, struct core_actions *actions)
{
	core->overtaken = true;
	if (!core->external)
		core_emit_send(actions, MESSAGE_COMMIT);
	else if (core->peer_gone)
		core_retire_alone(core);
}

static void finish_enter(struct core *core, struct core_actions *actions)
{
	(void)core;
	core_emit(actions, ACTION_FINISH);
}

static void restore_enter(struct core *core, struct core_actions *actions)
{
	core_judge_stuck(core);
	core_ask_touched(core, REQUEST_RESUME, actions);
}

const struct phase_row source_phases[PHASE_COUNT] = {
	[PHASE_CONNECT] = { "CONNECT", 0, FACT_CONTROL_UP | FACT_PROBED, 0, HANDSHAKE_MS, PHASE_AGREE, connect_enter },
	[PHASE_AGREE] = { "AGREE", FACT_AGREED | FACT_READY, FACT_AGREED, 0, HANDSHAKE_MS, PHASE_PREPARE, agree_enter },
	[PHASE_PREPARE] = { "PREPARE", FACT_READY, FACT_READY | FACT_FABRIC_OPEN, 0, HANDSHAKE_MS, PHASE_LANES,
			    prepare_enter },
	[PHASE_LANES] = { "LANES", FACT_LANES_READY, FACT_LANES_UP | FACT_LANES_READY | FACT_MEASURED, 0, HANDSHAKE_MS,
			  PHASE_PRECOPY, lanes_enter },
	[PHASE_PRECOPY] = { "PRECOPY", 0, FACT_SWITCHOVER_DUE, SOURCE_PRECOPIED, 0, PHASE_SWITCHOVER, NULL },
	[PHASE_SWITCHOVER] = { "SWITCHOVER", 0, 0, SOURCE_QUIESCED, 0, PHASE_STREAM, switchover_enter },
	[PHASE_STREAM] = { "STREAM", 0, FACT_ITERABLES_DONE, SOURCE_READ, 0, PHASE_DRAIN, stream_enter },
	[PHASE_DRAIN] = { "DRAIN", FACT_PREPARED, FACT_PREPARED, SOURCE_STOPPED, 0, PHASE_HOLD, drain_enter },
	/* The session's own commit does not stop here. A DONE shows that the caller's other half has committed. */
	[PHASE_HOLD] = { "HOLD", FACT_DONE, FACT_COMMIT, 0, 0, PHASE_RECORD, hold_enter },
	[PHASE_RECORD] = { "RECORD", 0, FACT_COMMITTED, 0, 0, PHASE_COMMIT, record_enter },
	[PHASE_COMMIT] = { "COMMIT", FACT_DONE, FACT_DONE, 0, PHASE_ANSWER_LIMIT, PHASE_DONE, commit_enter },
	[PHASE_DONE] = { "DONE", 0, 0, 0, 0, PHASE_NONE, finish_enter },
	[PHASE_ROLLBACK] = { "ROLLBACK", 0, FACT_FABRIC_DOWN, 0, 0, PHASE_RESTORE, NULL },
	[PHASE_RESTORE] = { "RESTORE", 0, 0, 0, 0, PHASE_FAILED, restore_enter },
	[PHASE_FAILED] = { "FAILED", 0, 0, 0, 0, PHASE_NONE, finish_enter },
};

static bool may_precopy(const struct core *core, unsigned d)
{
	(void)d;
	return core->phase == PHASE_PRECOPY;
}

static bool has_no_precopy(const struct core *core, unsigned d)
{
	return !core->device[d].precopy;
}

static bool may_quiesce(const struct core *core, unsigned d)
{
	(void)d;
	return core->phase == PHASE_SWITCHOVER;
}

/* The barrier: no device goes on before all are quiet, because the others could still write to it. */
static bool may_stop_copy(const struct core *core, unsigned d)
{
	(void)d;
	return core->phase == PHASE_STREAM && core_all_through(core, SOURCE_QUIESCED);
}

static bool may_at_once(const struct core *core, unsigned d)
{
	(void)core;
	(void)d;
	return true;
}

const struct step_row source_steps[] = {
	{ REQUEST_PRECOPY, may_precopy, has_no_precopy },
	{ REQUEST_QUIESCE, may_quiesce, core_device_p2p_missing },
	{ REQUEST_STOP_COPY, may_stop_copy, NULL },
	{ REQUEST_READ, may_at_once, NULL },
	{ REQUEST_STOP, may_at_once, NULL },
	{ REQUEST_NONE, NULL, NULL },
};
