/* SPDX-License-Identifier: MIT */
/*
 * A real source on loopback, and a destination made by hand, which says of clocks, rates and
 * spans what no program of ours would. No wait here is for time to pass.
 */
#include <criterion/criterion.h>

#include "support/random.h"
#include "unit/session_peer_hand.h"

TestSuite(session_peer_destination, .timeout = 120);

/* All is moved; the source now wants the clock again, and the spans. */
static void to_done(void)
{
	to_lanes(0);
	say(MESSAGE_LANES_READY, NULL, 0);
	await(MESSAGE_STREAM_END);
	say(MESSAGE_PREPARED, NULL, 0);
	await(MESSAGE_COMMIT);
	say_done();
}

static void say_spans(const struct telemetry_spans *spans)
{
	uint8_t body[MESSAGE_BYTES_MAX];

	say(MESSAGE_SPANS, body, telemetry_encode_spans(body, spans));
}

/* The source gives up by @name, and its device runs. */
static void refused(const char *name)
{
	struct vfiomig_result result;

	peer_await_abort(control_fd, name);
	result = result_of();
	cr_assert_eq(result.error.code, VFIOMIG_PROTOCOL, "%s", result.error.text);
	cr_assert_str_eq(result.error.name, name);
	cr_assert_str_eq(result.source_state, "running");
	cr_assert_eq(vfiomig_device_state(device), VFIOMIG_STATE_RUNNING);
	close_all();
}

/* The migration went well, whatever was said afterwards. */
static void moved(bool both_sides)
{
	struct vfiomig_budget budget = { .size = sizeof(budget) };
	struct vfiomig_result result = result_of();
	uint64_t at_ns = 0;

	cr_assert_eq(result.error.code, VFIOMIG_OK, "%s", result.error.text);
	cr_assert_str_eq(result.source_state, "retired");
	cr_assert_eq(vfiomig_session_budget(session, &budget), 0);
	cr_assert_eq(budget.both_sides, both_sides);
	cr_assert_gt(budget.downtime_ns, 0);
	for (unsigned i = 0; i < budget.path_pieces; i++) {
		cr_assert_eq(budget.path[i].begin_ns, at_ns);
		at_ns = budget.path[i].end_ns;
	}
	cr_assert_eq(at_ns, both_sides ? budget.downtime_ns : 0);
	close_all();
}

Test(session_peer_destination, that_answers_and_tells_its_spans_makes_the_budget_whole)
{
	const struct telemetry_spans spans = { .span = { [TELEMETRY_RUN] = { 1000, 1001, 1 } } };

	to_done();
	await(MESSAGE_MEASURE);
	say_spans(&spans);
	shutdown(control_fd, SHUT_WR);
	peer_await_end(control_fd);
	moved(true);
}

Test(session_peer_destination, whose_spans_are_noise_spoils_nothing_but_their_meaning)
{
	struct random random = { .state = 99 };
	struct telemetry_spans spans;

	for (unsigned i = 0; i < 5; i++) {
		random_fill(&random, &spans, sizeof(spans));
		spans.number = 0;
		for (unsigned s = 0; s < TELEMETRY_SPANS; s++)
			spans.span[s].end_ns |= spans.span[s].begin_ns;
		to_done();
		say_spans(&spans);
		shutdown(control_fd, SHUT_WR);
		peer_await_end(control_fd);
		moved(true);
	}
}

Test(session_peer_destination, that_leaves_without_a_word_after_done_leaves_half_a_budget)
{
	to_done();
	shutdown(control_fd, SHUT_WR);
	peer_await_end(control_fd);
	moved(false);
}

Test(session_peer_destination, that_talks_nonsense_after_done_takes_nothing_back)
{
	const struct telemetry_spans foreign = { .number = 1 };
	struct peer_message message;

	to_done();
	do
		peer_receive(control_fd, &message);
	while (message.type != MESSAGE_MEASURE);
	answer(&message, 2, 0);
	say_spans(&foreign);
	say(MESSAGE_SPANS, NULL, 0);
	shutdown(control_fd, SHUT_WR);
	peer_await_end(control_fd);
	moved(false);
}

Test(session_peer_destination, that_measures_unasked_is_out_of_phase)
{
	const struct telemetry_measured measured = { .devices = 1 };
	uint8_t body[MESSAGE_BYTES_MAX];

	to_lanes(0);
	say(MESSAGE_MEASURED, body, telemetry_encode_measured(body, &measured));
	refused("message-out-of-phase");
}

Test(session_peer_destination, that_measures_other_devices_than_there_are_cannot_be_read)
{
	struct peer_message message;

	to_lanes(0);
	say(MESSAGE_LANES_READY, NULL, 0);
	do
		peer_receive(control_fd, &message);
	while (message.type != MESSAGE_MEASURE);
	answer(&message, 2, 0);
	refused("message-malformed");
}

Test(session_peer_destination, whose_answers_are_all_of_yesterday_does_not_hold_the_switchover_for_ever)
{
	struct peer_message message;

	spec = "sim:bytes=1K,precopy=enomsg,precopy-bytes=0";
	to_lanes(0);
	say(MESSAGE_LANES_READY, NULL, 0);
	for (peer_receive(control_fd, &message); message.type == MESSAGE_MEASURE; peer_receive(control_fd, &message))
		answer_as(&message, 1);
	cr_assert_eq(message.type, MESSAGE_SWITCHOVER);
	vfiomig_session_cancel(session);
	peer_await_end(control_fd);
	cr_assert_eq(result_of().error.code, VFIOMIG_CANCELLED);
	close_all();
}

/* Initial bytes that never come, beside dirty ones without end. */
static int promise(void *dev, struct vfiomig_pending *out, struct vfiomig_error *err)
{
	(void)dev;
	(void)err;
	*out = (struct vfiomig_pending){ .precopy_known = true, .initial_bytes = 100, .dirty_bytes = UINT64_MAX };
	return 0;
}

Test(session_peer_destination, is_told_to_go_on_though_a_device_does_not_give_what_it_promises)
{
	spec = "sim:bytes=1K,precopy=enomsg,precopy-bytes=0";
	pending = promise;
	to_lanes(0);
	say(MESSAGE_LANES_READY, NULL, 0);
	await(MESSAGE_SWITCHOVER);
	vfiomig_session_cancel(session);
	peer_await_end(control_fd);
	cr_assert_eq(result_of().error.code, VFIOMIG_CANCELLED);
	close_all();
}

Test(session_peer_destination, that_tells_spans_before_done_is_out_of_phase)
{
	const struct telemetry_spans spans = { 0 };

	to_lanes(0);
	say(MESSAGE_LANES_READY, NULL, 0);
	await(MESSAGE_STREAM_END);
	say_spans(&spans);
	refused("message-out-of-phase");
}

Test(session_peer_destination, that_asks_the_source_for_its_clock_is_out_of_phase)
{
	const struct telemetry_measure measure = { 0 };
	uint8_t body[MESSAGE_BYTES_MAX];

	to_lanes(0);
	say(MESSAGE_MEASURE, body, telemetry_encode_measure(body, &measure));
	refused("message-out-of-phase");
}

Test(session_peer_destination, is_told_that_it_was_but_a_probe)
{
	struct vfiomig_estimate estimate = { .size = sizeof(estimate) };
	struct vfiomig_result result;

	to_lanes(VFIOMIG_PROBE);
	say(MESSAGE_LANES_READY, NULL, 0);
	for (unsigned i = 0; i < 8; i++) {
		struct peer_message message;

		do
			peer_receive(control_fd, &message);
		while (message.type != MESSAGE_MEASURE);
		answer(&message, 1, 1000);
	}
	peer_await_abort(control_fd, "probe");
	result = result_of();
	cr_assert_eq(result.error.code, VFIOMIG_OK, "%s", result.error.text);
	cr_assert_str_eq(result.source_state, "running");
	cr_assert_eq(vfiomig_session_estimate(session, &estimate), 0);
	cr_assert_gt(estimate.terms, 0);
	cr_assert_eq(vfiomig_device_state(device), VFIOMIG_STATE_RUNNING);
	close_all();
}
