/* SPDX-License-Identifier: MIT */
/*
 * Lanes that die while others live. Both sides fence the lane, the source first asks and the destination then says what it saw, and
 * only then is anything sent again: this order is what keeps two lanes from writing the same slot. A lane that cannot be replaced
 * (the last one, one that broke the rules, one in a phase in which lanes carry nothing yet) ends the session, but not at once.
 */
#include <errno.h>

#include "base/clock.h"
#include "base/error.h"
#include "core/core_table.h"

/* A peer that is silent is given up after one time-out; this is for one that lives and is busy, or does not fence. */
enum { FENCE_TIMEOUTS = 5 };

/* Packets are under way, and may be sent again. */
static bool lanes_carry(const struct core *core)
{
	if (core->role == VFIOMIG_DESTINATION)
		return core->phase == PHASE_STREAM;
	return core->phase >= PHASE_PRECOPY && core->phase <= PHASE_DRAIN;
}

/* All that lanes had to bring is there. */
static bool lanes_past(const struct core *core)
{
	return core->phase > (core->role == VFIOMIG_SOURCE ? PHASE_DRAIN : PHASE_STREAM);
}

static unsigned living(const struct core *core)
{
	unsigned count = 0;

	for (unsigned l = 0; l < core->lanes; l++)
		count += core->lane[l].state == CORE_LANE_LIVE;
	return count;
}

/* A lane that brought what it must not would do so again on the next one. */
static bool is_accident(const struct vfiomig_error *error)
{
	return error->code == VFIOMIG_FABRIC || error->code == VFIOMIG_TIMEOUT;
}

/* All lanes lie on one device of ours: there is none to take this one's packets. */
static bool device_gone(const struct vfiomig_error *error)
{
	return error->errnum == ENODEV;
}

/*
 * A peer that gives up says so over control and then fences its lanes, and the two are not ordered: wait a moment for the
 * cause before taking the lane's own end for it (core_watch.c).
 */
static void lose_session(struct core *core, const struct vfiomig_error *error, uint64_t now)
{
	if (core->lane_lost_ns || lanes_past(core))
		return;
	core->lane_lost_ns = now;
	core->lane_lost = *error;
}

static void begin_fence(struct core *core, unsigned lane, uint64_t now, struct core_actions *actions)
{
	core->lane[lane].state = CORE_LANE_FENCING;
	core->lane[lane].since_ns = now;
	core_emit(actions, ACTION_FENCE_LANE)->lane = lane;
}

void core_lane_lost(struct core *core, unsigned lane, const struct vfiomig_error *error, uint64_t now,
		    struct core_actions *actions)
{
	if (lanes_past(core))
		return;
	if (lane >= core->lanes || !lanes_carry(core) || !is_accident(error) || device_gone(error)) {
		lose_session(core, error, now);
		return;
	}
	if (core->lane[lane].state != CORE_LANE_LIVE)
		return;
	if (living(core) > 1) {
		begin_fence(core, lane, now, actions);
		return;
	}
	core->lane[lane].state = CORE_LANE_LAST;
	lose_session(core, error, now);
}

static void send_of_lane(struct core_actions *actions, enum message_type message, unsigned lane, unsigned device)
{
	struct core_action *action = core_emit(actions, ACTION_SEND);

	action->message = message;
	action->lane = lane;
	action->device = device;
}

static void send_reports(struct core *core, unsigned lane, struct core_actions *actions)
{
	core->lane[lane].state = CORE_LANE_OVER;
	for (unsigned d = 0; d < core->devices; d++)
		send_of_lane(actions, MESSAGE_FENCED, lane, d);
}

void core_lane_fenced(struct core *core, unsigned l, uint64_t now, struct core_actions *actions)
{
	struct core_lane *lane = &core->lane[l];
	bool source = core->role == VFIOMIG_SOURCE;

	if (core->phase >= PHASE_DONE || lane->state != CORE_LANE_FENCING)
		return;
	if (lane->wanted) {
		send_reports(core, l, actions);
		return;
	}
	lane->state = CORE_LANE_AGREEING;
	lane->since_ns = now;
	if (lanes_carry(core))
		send_of_lane(actions, source ? MESSAGE_FENCE : MESSAGE_LANE_LOST, l, 0);
}

/* The source asks, at the latest when the destination is prepared already: then it has all, and says so. */
static bool take_fence(struct core *core, unsigned l, uint64_t now, struct core_actions *actions)
{
	static const struct vfiomig_error lost = { .code = VFIOMIG_FABRIC,
						   .errnum = EPIPE,
						   .name = "lane-lost",
						   .text = "the source has lost the last lane" };
	struct core_lane *lane = &core->lane[l];

	if (core->role != VFIOMIG_DESTINATION || core->phase < PHASE_STREAM || core->phase > PHASE_HOLD ||
	    l >= core->lanes || lane->wanted)
		return false;
	lane->wanted = true;
	if (lane->state == CORE_LANE_LIVE || lane->state == CORE_LANE_LAST)
		begin_fence(core, l, now, actions);
	else if (lane->state != CORE_LANE_FENCING)
		send_reports(core, l, actions);
	if (living(core) == 0)
		lose_session(core, &lost, now);
	return true;
}

static bool take_fenced(struct core *core, const struct core_event *event, struct core_actions *actions)
{
	struct core_lane *lane = &core->lane[event->lane];

	if (core->role != VFIOMIG_SOURCE || event->lane >= core->lanes || lane->state != CORE_LANE_AGREEING ||
	    event->device != lane->reports)
		return false;
	if (++lane->reports == core->devices)
		lane->state = CORE_LANE_OVER;
	if (lanes_carry(core)) {
		struct core_action *action = core_emit(actions, ACTION_RESEND);

		action->lane = event->lane;
		action->device = event->device;
	}
	return true;
}

static bool take_lost(struct core *core, unsigned lane, uint64_t now, struct core_actions *actions)
{
	struct vfiomig_error lost = { 0 };

	if (core->role != VFIOMIG_SOURCE || core->phase < PHASE_LANES || lane >= core->lanes)
		return false;
	error_set(&lost, VFIOMIG_FABRIC, EPIPE, "lane-lost", "the destination has lost lane %u", lane);
	core_lane_lost(core, lane, &lost, now, actions);
	return true;
}

void core_lane_message(struct core *core, const struct core_event *event, uint64_t now, struct core_actions *actions)
{
	bool fits = event->message == MESSAGE_FENCE    ? take_fence(core, event->lane, now, actions)
		    : event->message == MESSAGE_FENCED ? take_fenced(core, event, actions)
						       : take_lost(core, event->lane, now, actions);

	if (!fits)
		core_out_of_phase(core, event->message, now, actions);
}

void core_lanes_watch(struct core *core, uint64_t now, struct core_actions *actions)
{
	uint64_t patience_ns = FENCE_TIMEOUTS * core->peer_timeout_ns;
	struct vfiomig_error err = { 0 };

	for (unsigned l = 0; lanes_carry(core) && l < core->lanes; l++) {
		if (core->lane[l].state != CORE_LANE_AGREEING || now - core->lane[l].since_ns < patience_ns)
			continue;
		error_set(&err, VFIOMIG_TIMEOUT, ETIMEDOUT, "lane-fence-timeout",
			  "lane %u was lost, and the %s has not said within %llu ms that it is fenced there", l,
			  core_peer_name(core), (unsigned long long)(patience_ns / NS_PER_MS));
		core_fail(core, &err, now, actions);
	}
}
