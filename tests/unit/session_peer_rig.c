/* SPDX-License-Identifier: MIT */
#include "unit/session_peer_rig.h"

#include <criterion/criterion.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "control/address.h"
#include "control/frame.h"
#include "core/plan.h"
#include "wire/hello.h"
#include "wire/immediate.h"

uint8_t peer_session[16] = { 0x5e, 0x55, 0x10 };

/* Each its own, as real ones have: another test may have left a record. */
static void choose_session(void)
{
	static uint32_t sessions;

	put_be32(peer_session + 4, (uint32_t)getpid());
	put_be32(peer_session + 8, ++sessions);
}

static void add_device(struct peer_rig *rig)
{
	struct vfiomig_device **device = &rig->device[rig->devices++];
	struct vfiomig_error err = { 0 };

	cr_assert_eq(vfiomig_device_open(device, PEER_DEVICE_SPEC, &err), 0, "%s", err.text);
	cr_assert_eq(vfiomig_session_add_device(rig->session, *device, &err), 0, "%s", err.text);
}

void peer_start(struct peer_rig *rig, unsigned devices)
{
	peer_start_with(rig, devices, NULL);
}

void peer_start_with(struct peer_rig *rig, unsigned devices, void (*prepare)(struct vfiomig_session *session))
{
	struct vfiomig_options options = { .size = sizeof(options),
					   .transport = VFIOMIG_TRANSPORT_TCP,
					   .loader = VFIOMIG_LOADER_WRITE,
					   .peer_timeout_ms = PEER_LIMIT_MS, /* silence must decide nothing here */
					   .flags = VFIOMIG_OWN_COMMIT | VFIOMIG_NO_PLATFORM };
	struct vfiomig_error err = { 0 };

	*rig = (struct peer_rig){ 0 };
	choose_session();
	cr_assert_eq(vfiomig_listener_open(&rig->listener, "127.0.0.1:0", &err), 0, "%s", err.text);
	options.listener = rig->listener;
	cr_assert_eq(vfiomig_session_create(&rig->session, VFIOMIG_DESTINATION, &options, &err), 0, "%s", err.text);
	while (rig->devices < devices)
		add_device(rig);
	if (prepare)
		prepare(rig->session);
	cr_assert_eq(vfiomig_session_start(rig->session, &err), 0, "%s", err.text);
}

static void await_end_of_session(struct peer_rig *rig)
{
	struct pollfd fd = { vfiomig_session_fd(rig->session), POLLIN, 0 };

	while (!vfiomig_session_dispatch(rig->session))
		cr_assert_gt(poll(&fd, 1, PEER_LIMIT_MS), 0, "the session does not end");
}

void peer_end(struct peer_rig *rig, enum vfiomig_code code, const char *name, const char *destination_state)
{
	struct vfiomig_result result;

	await_end_of_session(rig);
	cr_assert_eq(vfiomig_session_result(rig->session, &result), 0);
	cr_assert_eq(result.error.code, code, "%s: %s", result.error.name, result.error.text);
	if (name)
		cr_assert_str_eq(result.error.name, name);
	cr_assert_str_eq(result.destination_state, destination_state);
	vfiomig_session_close(rig->session);
	for (unsigned d = 0; d < rig->devices; d++) {
		cr_assert_eq(vfiomig_device_state(rig->device[d]), VFIOMIG_STATE_RUNNING);
		vfiomig_device_close(rig->device[d]);
	}
	vfiomig_listener_close(rig->listener);
}

int peer_connect(const struct peer_rig *rig)
{
	const struct timeval limit = { .tv_sec = PEER_LIMIT_MS / 1000 };
	struct sockaddr_storage address;
	struct vfiomig_error err = { 0 };
	socklen_t bytes;
	int fd;

	cr_assert_eq(address_resolve(vfiomig_listener_address(rig->listener), false, &address, &bytes, &err), 0, "%s",
		     err.text);
	fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cr_assert_geq(fd, 0);
	cr_assert_eq(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
	cr_assert_eq(connect(fd, (struct sockaddr *)&address, bytes), 0, "%s", strerror(errno));
	return fd;
}

/* All of @bytes, or false: the destination has closed. */
static bool read_all(int fd, void *to, size_t bytes)
{
	ssize_t got = recv(fd, to, bytes, bytes ? MSG_WAITALL : 0);

	cr_assert(got >= 0 || errno == ECONNRESET, "the destination neither speaks nor closes: %s", strerror(errno));
	return got == (ssize_t)bytes;
}

int peer_control(const struct peer_rig *rig)
{
	const struct preface preface = { .version = WIRE_VERSION, .kind = PREFACE_CONTROL };
	uint8_t bytes[PREFACE_BYTES];
	int fd = peer_connect(rig);

	preface_encode(bytes, &preface);
	peer_write(fd, bytes, sizeof(bytes));
	cr_assert(read_all(fd, bytes, sizeof(bytes)), "the destination does not answer the preface");
	return fd;
}

int peer_lane(const struct peer_rig *rig, unsigned lane)
{
	const struct preface preface = { .version = WIRE_VERSION, .kind = PREFACE_LANE };
	struct hello hello = { .version = WIRE_VERSION, .lane = (uint16_t)lane };
	uint8_t bytes[PREFACE_BYTES + HELLO_BYTES];
	int fd = peer_connect(rig);

	memcpy(hello.session, peer_session, sizeof(hello.session));
	preface_encode(bytes, &preface);
	hello_encode(bytes + PREFACE_BYTES, &hello);
	peer_write(fd, bytes, sizeof(bytes));
	cr_assert(read_all(fd, bytes, PREFACE_BYTES), "the destination does not answer the lane");
	return fd;
}

void peer_warm_up(int lane_fd, uint32_t bytes)
{
	static uint8_t body[1 << 20];
	uint8_t frame[8];

	cr_assert_leq(bytes, sizeof(body));
	put_be32(frame, immediate_make(IMMEDIATE_CONTROL, 0, 0));
	put_be32(frame + 4, bytes);
	peer_write(lane_fd, frame, sizeof(frame));
	for (size_t left = bytes; left > 0;) {
		ssize_t sent = send(lane_fd, body, left, MSG_NOSIGNAL);

		if (sent <= 0)
			return; /* refused by its frame alone */
		left -= (size_t)sent;
	}
}

void peer_write(int fd, const void *bytes, size_t count)
{
	cr_assert_eq(send(fd, bytes, count, MSG_NOSIGNAL), (ssize_t)count, "%s", strerror(errno));
}

void peer_send(int fd, uint16_t type, const void *body, size_t bytes)
{
	peer_send_as(fd, peer_session, type, body, bytes);
}

void peer_send_as(int fd, const uint8_t session[16], uint16_t type, const void *body, size_t bytes)
{
	struct frame_head head = { .bytes = (uint32_t)bytes, .version = WIRE_VERSION, .type = type };
	uint8_t frame[FRAME_HEAD_BYTES + MESSAGE_BYTES_MAX];

	memcpy(head.session, session, sizeof(head.session));
	frame_head_encode(frame, &head);
	if (bytes)
		memcpy(frame + FRAME_HEAD_BYTES, body, bytes);
	peer_write(fd, frame, FRAME_HEAD_BYTES + bytes);
}

struct message_offer peer_offer(unsigned devices)
{
	return (struct message_offer){ .devices = (uint16_t)devices,
				       .lanes = PEER_LANES,
				       .slots = 4,
				       .slot_bytes = VFIOMIG_SLOT_BYTES_MIN,
				       .transports = 1 << VFIOMIG_TRANSPORT_TCP,
				       .arch = (uint8_t)plan_arch() };
}

void peer_send_offer_of(int fd, const struct message_offer *offer)
{
	uint8_t body[MESSAGE_BYTES_MAX];

	peer_send(fd, MESSAGE_OFFER, body, message_encode_offer(body, offer));
}

void peer_send_offer(int fd, unsigned devices)
{
	const struct message_offer offer = peer_offer(devices);

	peer_send_offer_of(fd, &offer);
}

void peer_send_device(const struct peer_rig *rig, int fd, unsigned number, const char *name)
{
	struct message_device device = { .number = (uint16_t)number };
	uint8_t body[MESSAGE_BYTES_MAX];

	device.info = *vfiomig_device_info(rig->device[number < rig->devices ? number : 0]);
	snprintf(device.name, sizeof(device.name), "%s", name);
	peer_send(fd, MESSAGE_DEVICE, body, message_encode_device(body, &device));
}

void peer_receive(int fd, struct peer_message *message)
{
	uint8_t bytes[FRAME_HEAD_BYTES];
	struct frame_head head;

	do {
		*message = (struct peer_message){ 0 };
		if (!read_all(fd, bytes, sizeof(bytes)))
			return;
		frame_head_decode(&head, bytes);
		cr_assert_leq(head.bytes, MESSAGE_BYTES_MAX);
		if (head.bytes && !read_all(fd, message->body, head.bytes))
			return;
		message->type = head.type;
		memcpy(message->session, head.session, sizeof(message->session));
		message->bytes = head.bytes;
	} while (message->type == MESSAGE_HEARTBEAT);
}

void peer_await(int fd, uint16_t type)
{
	struct peer_message message;

	do {
		peer_receive(fd, &message);
		cr_assert_neq(message.type, 0, "the destination closed before its %s", message_name(type));
		cr_assert(message.type == type || message.type != MESSAGE_ABORT, "it gave up before its %s",
			  message_name(type));
	} while (message.type != type);
}

void peer_await_end(int fd)
{
	struct peer_message message;

	do
		peer_receive(fd, &message);
	while (message.type != 0);
	close(fd);
}

void peer_await_abort(int fd, const char *name)
{
	struct message_failure failure;
	struct peer_message message;

	do {
		peer_receive(fd, &message);
		cr_assert_neq(message.type, 0, "it closed without a word");
	} while (message.type != MESSAGE_ABORT);
	cr_assert_eq(message_decode_failure(&failure, message.body, message.bytes), 0);
	cr_assert_str_eq(failure.error.name, name, "%s", failure.error.text);
	peer_await_end(fd);
}
