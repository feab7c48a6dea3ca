/* SPDX-License-Identifier: MIT */
/* Control messages between the wire and core: bodies are encoded and taken in here, decisions are core's. */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "session/session.h"
#include "wire/telemetry.h"

static size_t encode_failure(struct vfiomig_session *session, enum message_type message)
{
	struct message_failure failure = { .error = session->core.outcome };

	if (message == MESSAGE_ABORT && failure.error.code == VFIOMIG_OK)
		error_set(&failure.error, VFIOMIG_CANCELLED, ECANCELED, "probe",
			  "it was a probe: the source wanted an estimate, and moves nothing");
	return message_encode_failure(session->frame, &failure);
}

static size_t encode_device(struct vfiomig_session *session, unsigned d)
{
	struct message_device message;

	plan_device(&session->side, d, &message);
	return message_encode_device(session->frame, &message);
}

static size_t encode_agreed(struct vfiomig_session *session)
{
	struct message_agreed agreed;

	plan_answer(&session->plan, &agreed);
	return message_encode_agreed(session->frame, &agreed);
}

static size_t encode_ready(struct vfiomig_session *session)
{
	struct fabric_memory memory = { 0 };
	struct message_ready ready;

	session->fabric->ops->describe(session->fabric, &memory);
	ready = (struct message_ready){ .base = memory.base };
	memcpy(ready.rkey, memory.rkey, sizeof(ready.rkey));
	return message_encode_ready(session->frame, &ready);
}

static size_t encode_stream_end(struct vfiomig_session *session, unsigned d)
{
	const struct stream_counts *counts = &session->core.device[d].counts;
	struct message_stream_end end = {
		.number = (uint16_t)d, .packets = counts->packets, .bytes = counts->bytes, .digest = counts->digest
	};

	return message_encode_stream_end(session->frame, &end);
}

/* In the step that sends it the first device is stopped, if it was not before. */
static size_t encode_switchover(struct vfiomig_session *session)
{
	struct telemetry_clock clock = { .offset_ns = session->clocks_before.offset_ns,
					 .error_ns = session->clocks_before.error_ns,
					 .stop_ns = session->core.stop_ns ? session->core.stop_ns : clock_now_ns() };

	return telemetry_encode_clock(session->frame, &clock);
}

static size_t encode(struct vfiomig_session *session, enum message_type message, unsigned device)
{
	switch (message) {
	case MESSAGE_OFFER:
		plan_offer(&session->side, &session->offer);
		session_offer_rails(session, &session->offer);
		return message_encode_offer(session->frame, &session->offer);
	case MESSAGE_DEVICE:
		return encode_device(session, device);
	case MESSAGE_AGREED:
		return encode_agreed(session);
	case MESSAGE_READY:
		return encode_ready(session);
	case MESSAGE_STREAM_END:
		return encode_stream_end(session, device);
	case MESSAGE_SWITCHOVER:
		return encode_switchover(session);
	case MESSAGE_DONE:
	case MESSAGE_ABORT:
		return encode_failure(session, message);
	default:
		return 0;
	}
}

void session_send_body(struct vfiomig_session *session, enum message_type message, size_t bytes)
{
	int rc = session->conn ? control_send(session->conn, (uint16_t)message, session->frame, bytes) : 0;

	/* A peer that takes no messages is as good as silent; a lost connection is told by control_poll. */
	if (rc == -ENOBUFS)
		session_log_line(session, VFIOMIG_LOG_WARNING, "the peer does not take control messages (%s)",
				 message_name(message));
}

void session_send(struct vfiomig_session *session, enum message_type message, unsigned device)
{
	if (session->record)
		session_record_hear(session, message, device);
	if (session->conn)
		session_send_body(session, message, encode(session, message, device));
}

void session_refuse(struct vfiomig_session *session, uint16_t type, const char *what)
{
	struct vfiomig_error err = { 0 };

	error_set(&err, VFIOMIG_PROTOCOL, EPROTO, "message-malformed", "%s: a %s message %s", session_side(session),
		  message_name(type), what);
	session_step(session, &(struct core_event){ .kind = CORE_FAILED, .error = &err });
}

static void step_message(struct vfiomig_session *session, enum message_type type)
{
	session_step(session, &(struct core_event){ .kind = CORE_MESSAGE, .message = type });
}

/* Authentication is easily taken for encryption. */
static void warn_of_clear_payload(struct vfiomig_session *session)
{
	if (session->credentials && session->plan.payload == VFIOMIG_PAYLOAD_CLEAR)
		session_log_line(session, VFIOMIG_LOG_WARNING,
				 "TLS protects the control connection only: the devices' state travels readable on the "
				 "lanes (payload aead seals it)");
}

static bool offer_due(const struct vfiomig_session *session)
{
	return session->role == VFIOMIG_DESTINATION && session->core.phase == PHASE_AGREE && !session->offer_judged;
}

static void receive_offer(struct vfiomig_session *session, const uint8_t *body, size_t bytes)
{
	struct vfiomig_error err = { 0 };

	if (!offer_due(session)) {
		step_message(session, MESSAGE_OFFER); /* core refuses it */
		return;
	}
	if (session->offer_here) {
		session_refuse(session, MESSAGE_OFFER, "came twice");
		return;
	}
	if (message_decode_offer(&session->offer, body, bytes)) {
		session_refuse(session, MESSAGE_OFFER, "cannot be read");
		return;
	}
	session->offer_here = true;
	if (session_take_rails(session, &err)) {
		session_step(session, &(struct core_event){ .kind = CORE_FAILED, .error = &err });
		return;
	}
	session_ask_fabric(session, FABRIC_PROBE); /* only now it is known where lanes will come */
}

static void receive_device(struct vfiomig_session *session, const uint8_t *body, size_t bytes)
{
	unsigned next = session->offer_devices_here;

	if (!offer_due(session) || !session->offer_here || next >= session->offer.devices) {
		session_refuse(session, MESSAGE_DEVICE, "came out of phase");
		return;
	}
	if (message_decode_device(&session->offer_devices[next], body, bytes) ||
	    session->offer_devices[next].number != next) {
		session_refuse(session, MESSAGE_DEVICE, "cannot be read");
		return;
	}
	session->offer_devices_here++;
	session_judge_offer(session);
}

void session_judge_offer(struct vfiomig_session *session)
{
	struct vfiomig_error err = { 0 };
	struct core *core = &session->core;
	struct plan plan;

	if (!offer_due(session) || !session->probed || !session->offer_here ||
	    session->offer_devices_here < session->offer.devices)
		return;
	session->offer_judged = true;
	if (session_journal_check(session, &err) ||
	    plan_agree(&plan, &session->side, &session->offer, session->offer_devices, &err) ||
	    session_journal_ready(session, &err)) {
		session_step(session, &(struct core_event){ .kind = CORE_FAILED, .error = &err });
		return;
	}
	pthread_mutex_lock(&session->snapshot_lock);
	session->plan = plan;
	core_set_devices(core, session->plan.devices);
	core_set_lanes(core, session->plan.lanes);
	for (unsigned d = 0; d < session->plan.devices; d++) {
		struct session_device *device = session_device_of(session, d);

		device->number = d;
		device->source_info = &session->offer_devices[d].info;
		core->device[d].gated = session->plan.gated >> d & 1;
		core->device[d].p2p = device->device->info.migration_flags & VFIOMIG_MIGRATION_P2P;
	}
	pthread_mutex_unlock(&session->snapshot_lock);
	warn_of_clear_payload(session);
	step_message(session, MESSAGE_OFFER);
}

static void receive_agreed(struct vfiomig_session *session, const uint8_t *body, size_t bytes)
{
	struct vfiomig_error err = { 0 };
	struct message_agreed agreed;
	struct plan plan;

	if (session->role == VFIOMIG_SOURCE && session->core.phase == PHASE_AGREE) {
		if (message_decode_agreed(&agreed, body, bytes)) {
			session_refuse(session, MESSAGE_AGREED, "cannot be read");
			return;
		}
		if (plan_accept(&plan, &session->side, &agreed, &err)) {
			session_step(session, &(struct core_event){ .kind = CORE_FAILED, .error = &err });
			return;
		}
		pthread_mutex_lock(&session->snapshot_lock);
		session->plan = plan;
		core_set_lanes(&session->core, plan.lanes);
		for (unsigned d = 0; d < plan.devices; d++)
			session->core.device[d].gated = plan.gated >> d & 1;
		pthread_mutex_unlock(&session->snapshot_lock);
		warn_of_clear_payload(session);
		if (plan.slots < session->side.slots || plan.slot_bytes < session->side.slot_bytes)
			session_log_line(session, VFIOMIG_LOG_INFO,
					 "%u slots of %llu bytes per device agreed, %u of %llu were asked for",
					 plan.slots, (unsigned long long)plan.slot_bytes, session->side.slots,
					 (unsigned long long)session->side.slot_bytes);
	}
	step_message(session, MESSAGE_AGREED);
}

static void receive_ready(struct vfiomig_session *session, const uint8_t *body, size_t bytes)
{
	struct message_ready ready;

	if (message_decode_ready(&ready, body, bytes)) {
		session_refuse(session, MESSAGE_READY, "cannot be read");
		return;
	}
	if (session->role == VFIOMIG_SOURCE && !(session->core.facts & FACT_READY))
		session->ready = ready;
	step_message(session, MESSAGE_READY);
}

static void receive_stream_end(struct vfiomig_session *session, const uint8_t *body, size_t bytes)
{
	struct message_stream_end end;

	if (message_decode_stream_end(&end, body, bytes)) {
		session_refuse(session, MESSAGE_STREAM_END, "cannot be read");
		return;
	}
	session_step(session, &(struct core_event){
				      .kind = CORE_STREAM_END,
				      .device = end.number,
				      .counts = { .packets = end.packets, .bytes = end.bytes, .digest = end.digest } });
}

static void receive_switchover(struct vfiomig_session *session, const uint8_t *body, size_t bytes)
{
	struct telemetry_clock clock;

	if (telemetry_decode_clock(&clock, body, bytes)) {
		session_refuse(session, MESSAGE_SWITCHOVER, "cannot be read");
		return;
	}
	pthread_mutex_lock(&session->snapshot_lock);
	session->switchover = clock;
	pthread_mutex_unlock(&session->snapshot_lock);
	step_message(session, MESSAGE_SWITCHOVER);
}

static void receive_failure(struct vfiomig_session *session, uint16_t type, const uint8_t *body, size_t bytes)
{
	struct core_event event = { .kind = CORE_ABORT, .message = (enum message_type)type };
	struct message_failure failure;

	if (message_decode_failure(&failure, body, bytes)) {
		session_refuse(session, type, "cannot be read");
		return;
	}
	if (type == MESSAGE_DONE)
		event.kind = CORE_MESSAGE;
	else if (failure.error.code == VFIOMIG_OK)
		failure.error.code = VFIOMIG_PROTOCOL; /* an abort has a cause */
	event.error = &failure.error;
	session_step(session, &event);
}

/* Without a session nothing can be said but "I am here" and "I will not". */
static bool sessionless(const struct control_frame *frame)
{
	static const uint8_t none[16];

	return frame->type != MESSAGE_HEARTBEAT && frame->type != MESSAGE_ABORT &&
	       memcmp(frame->session, none, sizeof(none)) == 0;
}

/* The clocks are compared shortly before the devices are stopped, and after all is done. */
static void measure_if_due(struct vfiomig_session *session, uint16_t type)
{
	const struct core *core = &session->core;
	bool before = type == MESSAGE_LANES_READY && core->phase == PHASE_LANES;
	bool after = type == MESSAGE_DONE && core->phase == PHASE_DONE;

	if (session->role == VFIOMIG_SOURCE && (before || after))
		session_measure(session);
}

void session_receive(struct vfiomig_session *session, const struct control_frame *frame)
{
	const uint8_t *body = frame->body;
	size_t bytes = frame->bytes;

	if (sessionless(frame)) {
		session_refuse(session, frame->type, "bears no session");
		return;
	}
	/* After COMMIT the source asks for the clock only when it has DONE: it will never ask how it ended. */
	if (frame->type == MESSAGE_MEASURE && session->role == VFIOMIG_DESTINATION && session->core.phase == PHASE_DONE)
		session_journal_forget(session);
	if (session_receive_telemetry(session, frame))
		return;
	switch (frame->type) {
	case MESSAGE_OFFER:
		receive_offer(session, body, bytes);
		break;
	case MESSAGE_DEVICE:
		receive_device(session, body, bytes);
		break;
	case MESSAGE_AGREED:
		receive_agreed(session, body, bytes);
		break;
	case MESSAGE_READY:
		receive_ready(session, body, bytes);
		break;
	case MESSAGE_STREAM_END:
		receive_stream_end(session, body, bytes);
		break;
	case MESSAGE_SWITCHOVER:
		receive_switchover(session, body, bytes);
		break;
	case MESSAGE_DONE:
	case MESSAGE_ABORT:
		receive_failure(session, frame->type, body, bytes);
		break;
	case MESSAGE_FENCE:
	case MESSAGE_FENCED:
	case MESSAGE_LANE_LOST:
		session_receive_of_lane(session, frame);
		break;
	default:
		step_message(session, (enum message_type)frame->type);
	}
	measure_if_due(session, frame->type);
}
