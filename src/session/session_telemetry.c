/* SPDX-License-Identifier: MIT */
/*
 * The messages that decide nothing: the source asks for the destination's clock and rates before the switchover and for its clock
 * again after DONE, when the destination tells its spans as well. Control thread.
 */
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "session/session.h"
#include "wire/telemetry.h"

enum {
	SERIES = 8,	       /* round trips: the fastest of them counts */
	MEASURE_EVERY_MS = 50, /* while PRE_COPY goes on */
};

static void ask(struct vfiomig_session *session)
{
	struct telemetry_measure measure = { .sent_ns = clock_now_ns(), .offset_ns = session->clocks_before.offset_ns };

	session->measure_ns = measure.sent_ns;
	if (session->conn)
		control_send(session->conn, MESSAGE_MEASURE, session->frame,
			     telemetry_encode_measure(session->frame, &measure));
}

void session_measure(struct vfiomig_session *session)
{
	session->measures_left = SERIES;
	ask(session);
}

void session_measure_again(struct vfiomig_session *session)
{
	if (!session->measures_left && clock_now_ns() - session->measure_ns >= MEASURE_EVERY_MS * NS_PER_MS)
		ask(session);
}

/* Where what was heard goes: the clock before the switchover, or after DONE. */
static void take_measured(struct vfiomig_session *session)
{
	uint64_t now = clock_now_ns();
	bool after = session->core.facts & FACT_DONE;

	clocks_take(after ? &session->clocks_after : &session->clocks_before, session->measured.sent_ns,
		    session->measured.clock_ns, now);
	if (!session->measures_left)
		return;
	if (--session->measures_left > 0)
		ask(session);
	else if (!after)
		session_step(session, &(struct core_event){ .kind = CORE_FACT, .fact = FACT_MEASURED });
}

static void answer(struct vfiomig_session *session, const struct telemetry_measure *measure)
{
	struct telemetry_measured measured = { .sent_ns = measure->sent_ns,
					       .devices = (uint16_t)session->plan.devices };

	atomic_store(&session->peer_offset_ns, measure->offset_ns);
	pthread_mutex_lock(&session->poll_lock);
	if (session->trial_end_ns > session->trial_begin_ns) {
		measured.trial_bytes = (uint64_t)session_trial_bytes(session) * session->plan.lanes;
		measured.trial_ns = session->trial_end_ns - session->trial_begin_ns;
	}
	pthread_mutex_unlock(&session->poll_lock);
	for (unsigned d = 0; d < session->plan.devices; d++) {
		struct session_device *device = session_device_of(session, d);
		const struct budget_call *resuming = &device->call[REQUEST_RESUMING];

		measured.rate[d] = (struct telemetry_rate){ .bytes = atomic_load(&device->loaded_bytes),
							    .load_ns = atomic_load(&device->load_ns),
							    .wire_ns = atomic_load(&device->wire_ns),
							    .resuming_ns = resuming->end_ns - resuming->begin_ns };
	}
	measured.clock_ns = clock_now_ns();
	control_send(session->conn, MESSAGE_MEASURED, session->frame,
		     telemetry_encode_measured(session->frame, &measured));
}

static void receive_measured(struct vfiomig_session *session, const struct control_frame *frame)
{
	struct telemetry_measured measured;

	if (telemetry_decode_measured(&measured, frame->body, frame->bytes) || measured.devices != session->devices) {
		session_refuse(session, frame->type, "cannot be read");
		return;
	}
	session->measured = measured;
	take_measured(session);
}

static void receive_spans(struct vfiomig_session *session, const struct control_frame *frame)
{
	struct telemetry_spans spans;

	if (telemetry_decode_spans(&spans, frame->body, frame->bytes) || spans.number != session->spans_here ||
	    spans.number >= session->devices) {
		session_refuse(session, frame->type, "cannot be read");
		return;
	}
	pthread_mutex_lock(&session->snapshot_lock);
	session->device[spans.number].spans = spans;
	session->spans_here++;
	pthread_mutex_unlock(&session->snapshot_lock);
}

/* What the peer may ask or tell now; anything else is for core to refuse, by its name. */
bool session_receive_telemetry(struct vfiomig_session *session, const struct control_frame *frame)
{
	bool source = session->role == VFIOMIG_SOURCE;
	struct telemetry_measure measure;

	if (frame->type == MESSAGE_MEASURE && !source && session->core.facts & FACT_LANES_UP) {
		if (telemetry_decode_measure(&measure, frame->body, frame->bytes))
			session_refuse(session, frame->type, "cannot be read");
		else
			answer(session, &measure);
		return true;
	}
	if (frame->type == MESSAGE_MEASURED && source && session->measure_ns) {
		receive_measured(session, frame);
		return true;
	}
	if (frame->type == MESSAGE_SPANS && source && session->core.facts & FACT_DONE) {
		receive_spans(session, frame);
		return true;
	}
	return false;
}

void session_send_spans(struct vfiomig_session *session)
{
	for (unsigned d = 0; d < session->plan.devices && session->conn; d++) {
		struct telemetry_spans spans;

		session_spans_of(session_device_of(session, d), &spans);
		control_send(session->conn, MESSAGE_SPANS, session->frame,
			     telemetry_encode_spans(session->frame, &spans));
	}
}

bool session_telemetry_over(const struct vfiomig_session *session)
{
	if (session->role != VFIOMIG_SOURCE || !(session->core.facts & FACT_DONE))
		return true;
	return session->spans_here == session->devices && !session->measures_left;
}
