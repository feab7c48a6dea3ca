/* SPDX-License-Identifier: MIT */
#include "session/core.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "session/core_table.h"

static const char *const request_names[REQUEST_COUNT] = {
	[REQUEST_NONE] = "nothing",
	[REQUEST_QUIESCE] = "quiesce (to its P2P state)",
	[REQUEST_STOP_COPY] = "stop (to STOP_COPY)",
	[REQUEST_READ] = "read of its state",
	[REQUEST_STOP] = "end of the copy (STOP_COPY to STOP)",
	[REQUEST_RESUME] = "resume (to RUNNING)",
	[REQUEST_CHECK] = "check of its config space",
	[REQUEST_RESUMING] = "preparation (to RESUMING)",
	[REQUEST_LOAD] = "load of its state",
	[REQUEST_CONFIG] = "load of its config state",
	[REQUEST_FINISH] = "validation (RESUMING to STOP)",
	[REQUEST_RUN_P2P] = "start (to RUNNING_P2P)",
	[REQUEST_RUN] = "start (to RUNNING)",
	[REQUEST_RESET] = "reset",
};

const char *device_request_name(enum device_request request)
{
	return request_names[request];
}

const char *core_peer_name(const struct core *core)
{
	return core->role == VFIOMIG_SOURCE ? "destination" : "source";
}

struct core_action *core_emit(struct core_actions *actions, enum core_action_kind kind)
{
	struct core_action *action = &actions->action[actions->count++];

	assert(actions->count <= CORE_ACTIONS_MAX);
	*action = (struct core_action){ .kind = kind };
	return action;
}

void core_emit_send(struct core_actions *actions, enum message_type message)
{
	core_emit(actions, ACTION_SEND)->message = message;
}

void core_init(struct core *core, const struct core_config *config, uint64_t now)
{
	bool source = config->role == VFIOMIG_SOURCE;

	*core = (struct core){
		.role = config->role,
		.phases = source ? source_phases : destination_phases,
		.steps = source ? source_steps : destination_steps,
		.peer_timeout_ns = config->peer_timeout_ns,
		.phase = PHASE_CONNECT,
		.phase_ns = now,
		.heard_ns = now,
		.sent_ns = now,
		.facts = config->no_platform ? FACT_ITERABLES_DONE | FACT_PLATFORM_READY : 0,
	};
}

void core_set_devices(struct core *core, unsigned devices)
{
	assert(devices >= 1 && devices <= VFIOMIG_DEVICES_MAX);
	core->devices = devices;
}

bool core_all_through(const struct core *core, uint8_t steps)
{
	for (unsigned d = 0; d < core->devices; d++)
		if (core->device[d].step < steps && !core->device[d].failed)
			return false;
	return true;
}

bool core_all_idle(const struct core *core)
{
	for (unsigned d = 0; d < core->devices; d++)
		if (core->device[d].busy != REQUEST_NONE)
			return false;
	return true;
}

bool core_device_p2p_missing(const struct core *core, unsigned d)
{
	return !core->device[d].p2p;
}

bool core_finished(const struct core *core)
{
	return core->phase == PHASE_DONE || core->phase == PHASE_FAILED;
}

const char *core_phase_name(const struct core *core)
{
	return core->phases[core->phase].name;
}

/* Past these, steps are not begun: the session is over, or on its way back. */
static bool core_going_on(const struct core *core)
{
	return core->phase < PHASE_DONE;
}

static void ask_device(struct core *core, unsigned d, enum device_request request, struct core_actions *actions)
{
	struct core_action *action = core_emit(actions, ACTION_DEVICE);

	assert(core->device[d].busy == REQUEST_NONE);
	core->device[d].busy = request;
	action->device = d;
	action->request = request;
	if (request != REQUEST_CHECK)
		core->device[d].touched = core->touched = true;
}

static bool leaves_running(enum device_request request)
{
	return request == REQUEST_QUIESCE || request == REQUEST_STOP_COPY;
}

static bool begin_steps(struct core *core, uint64_t now, struct core_actions *actions)
{
	bool moved = false;

	for (unsigned d = 0; d < core->devices; d++) {
		struct core_device *device = &core->device[d];
		const struct step_row *row = &core->steps[device->step];

		if (device->busy || device->failed || row->request == REQUEST_NONE || !row->may(core, d))
			continue;
		if (row->skip && row->skip(core, d)) {
			device->step++;
			moved = true;
			continue;
		}
		if (leaves_running(row->request) && !core->stop_ns)
			core->stop_ns = now;
		ask_device(core, d, row->request, actions);
	}
	return moved;
}

void core_enter(struct core *core, enum core_phase phase, uint64_t now, struct core_actions *actions)
{
	core->phase = phase;
	core->phase_ns = now;
	if (core->phases[phase].enter)
		core->phases[phase].enter(core, actions);
}

static bool phase_complete(const struct core *core)
{
	const struct phase_row *row = &core->phases[core->phase];

	if (row->next == PHASE_NONE || (core->facts & row->needs) != row->needs)
		return false;
	if (core->phase >= PHASE_ROLLBACK)
		return core_all_idle(core);
	return core_all_through(core, row->through);
}

/* Run to the fixed point: steps open phases, phases open steps. */
static void advance(struct core *core, uint64_t now, struct core_actions *actions)
{
	bool moved = true;

	while (moved) {
		moved = core_going_on(core) && begin_steps(core, now, actions);
		if (phase_complete(core)) {
			core_enter(core, core->phases[core->phase].next, now, actions);
			moved = true;
		}
	}
}

static void out_of_phase(struct core *core, enum message_type message, uint64_t now, struct core_actions *actions)
{
	struct vfiomig_error err = { 0 };

	error_set(&err, VFIOMIG_PROTOCOL, EPROTO, "message-out-of-phase", "the %s sent %s in phase %s", core_peer_name(core),
		  message_name(message), core_phase_name(core));
	core_fail(core, &err, now, actions);
}

static const uint32_t message_facts[MESSAGE_TYPES] = {
	[MESSAGE_OFFER] = FACT_OFFER,
	[MESSAGE_AGREED] = FACT_AGREED,
	[MESSAGE_READY] = FACT_READY,
	[MESSAGE_LANES_READY] = FACT_LANES_READY,
	[MESSAGE_SWITCHOVER] = FACT_SWITCHOVER,
	[MESSAGE_PREPARED] = FACT_PREPARED,
	[MESSAGE_COMMIT] = FACT_COMMIT,
	[MESSAGE_DONE] = FACT_DONE,
};

static void on_message(struct core *core, const struct core_event *event, uint64_t now, struct core_actions *actions)
{
	uint32_t fact = message_facts[event->message];

	core->heard_ns = now;
	if (event->message == MESSAGE_HEARTBEAT || core->phase >= PHASE_DONE)
		return;
	if (!fact || !(core->phases[core->phase].accepts & fact) || (core->facts & fact)) {
		out_of_phase(core, event->message, now, actions);
		return;
	}
	core->facts |= fact;
	if (event->message == MESSAGE_DONE) {
		core->done_ns = now;
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
		out_of_phase(core, MESSAGE_STREAM_END, now, actions);
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

static void on_device_done(struct core *core, const struct core_event *event, uint64_t now, struct core_actions *actions)
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
	else if (failed)
		core_fail(core, event->error, now, actions);
	else if (on_step_done(core, event, actions, &err))
		core_fail(core, &err, now, actions);
	else
		device->step++;
	core_settle_run(core, now, actions);
}

/*
 * A peer that gives up says so over control and then fences its lanes, and the two are not ordered: wait a moment for the
 * cause before taking the lane's own end for it (core_watch.c).
 */
static void on_lane_lost(struct core *core, const struct core_event *event, uint64_t now)
{
	if (core_committed(core) || core->overtaken || core->phase >= PHASE_DONE || core->lane_lost_ns)
		return;
	core->lane_lost_ns = now;
	core->lane_lost = *event->error;
}

static void on_lost(struct core *core, const struct core_event *event, uint64_t now, struct core_actions *actions)
{
	if (core_finished(core))
		return; /* it had nothing more to say */
	core->peer_gone = true;
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
	if (core_committed(core) || core->phase >= PHASE_DONE)
		return;
	/* The destination says that it never ran: the one answer after COMMIT that gives the devices back. */
	core->overtaken = false;
	core_fail(core, &cause, now, actions);
}

static void on_cancel(struct core *core, uint64_t now, struct core_actions *actions)
{
	struct vfiomig_error err = { 0 };

	if (core->overtaken || core_committed(core))
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

static void on_fact(struct core *core, const struct core_event *event, uint64_t now)
{
	if (event->fact == FACT_CONTROL_UP)
		core->heard_ns = now;
	core->facts |= event->fact;
}

void core_step(struct core *core, const struct core_event *event, uint64_t now, struct core_actions *actions)
{
	actions->count = 0;
	switch (event->kind) {
	case CORE_START:
		core_enter(core, PHASE_CONNECT, now, actions);
		break;
	case CORE_FACT:
		on_fact(core, event, now);
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
	case CORE_FAILED:
		if (!core_committed(core) && !core->overtaken)
			core_fail(core, event->error, now, actions);
		break;
	case CORE_LANE_LOST:
		on_lane_lost(core, event, now);
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
	case CORE_TICK:
		core_watch(core, now, actions);
		break;
	}
	advance(core, now, actions);
	note_sending(core, now, actions);
}
