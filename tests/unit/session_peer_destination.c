/* SPDX-License-Identifier: MIT */
/*
 * A real source on loopback, and a destination made by hand: it takes the state, loads nothing, and says of clocks, rates and
 * spans what no program of ours would. No wait here is for time to pass.
 */
#include <criterion/criterion.h>

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "device/device.h"
#include "support/random.h"
#include "unit/session_peer_rig.h"
#include "wire/hello.h"
#include "wire/telemetry.h"

TestSuite(session_peer_destination, .timeout = 120);

static struct vfiomig_session *session;
static struct vfiomig_device *device;
static int listener, control_fd, lane_fd;
static uint8_t id[16];

static void listen_on(char *where, size_t bytes)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t length = sizeof(address);

	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cr_assert_eq(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	cr_assert_eq(listen(listener, 8), 0);
	cr_assert_eq(getsockname(listener, (struct sockaddr *)&address, &length), 0);
	snprintf(where, bytes, "127.0.0.1:%u", ntohs(address.sin_port));
}

/* The next connection, its preface (and, of a lane, its hello) in and the answer out. */
static int take_connection(bool lane)
{
	const struct preface preface = { .version = WIRE_VERSION, .kind = lane ? PREFACE_LANE : PREFACE_CONTROL };
	size_t length = PREFACE_BYTES + (lane ? HELLO_BYTES : 0);
	const struct timeval limit = { .tv_sec = PEER_LIMIT_MS / 1000 };
	uint8_t bytes[PREFACE_BYTES + HELLO_BYTES];
	int fd = accept(listener, NULL, NULL);

	cr_assert_geq(fd, 0);
	cr_assert_eq(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
	cr_assert_eq(recv(fd, bytes, length, MSG_WAITALL), (ssize_t)length);
	preface_encode(bytes, &preface);
	peer_write(fd, bytes, PREFACE_BYTES);
	return fd;
}

static void say(uint16_t type, const void *body, size_t bytes)
{
	peer_send_as(control_fd, id, type, body, bytes);
}

static const char *spec = "sim:bytes=1K";
static int (*pending)(void *dev, struct vfiomig_pending *pending, struct vfiomig_error *err); /* instead of its own */

static void start(unsigned flags)
{
	struct vfiomig_options options = { .size = sizeof(options),
					   .transport = VFIOMIG_TRANSPORT_TCP,
					   .lanes = 1,
					   .slots = 4,
					   .slot_bytes = VFIOMIG_SLOT_BYTES_MIN,
					   .peer_timeout_ms = PEER_LIMIT_MS,
					   .flags = VFIOMIG_NO_PLATFORM | flags };
	struct vfiomig_error err = { 0 };
	char where[64];

	listen_on(where, sizeof(where));
	options.peer = where;
	cr_assert_eq(vfiomig_session_create(&session, VFIOMIG_SOURCE, &options, &err), 0, "%s", err.text);
	cr_assert_eq(vfiomig_device_open(&device, spec, &err), 0, "%s", err.text);
	if (pending) {
		static struct vfiomig_device_ops ops;

		ops = *device->ops;
		ops.pending = pending;
		device->ops = &ops;
	}
	cr_assert_eq(vfiomig_session_add_device(session, device, &err), 0, "%s", err.text);
	cr_assert_eq(vfiomig_session_start(session, &err), 0, "%s", err.text);
	control_fd = take_connection(false);
}

/* To LANES_READY, which is not said yet. */
static void to_lanes(unsigned flags)
{
	const struct message_agreed agreed = { .lanes = 1,
					       .slots = 4,
					       .slot_bytes = VFIOMIG_SLOT_BYTES_MIN,
					       .transport = VFIOMIG_TRANSPORT_TCP,
					       .reason = "by hand" };
	const struct message_ready ready = { 0 };
	uint8_t body[MESSAGE_BYTES_MAX];
	struct peer_message message;

	start(flags);
	do
		peer_receive(control_fd, &message);
	while (message.type == MESSAGE_OFFER);
	cr_assert_eq(message.type, MESSAGE_DEVICE);
	memcpy(id, message.session, sizeof(id));
	say(MESSAGE_AGREED, body, message_encode_agreed(body, &agreed));
	say(MESSAGE_READY, body, message_encode_ready(body, &ready));
	lane_fd = take_connection(true);
}

static void answer(const struct peer_message *question, unsigned devices, uint64_t clock_ns)
{
	struct telemetry_measured measured = { .clock_ns = clock_ns, .devices = (uint16_t)devices };
	struct telemetry_measure measure;
	uint8_t body[MESSAGE_BYTES_MAX];

	cr_assert_eq(telemetry_decode_measure(&measure, question->body, question->bytes), 0);
	measured.sent_ns = measure.sent_ns;
	say(MESSAGE_MEASURED, body, telemetry_encode_measured(body, &measured));
}

/* As if @question had been asked at @sent_ns. */
static void answer_as(const struct peer_message *question, uint64_t sent_ns)
{
	const struct telemetry_measured measured = { .sent_ns = sent_ns, .clock_ns = 1000, .devices = 1 };
	uint8_t body[MESSAGE_BYTES_MAX];

	cr_assert_eq(question->type, MESSAGE_MEASURE);
	say(MESSAGE_MEASURED, body, telemetry_encode_measured(body, &measured));
}

/* Answers every MEASURE until a message of @type comes. */
static void await(uint16_t type)
{
	struct peer_message message;

	for (peer_receive(control_fd, &message); message.type != type; peer_receive(control_fd, &message)) {
		cr_assert_neq(message.type, 0, "the source closed before its %s", message_name(type));
		if (message.type == MESSAGE_MEASURE)
			answer(&message, 1, 1000);
	}
}

static void say_done(void)
{
	const struct message_failure well = { .error = { .code = VFIOMIG_OK } };
	uint8_t body[MESSAGE_BYTES_MAX];

	say(MESSAGE_DONE, body, message_encode_failure(body, &well));
}

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

static struct vfiomig_result result_of(void)
{
	struct pollfd fd = { vfiomig_session_fd(session), POLLIN, 0 };
	struct vfiomig_result result;

	while (!vfiomig_session_dispatch(session))
		cr_assert_gt(poll(&fd, 1, PEER_LIMIT_MS), 0, "the session does not end");
	cr_assert_eq(vfiomig_session_result(session, &result), 0);
	return result;
}

static void close_all(void)
{
	vfiomig_session_close(session);
	vfiomig_device_close(device);
	close(lane_fd);
	close(listener);
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
