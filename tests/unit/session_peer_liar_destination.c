/* SPDX-License-Identifier: MIT */
/*
 * Destinations that lie: in credits, in what they agree to, and about how far they are. The source calls it by its name, and its
 * device runs again; nothing is sized by the liar's numbers.
 */
#include "unit/session_peer_hand.h"

#include "base/bytes.h"
#include "unit/session_peer_memory.h"
#include "wire/immediate.h"

TestSuite(session_peer_liar_destination, .timeout = 120);

enum { MEMORY_MAX = 256 << 10 };

static void caught(const char *name)
{
	struct vfiomig_result result;
	size_t asked;

	peer_await_abort(control_fd, name);
	asked = peer_memory_since();
	cr_assert_leq(asked, MEMORY_MAX, "it asked for %zu bytes", asked);
	result = result_of();
	cr_assert_eq(result.error.code, VFIOMIG_PROTOCOL, "%s", result.error.text);
	cr_assert_str_eq(result.error.name, name);
	cr_assert_str_eq(result.source_state, "running");
	cr_assert_eq(vfiomig_device_state(device), VFIOMIG_STATE_RUNNING);
	close_all();
}

/* The source has said all, and waits for PREPARED: two packets, of which none was credited. */
static void to_drain(void)
{
	to_lanes(0);
	say(MESSAGE_LANES_READY, NULL, 0);
	await(MESSAGE_STREAM_END);
	peer_memory_mark();
}

/* A frame on the one lane, with @bytes of nothing. */
static void send_frame(uint32_t immediate, uint32_t bytes)
{
	uint8_t frame[8 + 64] = { 0 };

	put_be32(frame, immediate);
	put_be32(frame + 4, bytes);
	peer_write(lane_fd, frame, 8 + bytes);
}

Test(session_peer_liar_destination, credit_beyond_what_was_sent_is_called_that)
{
	static const uint32_t beyond[] = { 3, 4, 1 << 20, (1 << 23) - 1 };

	for (unsigned i = 0; i < sizeof(beyond) / sizeof(beyond[0]); i++) {
		to_drain();
		send_frame(immediate_make(IMMEDIATE_CREDIT, 0, beyond[i]), 0);
		caught("credit-beyond-sent");
	}
}

Test(session_peer_liar_destination, credit_before_anything_was_sent_is_called_that)
{
	to_lanes(0);
	peer_memory_mark();
	send_frame(immediate_make(IMMEDIATE_CREDIT, 0, 1), 0);
	caught("credit-beyond-sent");
}

Test(session_peer_liar_destination, credit_for_a_device_that_is_none_is_called_that)
{
	to_drain();
	send_frame(immediate_make(IMMEDIATE_CREDIT, 63, 1), 0);
	caught("credit-foreign-device");
}

Test(session_peer_liar_destination, credit_with_a_body_is_refused_by_its_length)
{
	to_drain();
	send_frame(immediate_make(IMMEDIATE_CREDIT, 0, 1), 1);
	caught("lane-frame-bytes");
}

Test(session_peer_liar_destination, a_breach_is_named_also_when_no_lane_is_needed_any_more)
{
	to_drain();
	send_frame(immediate_make(IMMEDIATE_CREDIT, 0, 2), 0);
	send_frame(immediate_make(IMMEDIATE_CREDIT, 0, 2), 1);
	caught("lane-frame-bytes");
}

Test(session_peer_liar_destination, data_or_a_token_towards_the_source_has_the_wrong_direction)
{
	to_drain();
	send_frame(immediate_make(IMMEDIATE_DATA, 0, 0), 64);
	caught("lane-direction");
	to_drain();
	send_frame(immediate_make(IMMEDIATE_TOKEN, 0, 0), 16);
	caught("lane-direction");
	to_drain();
	send_frame(immediate_make(IMMEDIATE_CONTROL, 0, 0), 0);
	caught("immediate");
}

Test(session_peer_liar_destination, late_and_repeated_credits_are_legal)
{
	struct vfiomig_result result;

	to_drain();
	send_frame(immediate_make(IMMEDIATE_CREDIT, 0, 2), 0);
	send_frame(immediate_make(IMMEDIATE_CREDIT, 0, 1), 0);
	send_frame(immediate_make(IMMEDIATE_CREDIT, 0, 2), 0);
	say(MESSAGE_PREPARED, NULL, 0);
	await(MESSAGE_COMMIT);
	say_done();
	say_done(); /* and that it is done, too, may be said again */
	shutdown(control_fd, SHUT_WR);
	peer_await_end(control_fd);
	result = result_of();
	cr_assert_eq(result.error.code, VFIOMIG_OK, "%s", result.error.text);
	cr_assert_str_eq(result.source_state, "retired");
	close_all();
}

static void agrees_to(uint32_t slots, uint64_t slot_bytes, unsigned lanes, uint64_t gated)
{
	const struct message_agreed agreed = { .lanes = (uint16_t)lanes,
					       .slots = slots,
					       .slot_bytes = slot_bytes,
					       .gated = gated,
					       .transport = VFIOMIG_TRANSPORT_TCP,
					       .reason = "by hand" };
	uint8_t body[MESSAGE_BYTES_MAX];
	struct peer_message message;

	start(0);
	do
		peer_receive(control_fd, &message);
	while (message.type != MESSAGE_DEVICE);
	memcpy(id, message.session, sizeof(id));
	peer_memory_mark();
	say(MESSAGE_AGREED, body, message_encode_agreed(body, &agreed));
	lane_fd = -1;
	caught("agreed-beyond-offer");
}

Test(session_peer_liar_destination, agreement_to_what_was_not_offered_is_called_that)
{
	agrees_to(5, VFIOMIG_SLOT_BYTES_MIN, 1, 0);
	agrees_to(4, 2 * VFIOMIG_SLOT_BYTES_MIN, 1, 0);
	agrees_to(4, VFIOMIG_SLOT_BYTES_MIN, 2, 0);
	agrees_to(4, VFIOMIG_SLOT_BYTES_MIN, 1, 2);
	agrees_to(VFIOMIG_SLOTS_MAX, VFIOMIG_SLOT_BYTES_MAX, 1, 0);
}

/* At LANES, the destination says @type. */
static void out_of_phase(uint16_t type, const void *body, size_t bytes)
{
	to_lanes(0);
	peer_memory_mark();
	say(type, body, bytes);
	caught("message-out-of-phase");
}

Test(session_peer_liar_destination, word_that_is_not_due_is_out_of_phase)
{
	const struct message_failure well = { .error = { .code = VFIOMIG_OK } };
	const struct message_agreed agreed = {
		.lanes = 1, .slots = 4, .slot_bytes = VFIOMIG_SLOT_BYTES_MIN, .transport = VFIOMIG_TRANSPORT_TCP
	};
	const struct message_ready ready = { 0 };
	uint8_t body[MESSAGE_BYTES_MAX];

	out_of_phase(MESSAGE_PREPARED, NULL, 0);
	out_of_phase(MESSAGE_COMMIT, NULL, 0);
	out_of_phase(MESSAGE_DONE, body, message_encode_failure(body, &well));
	out_of_phase(MESSAGE_AGREED, body, message_encode_agreed(body, &agreed));
	out_of_phase(MESSAGE_READY, body, message_encode_ready(body, &ready));
}

Test(session_peer_liar_destination, lanes_ready_or_done_out_of_turn_while_the_state_flows_is_out_of_phase)
{
	to_drain();
	say(MESSAGE_LANES_READY, NULL, 0);
	caught("message-out-of-phase");
	to_drain();
	say_done();
	caught("message-out-of-phase");
}
