/* SPDX-License-Identifier: MIT */
/* A core on the bench: events by short names, the actions of the last step at hand, and a straight road to any phase. */
#ifndef SUPPORT_CORE_RIG_H
#define SUPPORT_CORE_RIG_H

#include <criterion/criterion.h>

#include <stdbool.h>
#include <string.h>

#include "base/clock.h"
#include "core/core.h"

enum { RIG_ALL = 0xff, RIG_NONE = 0 };

struct rig {
	struct core core;
	struct core_actions actions; /* of the last step */
	uint64_t now;
};

static const struct vfiomig_error rig_trouble = {
	.code = VFIOMIG_FABRIC, .errnum = 104, .name = "trouble", .text = "it broke"
};
static const struct vfiomig_error rig_device_trouble = {
	.code = VFIOMIG_DEVICE, .errnum = 5, .name = "eio", .text = "it broke"
};

static inline struct stream_counts rig_counts(void)
{
	return (struct stream_counts){ .packets = 3, .bytes = 204, .config_bytes = 4, .digest = 77 };
}

static inline void rig_step(struct rig *rig, const struct core_event *event)
{
	core_step(&rig->core, event, rig->now, &rig->actions);
}

static inline void rig_event(struct rig *rig, enum core_event_kind kind, const struct vfiomig_error *error)
{
	rig_step(rig, &(struct core_event){ .kind = kind, .error = error });
}

static inline void rig_fact(struct rig *rig, enum core_fact fact)
{
	rig_step(rig, &(struct core_event){ .kind = CORE_FACT, .fact = fact });
}

static inline void rig_message(struct rig *rig, enum message_type message)
{
	rig_step(rig, &(struct core_event){ .kind = CORE_MESSAGE, .message = message });
}

static inline void rig_stream_end(struct rig *rig, unsigned d, struct stream_counts counts)
{
	rig_step(rig, &(struct core_event){ .kind = CORE_STREAM_END, .device = d, .counts = counts });
}

static inline void rig_token(struct rig *rig, const struct token *token, const uint64_t *arrived)
{
	rig_step(rig, &(struct core_event){ .kind = CORE_TOKEN, .token = token, .arrived = arrived });
}

/* The token that fits rig_counts. */
static inline void rig_good_token(struct rig *rig)
{
	static const uint64_t arrived[VFIOMIG_DEVICES_MAX];
	struct token token = { .devices = rig->core.devices };

	for (unsigned d = 0; d < token.devices; d++)
		token.count[d] = (struct token_count){ 2, 200 };
	rig_token(rig, &token, arrived);
}

static inline void rig_done_with(struct rig *rig, unsigned d, enum device_request request, struct stream_counts counts)
{
	rig_step(rig,
		 &(struct core_event){ .kind = CORE_DEVICE_DONE, .device = d, .request = request, .counts = counts });
}

static inline void rig_done(struct rig *rig, unsigned d, enum device_request request)
{
	rig_done_with(rig, d, request, rig_counts());
}

static inline void rig_device_fails(struct rig *rig, unsigned d, enum device_request request)
{
	rig_step(rig,
		 &(struct core_event){
			 .kind = CORE_DEVICE_DONE, .device = d, .request = request, .error = &rig_device_trouble });
}

static inline void rig_all_done(struct rig *rig, enum device_request request)
{
	for (unsigned d = 0; d < rig->core.devices; d++)
		rig_done(rig, d, request);
}

static inline void rig_tick_after(struct rig *rig, uint64_t ms)
{
	rig->now += ms * NS_PER_MS;
	rig_event(rig, CORE_TICK, NULL);
}

/* How many actions of the last step are of @kind. */
static inline unsigned rig_count(const struct rig *rig, enum core_action_kind kind)
{
	unsigned count = 0;

	for (unsigned i = 0; i < rig->actions.count; i++)
		count += rig->actions.action[i].kind == kind;
	return count;
}

static inline unsigned rig_sent(const struct rig *rig, enum message_type message)
{
	unsigned count = 0;

	for (unsigned i = 0; i < rig->actions.count; i++)
		count += rig->actions.action[i].kind == ACTION_SEND && rig->actions.action[i].message == message;
	return count;
}

/* Of how many devices did the last step ask @request? */
static inline unsigned rig_asked(const struct rig *rig, enum device_request request)
{
	unsigned count = 0;

	for (unsigned i = 0; i < rig->actions.count; i++)
		count += rig->actions.action[i].kind == ACTION_DEVICE && rig->actions.action[i].request == request;
	return count;
}

static inline void rig_assert_phase(const struct rig *rig, enum core_phase phase)
{
	cr_assert_eq(rig->core.phase, phase, "in %s: %s", core_phase_name(&rig->core), rig->core.outcome.text);
}

/* @p2p and @gated: a bit per device. A gated rig has a VMM; one without a gate has none. */
static inline void rig_start(struct rig *rig, enum vfiomig_role role, unsigned devices, uint64_t p2p, uint64_t gated)
{
	struct core_config config = { .role = role, .peer_timeout_ns = NS_PER_S, .no_platform = gated == RIG_NONE };

	memset(rig, 0, sizeof(*rig));
	rig->now = 50 * NS_PER_S;
	core_init(&rig->core, &config, rig->now);
	core_set_devices(&rig->core, devices);
	for (unsigned d = 0; d < devices; d++) {
		rig->core.device[d].p2p = p2p >> d & 1;
		rig->core.device[d].gated = gated >> d & 1;
	}
	rig_event(rig, CORE_START, NULL);
}

/* Source: to PRECOPY, those of its devices that go through it being at it. */
static inline void rig_to_precopy(struct rig *rig)
{
	rig_fact(rig, FACT_CONTROL_UP);
	rig_fact(rig, FACT_PROBED);
	rig_message(rig, MESSAGE_AGREED);
	rig_fact(rig, FACT_FABRIC_OPEN);
	rig_message(rig, MESSAGE_READY);
	rig_fact(rig, FACT_LANES_UP);
	rig_message(rig, MESSAGE_LANES_READY);
	rig_fact(rig, FACT_MEASURED);
	rig_assert_phase(rig, PHASE_PRECOPY);
}

/* Source: to SWITCHOVER, its first devices being asked to quiesce. */
static inline void rig_to_switchover(struct rig *rig)
{
	rig_to_precopy(rig);
	rig_fact(rig, FACT_SWITCHOVER_DUE);
	for (unsigned d = 0; d < rig->core.devices; d++)
		if (rig->core.device[d].precopy)
			rig_done(rig, d, REQUEST_PRECOPY);
	cr_assert(rig->core.phase == PHASE_SWITCHOVER || rig->core.phase == PHASE_STREAM);
}

/* Either side: to STREAM, the source's devices in STOP_COPY and being read, the destination's being loaded. */
static inline void rig_to_stream(struct rig *rig)
{
	if (rig->core.role == VFIOMIG_SOURCE) {
		rig_to_switchover(rig);
		for (unsigned d = 0; d < rig->core.devices; d++)
			if (rig->core.device[d].p2p)
				rig_done(rig, d, REQUEST_QUIESCE);
		rig_all_done(rig, REQUEST_STOP_COPY);
	} else {
		rig_fact(rig, FACT_CONTROL_UP);
		rig_fact(rig, FACT_PROBED);
		rig_message(rig, MESSAGE_OFFER);
		rig_all_done(rig, REQUEST_CHECK);
		rig_fact(rig, FACT_FABRIC_OPEN);
		rig_all_done(rig, REQUEST_RESUMING);
		rig_fact(rig, FACT_LANES_UP);
	}
	rig_assert_phase(rig, PHASE_STREAM);
}

/* Source: to COMMIT, which is out; destination: to HOLD, where it awaits it. */
static inline void rig_to_commit(struct rig *rig)
{
	rig_to_stream(rig);
	if (rig->core.role == VFIOMIG_SOURCE) {
		rig_all_done(rig, REQUEST_READ);
		rig_fact(rig, FACT_ITERABLES_DONE);
		rig_all_done(rig, REQUEST_STOP);
		rig_message(rig, MESSAGE_PREPARED);
		rig_fact(rig, FACT_COMMITTED);
		rig_assert_phase(rig, PHASE_COMMIT);
		return;
	}
	rig_message(rig, MESSAGE_SWITCHOVER);
	rig_all_done(rig, REQUEST_LOAD);
	for (unsigned d = 0; d < rig->core.devices; d++)
		rig_stream_end(rig, d, rig_counts());
	if (!(rig->core.facts & FACT_PLATFORM_READY)) {
		rig_fact(rig, FACT_PLATFORM_READY);
		rig_good_token(rig);
	}
	rig_all_done(rig, REQUEST_CONFIG);
	rig_all_done(rig, REQUEST_FINISH);
	rig_fact(rig, FACT_RELEASED);
	rig_fact(rig, FACT_PREPARED);
	rig_assert_phase(rig, PHASE_HOLD);
}

/* The way back to its end: what is busy comes back, the lanes are fenced, the devices are put back. */
static inline void rig_roll_back(struct rig *rig)
{
	enum device_request back = rig->core.role == VFIOMIG_SOURCE ? REQUEST_RESUME : REQUEST_RESET;

	rig_assert_phase(rig, PHASE_ROLLBACK);
	for (unsigned d = 0; d < rig->core.devices; d++)
		if (rig->core.device[d].busy)
			rig_device_fails(rig, d, rig->core.device[d].busy);
	rig_fact(rig, FACT_FABRIC_DOWN);
	for (unsigned d = 0; d < rig->core.devices; d++)
		if (rig->core.device[d].busy == back)
			rig_done(rig, d, back);
	rig_assert_phase(rig, PHASE_FAILED);
}

#endif
