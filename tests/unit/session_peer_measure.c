/* SPDX-License-Identifier: MIT */
/* Sources made by hand that have lanes: what they may measure, and what they may not. */
#include <criterion/criterion.h>

#include <unistd.h>

#include "unit/session_peer_rig.h"
#include "wire/packet.h"
#include "wire/telemetry.h"

TestSuite(session_peer_measure, .timeout = 120);

enum { TRIAL_BYTES = VFIOMIG_SLOT_BYTES_MIN + PACKET_HEADER_BYTES };

static struct peer_rig rig;
static int control_fd, lane_fd[PEER_LANES];

/* One device offered and agreed on; the destination awaits the lanes. */
static void to_ready(void)
{
	peer_start(&rig, 1);
	control_fd = peer_control(&rig);
	peer_send_offer(control_fd, 1);
	peer_send_device(&rig, control_fd, 0, "");
	peer_await(control_fd, MESSAGE_READY);
}

static void connect_lanes(void)
{
	for (unsigned lane = 0; lane < PEER_LANES; lane++)
		lane_fd[lane] = peer_lane(&rig, lane);
}

static void to_lanes_ready(uint32_t bytes)
{
	to_ready();
	connect_lanes();
	for (unsigned lane = 0; lane < PEER_LANES; lane++)
		peer_warm_up(lane_fd[lane], bytes);
	peer_await(control_fd, MESSAGE_LANES_READY);
}

static void close_lanes(void)
{
	for (unsigned lane = 0; lane < PEER_LANES; lane++)
		close(lane_fd[lane]);
}

static void ends_with(enum vfiomig_code code, const char *name)
{
	peer_await_abort(control_fd, name);
	peer_end(&rig, code, name, "reset");
}

static void cancelled(void)
{
	vfiomig_session_cancel(rig.session);
	peer_await_end(control_fd);
	peer_end(&rig, VFIOMIG_CANCELLED, NULL, "reset");
}

static void send_measure(uint64_t sent_ns)
{
	const struct telemetry_measure measure = { .sent_ns = sent_ns, .offset_ns = -5 };
	uint8_t body[MESSAGE_BYTES_MAX];

	peer_send(control_fd, MESSAGE_MEASURE, body, telemetry_encode_measure(body, &measure));
}

static void send_switchover(void)
{
	const struct telemetry_clock clock = { .offset_ns = 1, .error_ns = 2, .stop_ns = 3 };
	uint8_t body[MESSAGE_BYTES_MAX];

	peer_send(control_fd, MESSAGE_SWITCHOVER, body, telemetry_encode_clock(body, &clock));
}

static void await_measured(struct telemetry_measured *measured)
{
	struct peer_message message;

	do {
		peer_receive(control_fd, &message);
		cr_assert_neq(message.type, 0, "it closed without an answer");
	} while (message.type != MESSAGE_MEASURED);
	cr_assert_eq(telemetry_decode_measured(measured, message.body, message.bytes), 0);
}

Test(session_peer_measure, is_told_the_clock_as_often_as_it_asks)
{
	struct telemetry_measured measured;
	uint64_t last_ns = 0;

	to_lanes_ready(TRIAL_BYTES);
	for (uint64_t i = 1; i <= 20; i++) {
		send_measure(i);
		await_measured(&measured);
		cr_assert_eq(measured.sent_ns, i);
		cr_assert_geq(measured.clock_ns, last_ns);
		cr_assert_eq(measured.devices, 1);
		cr_assert_eq(measured.rate[0].bytes, 0, "nothing is loaded yet");
		last_ns = measured.clock_ns;
	}
	close_lanes();
	cancelled();
}

Test(session_peer_measure, is_told_how_fast_its_first_messages_came)
{
	struct telemetry_measured measured;

	to_lanes_ready(TRIAL_BYTES);
	send_measure(7);
	await_measured(&measured);
	cr_assert_eq(measured.trial_bytes, PEER_LANES * VFIOMIG_SLOT_BYTES_MIN);
	cr_assert_gt(measured.trial_ns, 0);
	close_lanes();
	cancelled();
}

Test(session_peer_measure, needs_lanes_before_it_may_ask)
{
	to_ready();
	send_measure(1);
	ends_with(VFIOMIG_PROTOCOL, "message-out-of-phase");
}

Test(session_peer_measure, that_asks_what_cannot_be_read_ends_the_session)
{
	uint8_t body[TELEMETRY_MEASURE_BYTES - 1] = { 0 };

	to_lanes_ready(TRIAL_BYTES);
	peer_send(control_fd, MESSAGE_MEASURE, body, sizeof(body));
	ends_with(VFIOMIG_PROTOCOL, "message-malformed");
	close_lanes();
}

Test(session_peer_measure, has_nothing_to_answer_to_a_destination)
{
	const struct telemetry_measured measured = { .devices = 1 };
	const struct telemetry_spans spans = { 0 };
	uint8_t body[MESSAGE_BYTES_MAX];

	to_lanes_ready(TRIAL_BYTES);
	peer_send(control_fd, MESSAGE_MEASURED, body, telemetry_encode_measured(body, &measured));
	ends_with(VFIOMIG_PROTOCOL, "message-out-of-phase");
	close_lanes();
	to_lanes_ready(TRIAL_BYTES);
	peer_send(control_fd, MESSAGE_SPANS, body, telemetry_encode_spans(body, &spans));
	ends_with(VFIOMIG_PROTOCOL, "message-out-of-phase");
	close_lanes();
}

Test(session_peer_measure, may_switch_over_once_and_in_words_that_can_be_read)
{
	uint8_t body[TELEMETRY_CLOCK_BYTES - 1] = { 0 };

	to_ready();
	send_switchover();
	ends_with(VFIOMIG_PROTOCOL, "message-out-of-phase");

	to_lanes_ready(TRIAL_BYTES);
	peer_send(control_fd, MESSAGE_SWITCHOVER, body, sizeof(body));
	ends_with(VFIOMIG_PROTOCOL, "message-malformed");
	close_lanes();

	to_lanes_ready(TRIAL_BYTES);
	send_switchover();
	send_switchover();
	ends_with(VFIOMIG_PROTOCOL, "message-out-of-phase");
	close_lanes();
}

Test(session_peer_measure, whose_first_message_has_another_length_is_refused)
{
	static const uint32_t lengths[] = { TRIAL_BYTES - 1, TRIAL_BYTES + 1, PACKET_HEADER_BYTES };

	for (unsigned i = 0; i < 3; i++) {
		to_ready();
		connect_lanes();
		peer_warm_up(lane_fd[0], lengths[i]);
		peer_await_abort(control_fd, i == 1 ? "lane-frame-bytes" : "warm-up-bytes");
		peer_end(&rig, VFIOMIG_PROTOCOL, NULL, "reset");
		close_lanes();
	}
}

Test(session_peer_measure, that_warms_up_again_when_the_lanes_stand_is_refused)
{
	to_lanes_ready(TRIAL_BYTES);
	peer_warm_up(lane_fd[1], TRIAL_BYTES);
	ends_with(VFIOMIG_PROTOCOL, "warm-up-late");
	close_lanes();
	to_lanes_ready(TRIAL_BYTES);
	peer_warm_up(lane_fd[1], 0);
	ends_with(VFIOMIG_PROTOCOL, "warm-up-late");
	close_lanes();
}
