/* SPDX-License-Identifier: MIT */
/* The events of core: what each means, before the machine is let move (core_advance.c). */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "core/core_table.h"

void core_out_of_phase(struct core *core, enum message_type message, uint64_t now, struct core_actions *actions)
{
	struct vfiomig_error err = { 0 };

	error_set(&err, VFIOMIG_PROTOCOL, EPROTO, "message-out-of-phase", "the %s sent %s in phase %s",
		  core_peer_name(core), message_name(message), core_phase_name(core));
	core_fail(core, &err, now, actions);
}

static const uint32_t message_facts[MESSAGE_TYPES] = {
	[MESSAGE_OFFER] = FACT_OFFER,		[MESSAGE_AGREED] = FACT_AGREED,
	[MESSAGE_READY] = FACT_READY,		[MESSAGE_LANES_READY] = FACT_LANES_READY,
	[MESSAGE_SWITCHOVER] = FACT_SWITCHOVER, [MESSAGE_PREPARED] = FACT_PREPARED,
	[MESSAGE_COMMIT] = FACT_COMMIT,		[MESSAGE_DONE] = FACT_DONE,
};

/*
 * Where the callers commit, no peer says COMMIT; and the destination's may be faster than the source's last step, which is its own mistake:
 * whoever has said PREPARED and then DONE runs.
 */
static bool accepts(const struct core *core, uint32_t fact)
{
	if (core->external && fact == FACT_COMMIT)
		return false;
	if (core->external && core->role == VFIOMIG_SOURCE && core->phase == PHASE_DRAIN && fact == FACT_DONE)
		return core->facts & FACT_PREPARED;
	return core->phases[core->phase].accepts & fact;
}

static void on_message(struct core *core, const struct core_event *event, uint64_t now, struct core_actions *actions)
{
	uint32_t fact = message_facts[event->message];

	core->heard_ns = now;
	if (event->message == MESSAGE_HEARTBEAT || core->phase >= PHASE_DONE)
		return;
	if (event->message == MESSAGE_FENCE || event->message == MESSAGE_FENCED ||
	    event->message == MESSAGE_LANE_LOST) {
		core_lane_message(core, event, now, actions);
		return;
	}
	if (!fact || (core->facts & fact) || !accepts(core, fact)) {
		core_out_of_phase(core, event->message, now, actions);
		return;
	}
	core->facts |= fact;
	if (event->message == MESSAGE_DONE) {
		core->done_ns = now;
		core_take_done(core);
		if (event->error && event->error->code != VFIOMIG_OK) {
			core_record_outcome(core, event->error);
			core->outcome.code = VFIOMIG_DEGRADED; /* whatever it calls it, it runs */
		}
	}
}

static void on_stream_end(struct core *core, const struct core_event *event, uint64_t now, struct core_actions *actions)
{
	struct core_device *device;

	core->heard_ns = now;
	if (core->phase > PHASE_DONE)
		return;
	if (core->role != VFIOMIG_DESTINATION || core->phase != PHASE_STREAM || event->device >= core->devices ||
	    core->device[event->device].ended) {
		core_out_of_phase(core, MESSAGE_STREAM_END, now, actions);
		return;
	}
	device = &core->device[event->device];
	device->ended = true;
	device->manifest = event->counts;
	if (device->counted) {
		struct vfiomig_error err = { 0 };

		if (core_gate_manifest(core, event->device, &err))
			core_fail(core, &err, now, actions);
	}
}

static void on_token(struct core *core, const struct core_event *event, uint64_t now, struct core_actions *actions)
{
	struct vfiomig_error err = { 0 };

	if (core->phase > PHASE_DONE)
		return;
	if (core_gate_token(core, event, &err))
		core_fail(core, &err, now, actions);
}

/* What a completed step means beyond being done. */
static int on_step_done(struct core *core, const struct core_event *event, struct core_actions *actions,
			struct vfiomig_error *err)
{
	struct core_device *device = &core->device[event->device];

	if (event->request == REQUEST_PRECOPY)
		device->precopied = event->counts;
	if (event->request == REQUEST_READ || event->request == REQUEST_LOAD) {
		device->counts = event->counts;
		device->counted = true;
		device->order = ++core->ordered;
	}
	if (event->request == REQUEST_READ) {
		core_emit_send(actions, MESSAGE_STREAM_END);
		actions->action[actions->count - 1].device = event->device;
	}
	if (event->request == REQUEST_LOAD)
		return core_gate_loaded(core, event->device, err);
	if (event->request == REQUEST_RUN_P2P || event->request == REQUEST_RUN)
		core->ran = true;
	return 0;
}

static void on_device_done(struct core *core, const struct core_event *event, uint64_t now,
			   struct core_actions *actions)
{
	struct core_device *device = &core->device[event->device];
	struct vfiomig_error err = { 0 };
	bool failed = event->error && event->error->code != VFIOMIG_OK;

	assert(device->busy == event->request);
	device->busy = REQUEST_NONE;
	if (core->phase == PHASE_RESTORE) {
		if (failed)
			core_restore_failed(core, event->error);
		else
			device->touched = false;
		return;
	}
	if (core->phase == PHASE_ROLLBACK)
		return;
	if (failed && core_committed(core))
		core_run_failed(core, event->device, event->error);
	else if (failed && core_peer_runs(core))
		device->failed = true; /* its state is the destination's by now */
	else if (failed)
		core_fail(core, event->error, now, actions);
	else if (on_step_done(core, event, actions, &err))
		core_fail(core, &err, now, actions);
	else
		device->step++;
	core_settle_run(core, now, actions);
}

/*
 * Nobody can say where the call leaves the device, or when: it is never asked again, and no state is claimed of it. A start
 * that hangs may succeed yet, so the destination counts as running from then on.
 */
static void on_device_stuck(struct core *core, const struct core_event *event, uint64_t now,
			    struct core_actions *actions)
{
	struct core_device *device = &core->device[event->device];

	assert(device->busy != REQUEST_NONE);
	device->busy = REQUEST_NONE;
	device->stuck = true;
	if (core->phase >= PHASE_ROLLBACK) {
		core_restore_failed(core, event->error);
	} else if (core_committed(core)) {
		core->ran = true;
		core_run_failed(core, event->device, event->error);
	} else if (core_peer_runs(core)) {
		device->failed = true;
	} else {
		core_fail(core, event->error, now, actions);
	}
}

static void on_lost(struct core *core, const struct core_event *event, uint64_t now, struct core_actions *actions)
{
	if (core_finished(core))
		return; /* it had nothing more to say */
	core->peer_gone = true;
	if (core->external && core->phase == PHASE_HOLD)
		return; /* prepared on both sides: what that means is the caller's to decide */
	if (!core_committed(core))
		core_fail(core, event->error, now, actions);
}

static void on_abort(struct core *core, const struct core_event *event, uint64_t now, struct core_actions *actions)
{
	struct vfiomig_error cause = *event->error;

	/* The peer's code becomes ours, so it must be one that says "the destination never ran". */
	if (cause.code < VFIOMIG_INTERNAL || cause.code > VFIOMIG_CANCELLED)
		cause.code = VFIOMIG_PROTOCOL;
	core->heard_ns = now;
	core->peer_knows = true;
	core->peer_aborted = true;
	core->peer_stuck = strcmp(cause.name, CORE_STUCK_NAME) == 0;
	if (core_committed(core) || core->phase >= PHASE_DONE || core_peer_runs(core))
		return;
	if (core->external && core->overtaken) {
		core_stand_stopped(core, &cause, now, actions);
		return;
	}
	/* The destination says that it never ran: the one answer after COMMIT that gives the devices back. */
	core->overtaken = false;
	core_fail(core, &cause, now, actions);
}

static void on_cancel(struct core *core, uint64_t now, struct core_actions *actions)
{
	struct vfiomig_error err = { 0 };

	if (core_too_late(core))
		return; /* too late: the answer to COMMIT decides */
	error_set(&err, VFIOMIG_CANCELLED, ECANCELED, NULL, "cancelled at the %s",
		  core->role == VFIOMIG_SOURCE ? "source" : "destination");
	core_fail(core, &err, now, actions);
}

static void note_sending(struct core *core, uint64_t now, const struct core_actions *actions)
{
	for (unsigned i = 0; i < actions->count; i++)
		if (actions->action[i].kind == ACTION_SEND)
			core->sent_ns = now;
}

static void on_fact(struct core *core, const struct core_event *event, uint64_t now, struct core_actions *actions)
{
	if (event->fact == FACT_CONTROL_UP)
		core->heard_ns = now;
	if (event->fact == FACT_SWITCHOVER_DUE && core->phase == PHASE_PRECOPY)
		core_emit(actions, ACTION_END_PRECOPY);
	core->facts |= event->fact;
}

void core_step(struct core *core, const struct core_event *event, uint64_t now, struct core_actions *actions)
{
	actions->count = 0;
	actions->entered = 0;
	switch (event->kind) {
	case CORE_START:
		core_enter(core, PHASE_CONNECT, now, actions);
		break;
	case CORE_FACT:
		on_fact(core, event, now, actions);
		break;
	case CORE_MESSAGE:
		on_message(core, event, now, actions);
		break;
	case CORE_STREAM_END:
		on_stream_end(core, event, now, actions);
		break;
	case CORE_TOKEN:
		on_token(core, event, now, actions);
		break;
	case CORE_DEVICE_DONE:
		on_device_done(core, event, now, actions);
		break;
	case CORE_DEVICE_STUCK:
		on_device_stuck(core, event, now, actions);
		break;
	case CORE_FAILED:
		if (!core_too_late(core))
			core_fail(core, event->error, now, actions);
		break;
	case CORE_UNWRITTEN:
		core_unwritten(core, event->error, now, actions);
		break;
	case CORE_LANE_LOST:
		core_lane_lost(core, event->lane, event->error, now, actions);
		break;
	case CORE_LANE_FENCED:
		core_lane_fenced(core, event->lane, now, actions);
		break;
	case CORE_LOST:
		on_lost(core, event, now, actions);
		break;
	case CORE_ABORT:
		on_abort(core, event, now, actions);
		break;
	case CORE_CANCEL:
		on_cancel(core, now, actions);
		break;
	case CORE_COMMIT:
		core_take_commit(core);
		break;
	case CORE_TICK:
		core_watch(core, now, actions);
		break;
	}
	core_advance(core, now, actions);
	note_sending(core, now, actions);
}
