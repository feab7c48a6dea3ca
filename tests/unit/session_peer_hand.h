/* SPDX-License-Identifier: MIT */
/*
 * A real source on loopback, and a destination made by hand: it takes the state and loads nothing. No wait here is for time to pass.
 */
#ifndef UNIT_SESSION_PEER_HAND_H
#define UNIT_SESSION_PEER_HAND_H

#include <criterion/criterion.h>

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "device/device.h"
#include "unit/session_peer_rig.h"
#include "wire/hello.h"
#include "wire/telemetry.h"

static struct vfiomig_session *session;
static struct vfiomig_device *device;
static int listener, control_fd, lane_fd;
static uint8_t id[16];

static inline void listen_on(char *where, size_t bytes)
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
static inline int take_connection(bool lane)
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

static inline void say(uint16_t type, const void *body, size_t bytes)
{
	peer_send_as(control_fd, id, type, body, bytes);
}

static unsigned hand_lanes = 1;
static const char *spec = "sim:bytes=1K";
static int (*pending)(void *dev, struct vfiomig_pending *pending, struct vfiomig_error *err); /* instead of its own */

static inline void start(unsigned flags)
{
	struct vfiomig_options options = { .size = sizeof(options),
					   .transport = VFIOMIG_TRANSPORT_TCP,
					   .lanes = hand_lanes,
					   .slots = 4,
					   .slot_bytes = VFIOMIG_SLOT_BYTES_MIN,
					   .peer_timeout_ms = PEER_LIMIT_MS,
					   .flags = VFIOMIG_OWN_COMMIT | VFIOMIG_NO_PLATFORM | flags };
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
static inline void to_lanes(unsigned flags)
{
	const struct message_agreed agreed = { .lanes = (uint16_t)hand_lanes,
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

static inline void answer(const struct peer_message *question, unsigned devices, uint64_t clock_ns)
{
	struct telemetry_measured measured = { .clock_ns = clock_ns, .devices = (uint16_t)devices };
	struct telemetry_measure measure;
	uint8_t body[MESSAGE_BYTES_MAX];

	cr_assert_eq(telemetry_decode_measure(&measure, question->body, question->bytes), 0);
	measured.sent_ns = measure.sent_ns;
	say(MESSAGE_MEASURED, body, telemetry_encode_measured(body, &measured));
}

/* As if @question had been asked at @sent_ns. */
static inline void answer_as(const struct peer_message *question, uint64_t sent_ns)
{
	const struct telemetry_measured measured = { .sent_ns = sent_ns, .clock_ns = 1000, .devices = 1 };
	uint8_t body[MESSAGE_BYTES_MAX];

	cr_assert_eq(question->type, MESSAGE_MEASURE);
	say(MESSAGE_MEASURED, body, telemetry_encode_measured(body, &measured));
}

/* Answers every MEASURE until a message of @type comes. */
static inline void await(uint16_t type)
{
	struct peer_message message;

	for (peer_receive(control_fd, &message); message.type != type; peer_receive(control_fd, &message)) {
		cr_assert_neq(message.type, 0, "the source closed before its %s", message_name(type));
		if (message.type == MESSAGE_MEASURE)
			answer(&message, 1, 1000);
	}
}

static inline void say_done(void)
{
	const struct message_failure well = { .error = { .code = VFIOMIG_OK } };
	uint8_t body[MESSAGE_BYTES_MAX];

	say(MESSAGE_DONE, body, message_encode_failure(body, &well));
}

static inline struct vfiomig_result result_of(void)
{
	struct pollfd fd = { vfiomig_session_fd(session), POLLIN, 0 };
	struct vfiomig_result result;

	while (!vfiomig_session_dispatch(session))
		cr_assert_gt(poll(&fd, 1, PEER_LIMIT_MS), 0, "the session does not end");
	cr_assert_eq(vfiomig_session_result(session, &result), 0);
	return result;
}

static inline void close_all(void)
{
	vfiomig_session_close(session);
	vfiomig_device_close(device);
	close(lane_fd);
	close(listener);
}

#endif
