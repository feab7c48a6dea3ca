/* SPDX-License-Identifier: MIT */
/*
 * When the source's devices are stopped: once the destination has loaded the initial bytes of every device that gives any (its
 * credit says so), PRE_COPY has nothing more to gain, and the estimate is within the limit. Control thread.
 */
#include <errno.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/sized.h"
#include "core/estimate.h"
#include "session/session.h"

enum {
	GAIN_MS = 1000,	    /* PRE_COPY that has made no headway for so long will make none */
	PATIENCE_MS = 5000, /* how long an estimate beyond the limit may take to come down, and fresh rates to come */
};

/* A copy, so that the device's thread need not wait. */
static struct session_precopy look(struct vfiomig_session *session, unsigned d)
{
	struct session_precopy view;

	pthread_mutex_lock(&session->snapshot_lock);
	view = session->device[d].precopy;
	pthread_mutex_unlock(&session->snapshot_lock);
	return view;
}

static uint64_t credit_of(struct vfiomig_session *session, unsigned d)
{
	uint64_t credit;

	pthread_mutex_lock(&session->flow_lock);
	credit = session->flow.device[d].credit;
	pthread_mutex_unlock(&session->flow_lock);
	return credit;
}

static void gather(struct vfiomig_session *session, struct estimate_facts *facts)
{
	const struct telemetry_measured *measured = &session->measured;

	*facts = (struct estimate_facts){ .devices = session->devices,
					  .serial = session->options.flags & VFIOMIG_SERIAL_STATES,
					  .trial_bytes = measured->trial_bytes,
					  .trial_ns = measured->trial_ns,
					  .rtt_ns = 2 * session->clocks_before.error_ns,
					  .slot_bytes = session->plan.slot_bytes };
	for (unsigned d = 0; d < session->devices; d++) {
		const struct vfiomig_device_info *info = &session->device[d].device->info;
		const struct session_precopy view = look(session, d);
		const struct telemetry_rate *rate = &measured->rate[d];

		facts->device[d] = (struct estimate_device){ .p2p = session->core.device[d].p2p,
							     .stop_bytes = info->expected_bytes,
							     .config = info->config_bytes > 0,
							     .read_bytes = view.bytes,
							     .read_ns = view.read_ns,
							     .load_bytes = rate->bytes,
							     .load_ns = rate->load_ns,
							     .wire_ns = rate->wire_ns,
							     .precopy_ns = view.arc_ns,
							     .resuming_ns = rate->resuming_ns };
		if (view.pending.stop_copy_known)
			facts->device[d].stop_bytes = view.pending.stop_copy_bytes;
	}
}

static struct vfiomig_estimate reckon(struct vfiomig_session *session)
{
	struct vfiomig_estimate estimate = { .size = sizeof(estimate) };
	struct estimate_facts facts;

	gather(session, &facts);
	estimate_make(&facts, &estimate);
	if (session->record)
		return estimate; /* nobody loads it, so nobody can be told how long that would take */
	pthread_mutex_lock(&session->snapshot_lock);
	session->estimate = estimate;
	pthread_mutex_unlock(&session->snapshot_lock);
	return estimate;
}

/* Is what all devices still have to give less than ever, by a part that is worth it, within the last GAIN_MS? */
static bool gains(struct vfiomig_session *session, uint64_t left_bytes, uint64_t now)
{
	if (!session->least_ns || left_bytes < session->least_bytes - session->least_bytes / 16) {
		session->least_bytes = left_bytes;
		session->least_ns = now;
	}
	return now - session->least_ns < GAIN_MS * NS_PER_MS;
}

/*
 * Initial bytes take as long as they take: how slowly they come is no reason to load them in the downtime. But a device that says
 * that it has some, and does not give them, must not hold the others for ever.
 */
static bool initial_through(struct vfiomig_session *session, unsigned d, const struct session_precopy *view,
			    uint64_t now)
{
	if (view->initial_read)
		return session->record || credit_of(session, d) >= view->initial_packets;
	return view->stuck_ns && now >= view->stuck_ns + GAIN_MS * NS_PER_MS;
}

/* Has the destination loaded all initial bytes? Whoever stops a VM for the switchover wants to know before. */
static bool judge_ready(struct vfiomig_session *session, uint64_t now)
{
	struct vfiomig_event event = { .kind = VFIOMIG_EVENT_SWITCHOVER_READY };
	bool ready = true;

	for (unsigned d = 0; d < session->devices && ready; d++) {
		const struct session_precopy view = look(session, d);

		ready = !session->core.device[d].precopy || initial_through(session, d, &view, now);
	}
	pthread_mutex_lock(&session->snapshot_lock);
	session->switchover_ready = ready;
	pthread_mutex_unlock(&session->snapshot_lock);
	if (ready && !session->ready_told)
		session_tell(session, &event);
	session->ready_told |= ready;
	return ready;
}

/* Have the devices given what PRE_COPY can, or has the caller said that it is enough? */
static bool precopy_complete(struct vfiomig_session *session, uint64_t now)
{
	bool all_dry = true;
	uint64_t left_bytes = 0;

	for (unsigned d = 0; d < session->devices; d++) {
		struct session_precopy view;

		if (!session->core.device[d].precopy)
			continue;
		view = look(session, d);
		all_dry &= view.dry && view.initial_read;
		left_bytes += view.pending.initial_bytes + view.pending.dirty_bytes;
	}
	return session->options.flags & VFIOMIG_EXTERNAL_SWITCHOVER || all_dry || !gains(session, left_bytes, now);
}

static bool precopies(const struct vfiomig_session *session)
{
	for (unsigned d = 0; d < session->devices; d++)
		if (session->core.device[d].precopy)
			return true;
	return false;
}

/*
 * The estimate is judged by what the destination says of all that PRE_COPY gave, not of the part that it had seen before; but one
 * that only beats its heart, and answers nothing, must not hold the session.
 */
static bool rates_are_fresh(struct vfiomig_session *session, uint64_t now)
{
	if (session->record || !precopies(session))
		return true;
	if (!session->complete_ns) {
		session->complete_ns = now;
		session_measure(session);
	}
	return session->measured.sent_ns >= session->complete_ns ||
	       now - session->complete_ns > PATIENCE_MS * NS_PER_MS;
}

/* The first, one a second, and the one by which it is decided. */
static void tell_estimate(struct vfiomig_session *session, uint64_t expected_us, uint64_t now, bool last)
{
	struct vfiomig_event event = { .kind = VFIOMIG_EVENT_ESTIMATE, .us = expected_us };

	if (session->estimate_told_ns && now - session->estimate_told_ns < (last ? 1 : NS_PER_S))
		return;
	session->estimate_told_ns = now;
	if (!session->record)
		session_tell(session, &event);
}

static void refuse_switchover(struct vfiomig_session *session, const struct vfiomig_estimate *estimate,
			      unsigned limit_ms)
{
	const struct session_device *device = &session->device[estimate->slowest_device];
	struct vfiomig_error err = { 0 };

	error_set(&err, VFIOMIG_TIMEOUT, ETIMEDOUT, "downtime-limit",
		  "the devices would stand still for about %llu ms, and the limit is %u ms: nothing was stopped (the "
		  "longest takes '%s', %.1f MiB are left in all)",
		  (unsigned long long)(estimate->expected_us / 1000), limit_ms, device->device->spec,
		  (double)estimate->stop_copy_bytes / (1 << 20));
	session->due_told = true;
	session_step(session, &(struct core_event){ .kind = CORE_FAILED, .error = &err });
}

static unsigned downtime_limit_ms(struct vfiomig_session *session)
{
	unsigned limit_ms;

	pthread_mutex_lock(&session->snapshot_lock);
	limit_ms = session->options.downtime_limit_ms;
	pthread_mutex_unlock(&session->snapshot_lock);
	return limit_ms;
}

void session_judge_switchover(struct vfiomig_session *session)
{
	const struct vfiomig_options *options = &session->options;
	struct vfiomig_estimate estimate;
	uint64_t now = clock_now_ns();
	unsigned limit_ms;
	bool ready;

	if (session->role != VFIOMIG_SOURCE || session->core.phase != PHASE_PRECOPY || session->due_told)
		return;
	session_measure_again(session);
	estimate = reckon(session);
	tell_estimate(session, estimate.expected_us, now, false);
	ready = judge_ready(session, now);
	if (options->flags & VFIOMIG_EXTERNAL_SWITCHOVER && !atomic_load(&session->switchover_asked))
		return;
	if (!ready || !precopy_complete(session, now) || !rates_are_fresh(session, now))
		return;
	if (!session->due_since_ns)
		session->due_since_ns = now;
	limit_ms = downtime_limit_ms(session);
	if (limit_ms && !(options->flags & VFIOMIG_PROBE) && estimate.expected_us > limit_ms * 1000ULL) {
		if (!precopies(session) || now - session->due_since_ns > PATIENCE_MS * NS_PER_MS)
			refuse_switchover(session, &estimate, limit_ms);
		return;
	}
	session->due_told = true;
	tell_estimate(session, estimate.expected_us, now, true);
	session_log_line(session, VFIOMIG_LOG_INFO, "switchover: the devices will stand still for about %llu us",
			 (unsigned long long)estimate.expected_us);
	session_step(session, &(struct core_event){ .kind = CORE_FACT, .fact = FACT_SWITCHOVER_DUE });
}

void vfiomig_session_switchover(struct vfiomig_session *session)
{
	atomic_store(&session->switchover_asked, true);
}

void vfiomig_session_set_limits(struct vfiomig_session *session, uint64_t precopy_bytes_per_s_max,
				unsigned downtime_limit_ms)
{
	atomic_store(&session->precopy_bytes_per_s_max, precopy_bytes_per_s_max);
	pthread_mutex_lock(&session->snapshot_lock);
	session->options.downtime_limit_ms = downtime_limit_ms;
	session->core.downtime_limit_ns = downtime_limit_ms * NS_PER_MS;
	pthread_mutex_unlock(&session->snapshot_lock);
	for (unsigned d = 0; d < session->devices; d++)
		session_signal(session->device[d].wake_fd); /* one that keeps to the limit may be asleep for it */
}

int vfiomig_session_estimate(struct vfiomig_session *session, struct vfiomig_estimate *estimate)
{
	int rc = -EAGAIN;

	if (!sized_valid(estimate->size, sizeof(*estimate)))
		return -EINVAL;
	pthread_mutex_lock(&session->snapshot_lock);
	if (session->estimate.terms > 0) {
		sized_give(estimate, &session->estimate, sizeof(session->estimate));
		rc = 0;
	}
	pthread_mutex_unlock(&session->snapshot_lock);
	return rc;
}

void session_end_precopy(struct vfiomig_session *session)
{
	for (unsigned d = 0; d < session->devices; d++) {
		atomic_store(&session->device[d].precopy_end, true);
		session_signal(session->device[d].wake_fd);
	}
}
