/* SPDX-License-Identifier: MIT */
/*
 * How the machine moves, whatever moved it: steps of devices open phases, phases open steps, until nothing does. With it, what
 * every part of core builds on: actions, and conditions over all devices.
 */
#include <assert.h>

#include "base/clock.h"
#include "core/core_table.h"

enum { HOLD_MS_DEFAULT = 30000 };

static const char *const request_names[REQUEST_COUNT] = {
	[REQUEST_NONE] = "nothing",
	[REQUEST_PRECOPY] = "read of its state in PRE_COPY",
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
		.hold_ns = config->hold_ns ? config->hold_ns : HOLD_MS_DEFAULT * NS_PER_MS,
		.purpose = config->purpose,
		.peer_gone = config->purpose == CORE_RECORD, /* there is none to be silent, or to be told */
		.serial = config->serial,
		.external = config->external_commit,
		.downtime_limit_ns = config->downtime_limit_ns,
		.phase = PHASE_CONNECT,
		.phase_ns = now,
		.heard_ns = now,
		.sent_ns = now,
		.facts = config->no_platform ? FACT_ITERABLES_DONE | FACT_PLATFORM_READY : 0,
	};
	if (source && !core->external)
		core->facts |= FACT_COMMIT; /* it waits for nobody's word */
}

void core_set_devices(struct core *core, unsigned devices)
{
	assert(devices >= 1 && devices <= VFIOMIG_DEVICES_MAX);
	core->devices = devices;
}

void core_set_lanes(struct core *core, unsigned lanes)
{
	assert(lanes >= 1 && lanes <= VFIOMIG_LANES_MAX);
	core->lanes = lanes;
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

void core_ask_touched(struct core *core, enum device_request request, struct core_actions *actions)
{
	for (unsigned d = 0; d < core->devices; d++)
		if (core->device[d].touched && !core->device[d].stuck)
			ask_device(core, d, request, actions);
}

static bool leaves_running(enum device_request request)
{
	return request == REQUEST_QUIESCE || request == REQUEST_STOP_COPY;
}

/* These wait for data, and take nothing from the others: they never count as "one device at a time". */
static bool only_waits(enum device_request request)
{
	return request == REQUEST_NONE || request == REQUEST_LOAD || request == REQUEST_PRECOPY;
}

/* Serial states: a step that is not its turn yet, because another device is at one. */
static bool must_queue(const struct core *core, enum device_request request)
{
	if (!core->serial || only_waits(request))
		return false;
	for (unsigned d = 0; d < core->devices; d++)
		if (!only_waits(core->device[d].busy))
			return true;
	return false;
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
		if (must_queue(core, row->request))
			continue;
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
	actions->entered |= UINT32_C(1) << phase;
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

/* A probe and a recording end where a migration would go on. */
static bool ends_here(const struct core *core)
{
	return (core->purpose == CORE_PROBE && core->phase == PHASE_PRECOPY) ||
	       (core->purpose == CORE_RECORD && core->phase == PHASE_DRAIN);
}

static void leave_phase(struct core *core, uint64_t now, struct core_actions *actions)
{
	enum core_phase next = core->phases[core->phase].next;

	if (core->role == VFIOMIG_SOURCE && ends_here(core)) {
		core_return(core, now, actions);
		return;
	}
	if (core->role == VFIOMIG_SOURCE && next == PHASE_COMMIT) {
		core_check_downtime(core, now, actions); /* the last moment at which it can be kept */
		if (core->phase >= PHASE_ROLLBACK)
			return;
	}
	core_enter(core, next, now, actions);
}

/* Run to the fixed point: steps open phases, phases open steps. */
void core_advance(struct core *core, uint64_t now, struct core_actions *actions)
{
	bool moved = true;

	while (moved) {
		moved = core_going_on(core) && begin_steps(core, now, actions);
		if (phase_complete(core)) {
			leave_phase(core, now, actions);
			moved = true;
		}
	}
}
