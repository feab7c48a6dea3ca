/* SPDX-License-Identifier: MIT */
/* What the caller does with a session that runs: wait, dispatch, look, cancel. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/sized.h"
#include "session/session_seal.h"

#include <vfiomig/vfiomig.h>

const char *vfiomig_version(void)
{
	return VFIOMIG_VERSION;
}

int vfiomig_session_fd(const struct vfiomig_session *session)
{
	return session->notify_fd;
}

int vfiomig_session_cancel(struct vfiomig_session *session)
{
	/* Before the control thread hears of it: who is told 0 may pass it on, and then no commit of this side's must come. */
	bool decided = session_decide(session, DECISION_CANCEL);

	session_signal(session->cancel_fd); /* nothing but write(2): a signal handler may do this */
	return atomic_load(&session->committed) || !decided ? -EALREADY : 0;
}

void vfiomig_session_iterables_done(struct vfiomig_session *session)
{
	if (!atomic_exchange(&session->iterables_told, true))
		session_post_fact(session, FACT_ITERABLES_DONE);
}

void vfiomig_session_platform_ready(struct vfiomig_session *session)
{
	if (!atomic_exchange(&session->platform_told, true))
		session_post_fact(session, FACT_PLATFORM_READY);
}

/* One line out of the ring, copied so that the callback runs without a lock. */
static bool take_line(struct vfiomig_session *session, struct session_log *line)
{
	bool any;

	pthread_mutex_lock(&session->snapshot_lock);
	any = session->log_count > 0 || session->log_lost > 0;
	if (session->log_count > 0) {
		*line = session->log[session->log_head];
		session->log_head = (session->log_head + 1) % LOG_LINES_MAX;
		session->log_count--;
	} else if (any) {
		line->level = VFIOMIG_LOG_WARNING;
		snprintf(line->text, sizeof(line->text), "%u more log lines came faster than they were dispatched",
			 session->log_lost);
		session->log_lost = 0;
	}
	pthread_mutex_unlock(&session->snapshot_lock);
	return any;
}

int vfiomig_session_dispatch(struct vfiomig_session *session)
{
	struct session_log line;
	struct vfiomig_event event;
	bool ended, prepared;

	session_drain(session->notify_fd);
	/* First: what led to either has been noted by now, so it is told below and before. What comes later is for the next call. */
	pthread_mutex_lock(&session->snapshot_lock);
	ended = session->ended;
	pthread_mutex_unlock(&session->snapshot_lock);
	prepared = session_take_prepared(session);
	while (session_take_told(session, &event))
		session->options.event(session->options.context, &event);
	while (take_line(session, &line))
		session->options.log(session->options.context, line.level, line.text);
	session_tell_phases(session);
	if (prepared && session->options.prepared)
		session->options.prepared(session->options.context);
	if (atomic_exchange(&session->progress_due, false) && session->options.progress)
		session->options.progress(session->options.context);
	return ended;
}

int vfiomig_session_result(struct vfiomig_session *session, struct vfiomig_result *result)
{
	int rc = -EBUSY;

	pthread_mutex_lock(&session->snapshot_lock);
	if (session->ended) {
		core_result(&session->core, result);
		rc = 0;
	}
	pthread_mutex_unlock(&session->snapshot_lock);
	return rc;
}

/* It could not even be started: nothing was touched on either side. But one that was started before, by @other, may be anywhere. */
static void never_started(const struct vfiomig_session *session, bool other, struct vfiomig_result *result)
{
	bool source = session->role == VFIOMIG_SOURCE;

	snprintf(result->source_state, sizeof(result->source_state), "%s", source && !other ? "running" : "unknown");
	snprintf(result->destination_state, sizeof(result->destination_state), "%s", other ? "unknown" : "untouched");
}

enum vfiomig_code vfiomig_session_run(struct vfiomig_session *session, struct vfiomig_result *result)
{
	struct pollfd fd = { session->notify_fd, POLLIN, 0 };
	bool other = session->started;

	*result = (struct vfiomig_result){ 0 };
	if (vfiomig_session_start(session, &result->error)) {
		never_started(session, other, result);
		return result->error.code;
	}
	while (!vfiomig_session_dispatch(session))
		poll(&fd, 1, -1);
	vfiomig_session_result(session, result);
	return result->error.code;
}

static void stats_of_flow(struct vfiomig_session *session, struct vfiomig_stats *stats)
{
	const struct flow *flow = &session->flow;

	pthread_mutex_lock(&session->flow_lock);
	for (unsigned l = 0; l < flow->lanes; l++)
		stats->lane[l] = (struct vfiomig_lane_stats){ flow->lane[l].packets, flow->lane[l].bytes };
	for (unsigned l = 0; l < flow->lanes; l++)
		stats->packets_resent += flow->lane[l].resent;
	for (unsigned d = 0; d < flow->devices; d++) {
		struct session_device *device = session_device_of(session, d);
		struct vfiomig_device_stats *out = &stats->device[device - session->device];

		out->packets = session->record ? atomic_load(&device->recorded_packets) : flow->device[d].packets;
		out->bytes = session->record ? atomic_load(&device->loaded_bytes) : flow->device[d].bytes;
		stats->bytes += out->bytes;
	}
	pthread_mutex_unlock(&session->flow_lock);
}

static const char *transport_name(const struct vfiomig_session *session)
{
	if (session->record)
		return "file";
	return session->plan.transport == VFIOMIG_TRANSPORT_RDMA ? "rdma" : "tcp";
}

static void stats_of_devices(struct vfiomig_session *session, struct vfiomig_stats *stats)
{
	for (unsigned d = 0; d < session->devices; d++) {
		struct session_device *device = &session->device[d];

		stats->device[d].state = (enum vfiomig_state)atomic_load(&device->state);
		stats->device_node[d] = session_thread_node(device);
		stats->device[d].expected_bytes = device->device->info.expected_bytes;
		stats->device[d].slot_wait_us = atomic_load(&device->wait_ns) / NS_PER_US;
	}
}

/* Core and plan, under the lock with which they are changed. True: arena and flow stand, and may be looked at. */
static bool stats_of_core(struct vfiomig_session *session, struct vfiomig_stats *stats)
{
	const struct core *core = &session->core;
	const struct plan *plan = &session->plan;
	bool agreed, open;

	pthread_mutex_lock(&session->snapshot_lock);
	agreed = core->facts & (FACT_AGREED | FACT_OFFER);
	open = core->facts & FACT_FABRIC_OPEN;
	snprintf(stats->phase, sizeof(stats->phase), "%s", session->started ? core_phase_name(core) : "CONNECT");
	if (core->stop_ns && core->done_ns)
		stats->downtime_us = (core->done_ns - core->stop_ns) / NS_PER_US;
	for (unsigned d = 0; agreed && d < core->devices; d++) {
		struct session_device *device = session_device_of(session, d);

		stats->device[device - session->device].gate = core->device[d].gated;
		stats->device[device - session->device].order = core->device[d].order;
		stats->device[device - session->device].precopy_bytes = core->device[d].precopied.bytes;
		stats->gate |= core->device[d].gated;
	}
	stats->switchover_ready = session->switchover_ready;
	for (unsigned d = 0; d < session->devices; d++)
		stats->pending[d] = session->device[d].precopy.pending;
	for (unsigned l = 0; l < core->lanes; l++)
		stats->lanes_lost += core->lane[l].state != CORE_LANE_LIVE;
	if (agreed && plan->lanes) {
		stats->lanes = plan->lanes;
		stats->slots = plan->slots;
		stats->slot_bytes = plan->slot_bytes;
		stats->transport = transport_name(session);
		stats->integrity = plan->integrity == VFIOMIG_INTEGRITY_NONE ? "none" : "crc32c";
		stats->payload = "clear";
		if (session_is_sealed(session))
			stats->payload = stats->integrity = "aead";
		memcpy(stats->transport_reason, plan->reason, sizeof(stats->transport_reason));
		stats->rails = session_tell_rails(session, stats->rail);
	}
	pthread_mutex_unlock(&session->snapshot_lock);
	return open;
}

static void take_stats(struct vfiomig_session *session, struct vfiomig_stats *stats)
{
	uint64_t first, last;

	*stats = (struct vfiomig_stats){ .size = sizeof(*stats),
					 .devices = session->devices,
					 .transport = "",
					 .loader = "",
					 .integrity = "",
					 .payload = "",
					 .slots_node = -1,
					 .card_node = -1 };
	stats->refused = atomic_load(&session->refused);
	if (stats_of_core(session, stats)) {
		stats->arena_bytes = session->arena.bytes;
		stats->slots_node = session_slots_node(session);
		stats->card_node = session->limits.numa_node;
		stats->private_bytes = session->private.bytes;
		stats_of_flow(session, stats);
	}
	stats_of_devices(session, stats);
	first = atomic_load(&session->first_packet_ns);
	last = atomic_load(&session->last_packet_ns);
	stats->elapsed_us = last > first ? (last - first) / NS_PER_US : 0;
	if (atomic_load(&session->loader_used))
		stats->loader = atomic_load(&session->loader_used);
}

int vfiomig_session_stats(struct vfiomig_session *session, struct vfiomig_stats *stats)
{
	struct vfiomig_stats own;

	if (!sized_valid(stats->size, sizeof(own)))
		return -EINVAL;
	take_stats(session, &own);
	sized_give(stats, &own, sizeof(own));
	return 0;
}
