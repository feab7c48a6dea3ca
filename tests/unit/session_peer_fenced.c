/* SPDX-License-Identifier: MIT */
/* A destination made by hand that is asked what came over a lane, and answers what it must not. */
#include <criterion/criterion.h>

#include "unit/session_peer_hand.h"

TestSuite(session_peer_fenced, .timeout = 120);

static int other_fd;

/* The stream flows, and of two lanes the second is gone; the source asks. */
static void to_question(void)
{
	struct peer_message message;
	struct message_lane fence;

	hand_lanes = 2;
	to_lanes(0);
	other_fd = take_connection(true);
	say(MESSAGE_LANES_READY, NULL, 0);
	await(MESSAGE_SWITCHOVER);
	close(other_fd);
	do
		peer_receive(control_fd, &message);
	while (message.type == MESSAGE_STREAM_END);
	cr_assert_eq(message.type, MESSAGE_FENCE);
	cr_assert_eq(message_decode_lane(&fence, message.body, message.bytes), 0);
}

static void says(uint16_t lane, uint16_t number, uint32_t slots, uint64_t loaded, uint8_t here)
{
	static struct message_fenced fenced;
	uint8_t body[MESSAGE_BYTES_MAX];

	fenced = (struct message_fenced){ .lane = lane, .number = number, .slots = slots, .loaded = loaded };
	fenced.here[0] = here;
	say(MESSAGE_FENCED, body, message_encode_fenced(body, &fenced));
}

static void ends_with(const char *name)
{
	struct vfiomig_result result;

	peer_await_abort(control_fd, name);
	result = result_of();
	cr_assert_eq(result.error.code, VFIOMIG_PROTOCOL);
	cr_assert_str_eq(result.error.name, name);
	cr_assert_str_eq(result.source_state, "running");
	close_all();
}

Test(session_peer_fenced, that_has_loaded_more_than_was_sent_is_not_believed)
{
	to_question();
	says(1, 0, 4, 1000, 0);
	ends_with("fenced-beyond-sent");
}

Test(session_peer_fenced, that_has_packets_which_were_never_sent_is_not_believed)
{
	to_question();
	says(1, 0, 4, 0, 1 << 3);
	ends_with("fenced-beyond-sent");
}

Test(session_peer_fenced, that_has_another_number_of_slots_is_not_believed)
{
	to_question();
	says(1, 0, 5, 0, 0);
	ends_with("fenced-shape");
}

Test(session_peer_fenced, that_tells_of_another_lane_or_device_is_out_of_phase)
{
	to_question();
	says(0, 0, 4, 0, 0);
	ends_with("message-out-of-phase");
	to_question();
	says(1, 1, 4, 0, 0);
	ends_with("message-out-of-phase");
}

Test(session_peer_fenced, that_tells_it_twice_is_out_of_phase)
{
	to_question();
	says(1, 0, 4, 0, 0);
	says(1, 0, 4, 0, 0);
	ends_with("message-out-of-phase");
}

Test(session_peer_fenced, that_says_what_cannot_be_read_ends_the_session)
{
	to_question();
	say(MESSAGE_FENCED, "abc", 3);
	ends_with("message-malformed");
}
