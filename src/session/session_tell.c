/* SPDX-License-Identifier: MIT */
/*
 * Events for the caller: what core did in a step, read off its facts, so that core knows nothing of who listens. The ring never runs
 * over: all but the estimates are bounded by phases and lanes, and estimates leave room for those.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/core_table.h"
#include "session/session.h"

/* Phases once, lanes lost and replaced, and the few others. */
enum { TOLD_OTHERS = PHASE_COUNT + 2 * VFIOMIG_LANES_MAX + 8 };

_Static_assert((int)TOLD_OTHERS < (int)TOLD_MAX, "what must be told fits in whatever number of estimates is waiting");

const char *vfiomig_event_name(enum vfiomig_event_kind kind)
{
	switch (kind) {
	case VFIOMIG_EVENT_PHASE:
		return "phase";
	case VFIOMIG_EVENT_ESTIMATE:
		return "estimate";
	case VFIOMIG_EVENT_SWITCHOVER:
		return "switchover";
	case VFIOMIG_EVENT_PREPARED:
		return "prepared";
	case VFIOMIG_EVENT_COMMIT:
		return "commit";
	case VFIOMIG_EVENT_LANE_LOST:
		return "lane-lost";
	case VFIOMIG_EVENT_LANE_REPLACED:
		return "lane-replaced";
	case VFIOMIG_EVENT_SWITCHOVER_READY:
		return "switchover-ready";
	}
	return "unknown";
}

static uint64_t wall_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void name_phase(const struct vfiomig_session *session, struct vfiomig_event *event, enum core_phase phase)
{
	snprintf(event->phase, sizeof(event->phase), "%s", session->core.phases[phase].name);
}

static void tell(struct vfiomig_session *session, struct vfiomig_event *event)
{
	unsigned room = event->kind == VFIOMIG_EVENT_ESTIMATE ? TOLD_MAX - TOLD_OTHERS : TOLD_MAX;

	if (!session->told)
		return;
	event->monotonic_us = clock_now_ns() / NS_PER_US;
	event->wall_us = wall_us();
	memcpy(event->session, session->id, sizeof(event->session));
	if (!event->phase[0])
		name_phase(session, event, session->core.phase);
	if (session->told_count >= room)
		return;
	session->told[(session->told_head + session->told_count++) % TOLD_MAX] = *event;
	session->wake_caller = true;
}

void session_tell(struct vfiomig_session *session, struct vfiomig_event *event)
{
	pthread_mutex_lock(&session->snapshot_lock);
	tell(session, event);
	pthread_mutex_unlock(&session->snapshot_lock);
}

bool session_take_told(struct vfiomig_session *session, struct vfiomig_event *event)
{
	bool any;

	if (!session->told)
		return false;
	pthread_mutex_lock(&session->snapshot_lock);
	any = session->told_count > 0;
	if (any) {
		*event = session->told[session->told_head];
		session->told_head = (session->told_head + 1) % TOLD_MAX;
		session->told_count--;
	}
	pthread_mutex_unlock(&session->snapshot_lock);
	return any;
}

struct session_witness session_witness(const struct vfiomig_session *session)
{
	const struct core *core = &session->core;
	struct session_witness witness = { .phase = core->phase, .facts = core->facts, .stopped = core->stop_ns };

	for (unsigned l = 0; l < core->lanes; l++)
		if (core->lane[l].state != CORE_LANE_LIVE)
			witness.lanes_lost |= UINT64_C(1) << l;
	return witness;
}

/* What opened a phase happened in the one before it. */
static void tell_kind(struct vfiomig_session *session, const struct session_witness *before,
		      enum vfiomig_event_kind kind)
{
	struct vfiomig_event event = { .kind = kind };

	name_phase(session, &event, before->phase);
	tell(session, &event);
}

static void tell_phases(struct vfiomig_session *session, uint32_t entered)
{
	for (unsigned phase = 0; phase < PHASE_COUNT; phase++) {
		struct vfiomig_event event = { .kind = VFIOMIG_EVENT_PHASE };

		if (!(entered & UINT32_C(1) << phase))
			continue;
		name_phase(session, &event, (enum core_phase)phase);
		tell(session, &event);
	}
}

static void tell_lanes(struct vfiomig_session *session, uint64_t lost, const struct core_event *cause)
{
	for (unsigned l = 0; l < VFIOMIG_LANES_MAX; l++) {
		struct vfiomig_event event = { .kind = VFIOMIG_EVENT_LANE_LOST, .lane = l };

		if (!(lost & UINT64_C(1) << l))
			continue;
		if (cause->error)
			snprintf(event.text, sizeof(event.text), "%s", cause->error->text);
		tell(session, &event);
	}
}

static bool began(const struct core_actions *actions, enum core_phase phase)
{
	return actions->entered & UINT32_C(1) << phase;
}

void session_tell_step(struct vfiomig_session *session, const struct session_witness *before,
		       const struct core_event *event, const struct core_actions *actions)
{
	struct session_witness after = session_witness(session);
	uint32_t facts = after.facts & ~before->facts;
	bool source = session->role == VFIOMIG_SOURCE;

	tell_lanes(session, after.lanes_lost & ~before->lanes_lost, event);
	if ((after.stopped && !before->stopped) || (facts & FACT_SWITCHOVER && !source))
		tell_kind(session, before, VFIOMIG_EVENT_SWITCHOVER);
	if (source ? facts & FACT_PREPARED : began(actions, PHASE_HOLD))
		tell_kind(session, before, VFIOMIG_EVENT_PREPARED);
	if (began(actions, PHASE_COMMIT))
		tell_kind(session, before, VFIOMIG_EVENT_COMMIT);
	tell_phases(session, actions->entered);
}
