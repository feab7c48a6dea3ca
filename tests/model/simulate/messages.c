/* SPDX-License-Identifier: MIT */
/* Control messages between the wire's encoding and core: what src/session/session_messages.c does, without its threads and reports. */
#include "simulate.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "wire/message.h"
#include "wire/telemetry.h"

static size_t encode_failure(const struct side *side, enum message_type message, uint8_t *out)
{
	struct message_failure failure = { .error = side->core.outcome };

	if (message == MESSAGE_ABORT && failure.error.code == VFIOMIG_OK)
		failure.error.code = VFIOMIG_CANCELLED;
	return message_encode_failure(out, &failure);
}

static size_t encode_stream_end(const struct side *side, unsigned d, uint8_t *out)
{
	const struct stream_counts *counts = &side->core.device[d].counts;
	struct message_stream_end end = {
		.number = (uint16_t)d, .packets = counts->packets, .bytes = counts->bytes, .digest = counts->digest
	};

	return message_encode_stream_end(out, &end);
}

static size_t encode(struct world *world, struct side *side, enum message_type message, unsigned d, uint8_t *out)
{
	struct telemetry_clock clock = { .stop_ns = world->now };
	struct message_agreed agreed;
	struct message_device device;

	switch (message) {
	case MESSAGE_OFFER:
		plan_offer(&side->plan_side, &side->offer);
		return message_encode_offer(out, &side->offer);
	case MESSAGE_DEVICE:
		plan_device(&side->plan_side, d, &device);
		return message_encode_device(out, &device);
	case MESSAGE_AGREED:
		plan_answer(&side->plan, &agreed);
		return message_encode_agreed(out, &agreed);
	case MESSAGE_READY:
		return message_encode_ready(out, &(struct message_ready){ 0 });
	case MESSAGE_STREAM_END:
		return encode_stream_end(side, d, out);
	case MESSAGE_SWITCHOVER:
		return telemetry_encode_clock(out, &clock);
	case MESSAGE_DONE:
	case MESSAGE_ABORT:
		return encode_failure(side, message, out);
	default:
		return 0;
	}
}

void messages_send(struct world *world, struct side *side, enum message_type message, unsigned d)
{
	uint8_t body[MESSAGE_BYTES_MAX];
	size_t bytes = encode(world, side, message, d, body);

	if (message == MESSAGE_COMMIT)
		world->truth.commit_sent = true;
	control_say(world, side, message, body, bytes);
}

void messages_send_of_lane(struct world *world, struct side *side, const struct core_action *action)
{
	struct message_lane lane = { .lane = (uint16_t)action->lane };
	uint8_t body[MESSAGE_BYTES_MAX];

	if (action->message == MESSAGE_FENCED) {
		flow_report(&side->flow, action->lane, action->device, &side->fenced);
		side->fenced.token = side->token_here;
		control_say(world, side, action->message, body, message_encode_fenced(body, &side->fenced));
	} else if (action->message == MESSAGE_FENCE || action->message == MESSAGE_LANE_LOST) {
		control_say(world, side, action->message, body, message_encode_lane(body, &lane));
	} else {
		messages_send(world, side, action->message, action->device);
	}
}

static void refuse(struct world *world, struct side *side, enum message_type type)
{
	struct vfiomig_error err = { 0 };

	error_set(&err, VFIOMIG_PROTOCOL, EPROTO, "message-malformed", "a %s message cannot be read",
		  message_name(type));
	side_step(world, side, &(struct core_event){ .kind = CORE_FAILED, .error = &err });
}

static void step_message(struct world *world, struct side *side, enum message_type type)
{
	side_step(world, side, &(struct core_event){ .kind = CORE_MESSAGE, .message = type });
}

static bool offer_due(const struct side *side)
{
	return side->number == DESTINATION && side->core.phase == PHASE_AGREE && !side->offer_judged;
}

void messages_judge_offer(struct world *world, struct side *side)
{
	struct vfiomig_error err = { 0 };
	struct plan plan;

	if (!side->alive || !offer_due(side) || !side->probed || !side->offer_here ||
	    side->offer_devices_here < side->offer.devices)
		return;
	side->offer_judged = true;
	if (plan_agree(&plan, &side->plan_side, &side->offer, side->offer_device, &err)) {
		side_step(world, side, &(struct core_event){ .kind = CORE_FAILED, .error = &err });
		return;
	}
	side->plan = plan;
	core_set_devices(&side->core, plan.devices);
	core_set_lanes(&side->core, plan.lanes);
	for (unsigned d = 0; d < plan.devices; d++) {
		side->core.device[d].gated = plan.gated >> d & 1;
		side->core.device[d].p2p = world->handle[DESTINATION][d].info.migration_flags & VFIOMIG_MIGRATION_P2P;
	}
	step_message(world, side, MESSAGE_OFFER);
}

static void receive_offer(struct world *world, struct side *side, const uint8_t *body, size_t bytes)
{
	if (!offer_due(side) || side->offer_here)
		step_message(world, side, MESSAGE_OFFER);
	else if (message_decode_offer(&side->offer, body, bytes))
		refuse(world, side, MESSAGE_OFFER);
	else
		side->offer_here = true;
}

static void receive_device(struct world *world, struct side *side, const uint8_t *body, size_t bytes)
{
	unsigned next = side->offer_devices_here;

	if (!offer_due(side) || !side->offer_here || next >= DEVICES_MAX || next >= side->offer.devices ||
	    message_decode_device(&side->offer_device[next], body, bytes) || side->offer_device[next].number != next) {
		refuse(world, side, MESSAGE_DEVICE);
		return;
	}
	side->offer_devices_here++;
	messages_judge_offer(world, side);
}

static void receive_agreed(struct world *world, struct side *side, const uint8_t *body, size_t bytes)
{
	struct vfiomig_error err = { 0 };
	struct message_agreed agreed;
	struct plan plan;

	if (side->number == SOURCE && side->core.phase == PHASE_AGREE) {
		if (message_decode_agreed(&agreed, body, bytes)) {
			refuse(world, side, MESSAGE_AGREED);
			return;
		}
		if (plan_accept(&plan, &side->plan_side, &agreed, &err)) {
			side_step(world, side, &(struct core_event){ .kind = CORE_FAILED, .error = &err });
			return;
		}
		side->plan = plan;
		core_set_lanes(&side->core, plan.lanes);
		for (unsigned d = 0; d < plan.devices; d++)
			side->core.device[d].gated = plan.gated >> d & 1;
	}
	step_message(world, side, MESSAGE_AGREED);
}

static void receive_stream_end(struct world *world, struct side *side, const uint8_t *body, size_t bytes)
{
	struct message_stream_end end;

	if (message_decode_stream_end(&end, body, bytes)) {
		refuse(world, side, MESSAGE_STREAM_END);
		return;
	}
	side_step(
		world, side,
		&(struct core_event){ .kind = CORE_STREAM_END,
				      .device = end.number,
				      .counts = { .packets = end.packets, .bytes = end.bytes, .digest = end.digest } });
}

static void receive_failure(struct world *world, struct side *side, enum message_type type, const uint8_t *body,
			    size_t bytes)
{
	struct core_event event = { .kind = CORE_ABORT, .message = type };
	struct message_failure failure;

	if (message_decode_failure(&failure, body, bytes)) {
		refuse(world, side, type);
		return;
	}
	if (type == MESSAGE_DONE)
		event.kind = CORE_MESSAGE;
	else if (failure.error.code == VFIOMIG_OK)
		failure.error.code = VFIOMIG_PROTOCOL;
	event.error = &failure.error;
	side_step(world, side, &event);
}

static void receive_of_lane(struct world *world, struct side *side, enum message_type type, const uint8_t *body,
			    size_t bytes)
{
	struct core_event event = { .kind = CORE_MESSAGE, .message = type };
	struct message_lane lane = { 0 };
	int rc = type == MESSAGE_FENCED ? message_decode_fenced(&side->fenced, body, bytes)
					: message_decode_lane(&lane, body, bytes);

	event.lane = type == MESSAGE_FENCED ? side->fenced.lane : lane.lane;
	event.device = type == MESSAGE_FENCED ? side->fenced.number : 0;
	if (rc)
		refuse(world, side, type);
	else
		side_step(world, side, &event);
}

/* One round trip instead of eight: nothing is decided by it. */
static bool receive_telemetry(struct world *world, struct side *side, enum message_type type, const uint8_t *body,
			      size_t bytes)
{
	struct telemetry_measured measured = { .devices = (uint16_t)world->shape.devices };
	struct telemetry_measure measure;
	uint8_t answer[TELEMETRY_MEASURED_BYTES_MAX];

	if (type == MESSAGE_MEASURE && side->number == DESTINATION && side->core.facts & FACT_LANES_UP) {
		if (telemetry_decode_measure(&measure, body, bytes))
			refuse(world, side, type);
		else
			control_say(world, side, MESSAGE_MEASURED, answer,
				    telemetry_encode_measured(answer, &measured));
		return true;
	}
	if (type == MESSAGE_MEASURED && side->number == SOURCE && side->measured) {
		if (telemetry_decode_measured(&measured, body, bytes))
			refuse(world, side, type);
		else if (!(side->core.facts & FACT_DONE))
			side_fact(world, side, FACT_MEASURED);
		return true;
	}
	return false;
}

static void measure_if_due(struct world *world, struct side *side, enum message_type type)
{
	bool before = type == MESSAGE_LANES_READY && side->core.phase == PHASE_LANES;
	bool after = type == MESSAGE_DONE && side->core.phase == PHASE_DONE;
	uint8_t body[TELEMETRY_MEASURE_BYTES];

	if (!side->alive || side->number != SOURCE || (!before && !after))
		return;
	side->measured = true;
	control_say(world, side, MESSAGE_MEASURE, body,
		    telemetry_encode_measure(body, &(struct telemetry_measure){ .sent_ns = world->now }));
}

void messages_receive(struct world *world, struct side *side, enum message_type type, const uint8_t *body, size_t bytes)
{
	if (type == MESSAGE_MEASURE && side->number == DESTINATION && side->core.phase == PHASE_DONE)
		record_forget(world, side);
	if (receive_telemetry(world, side, type, body, bytes))
		return;
	switch (type) {
	case MESSAGE_OFFER:
		receive_offer(world, side, body, bytes);
		break;
	case MESSAGE_DEVICE:
		receive_device(world, side, body, bytes);
		break;
	case MESSAGE_AGREED:
		receive_agreed(world, side, body, bytes);
		break;
	case MESSAGE_STREAM_END:
		receive_stream_end(world, side, body, bytes);
		break;
	case MESSAGE_DONE:
	case MESSAGE_ABORT:
		receive_failure(world, side, type, body, bytes);
		break;
	case MESSAGE_FENCE:
	case MESSAGE_FENCED:
	case MESSAGE_LANE_LOST:
		receive_of_lane(world, side, type, body, bytes);
		break;
	default:
		step_message(world, side, type);
	}
	measure_if_due(world, side, type);
}
