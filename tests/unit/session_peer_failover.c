/* SPDX-License-Identifier: MIT */
/* A source made by hand whose lanes die: what the destination tells of them, and what it takes over the others. */
#include <criterion/criterion.h>

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "unit/session_peer_rig.h"
#include "wire/immediate.h"
#include "wire/packet.h"

TestSuite(session_peer_failover, .timeout = 120);

enum { TRIAL_BYTES = VFIOMIG_SLOT_BYTES_MIN + PACKET_HEADER_BYTES, PAYLOAD_BYTES = 1000 };
enum { FRAME_BYTES = 8 + PACKET_HEADER_BYTES + PAYLOAD_BYTES };

static struct peer_rig rig;
static int control_fd, lane_fd[PEER_LANES];
static uint8_t id[16];

static void await(uint16_t type, struct peer_message *message)
{
	do {
		peer_receive(control_fd, message);
		cr_assert_neq(message->type, 0, "it closed before its %s", message_name(type));
	} while (message->type != type);
	memcpy(id, message->session, sizeof(id));
}

/* All lanes stand, and packets may come. */
static void start(void)
{
	struct peer_message message;

	peer_start(&rig, 1);
	control_fd = peer_control(&rig);
	peer_send_offer(control_fd, 1);
	peer_send_device(&rig, control_fd, 0, "");
	await(MESSAGE_READY, &message);
	for (unsigned lane = 0; lane < PEER_LANES; lane++)
		lane_fd[lane] = peer_lane(&rig, lane);
	for (unsigned lane = 0; lane < PEER_LANES; lane++)
		peer_warm_up(lane_fd[lane], TRIAL_BYTES);
	await(MESSAGE_LANES_READY, &message);
}

/* The first @bytes of packet @index of device 0 as it lies on the wire. */
static void send_packet(unsigned lane, uint64_t index, size_t bytes)
{
	struct packet_header header = { .index = index, .bytes = PAYLOAD_BYTES };
	uint8_t frame[FRAME_BYTES];

	memset(frame, (int)index, sizeof(frame));
	memcpy(header.session, id, sizeof(id));
	put_be32(frame, immediate_make(IMMEDIATE_DATA, 0, index));
	put_be32(frame + 4, PACKET_HEADER_BYTES + PAYLOAD_BYTES);
	packet_encode(frame + 8, &header, packet_sum(frame + 8 + PACKET_HEADER_BYTES, PAYLOAD_BYTES));
	peer_write(lane_fd[lane], frame, bytes);
}

/* The destination has loaded so many, and says so over @lane. */
static void await_credit(unsigned lane, uint32_t loaded)
{
	uint32_t immediate = 0;

	while (immediate != immediate_make(IMMEDIATE_CREDIT, 0, loaded)) {
		uint8_t frame[8];

		cr_assert_eq(recv(lane_fd[lane], frame, sizeof(frame), MSG_WAITALL), (ssize_t)sizeof(frame));
		immediate = get_be32(frame);
	}
}

static void await_lane_lost(unsigned lane)
{
	struct peer_message message;
	struct message_lane lost;

	await(MESSAGE_LANE_LOST, &message);
	cr_assert_eq(message_decode_lane(&lost, message.body, message.bytes), 0);
	cr_assert_eq(lost.lane, lane);
}

static void ask_to_fence(unsigned lane)
{
	struct message_lane fence = { .lane = (uint16_t)lane };
	uint8_t body[2];

	peer_send(control_fd, MESSAGE_FENCE, body, message_encode_lane(body, &fence));
}

static struct message_fenced *await_fenced(unsigned lane)
{
	static struct message_fenced fenced;
	static struct peer_message message;

	await(MESSAGE_FENCED, &message);
	cr_assert_eq(message_decode_fenced(&fenced, message.body, message.bytes), 0);
	cr_assert_eq(fenced.lane, lane);
	cr_assert_eq(fenced.number, 0);
	cr_assert_eq(fenced.slots, 4);
	return &fenced;
}

static void ends_with(enum vfiomig_code code, const char *name)
{
	peer_await_abort(control_fd, name);
	peer_end(&rig, code, name, "reset");
	for (unsigned lane = 0; lane < PEER_LANES; lane++)
		close(lane_fd[lane]);
}

static void cancelled(void)
{
	vfiomig_session_cancel(rig.session);
	peer_await_end(control_fd);
	peer_end(&rig, VFIOMIG_CANCELLED, NULL, "reset");
	for (unsigned lane = 0; lane < PEER_LANES; lane++)
		close(lane_fd[lane]);
}

Test(session_peer_failover, is_told_what_came_whole_and_sends_the_rest_over_another_lane)
{
	const struct message_fenced *fenced;

	start();
	send_packet(1, 1, FRAME_BYTES);
	send_packet(1, 3, FRAME_BYTES - 1);
	shutdown(lane_fd[1], SHUT_WR);
	await_lane_lost(1);
	ask_to_fence(1);
	fenced = await_fenced(1);
	cr_assert_eq(fenced->loaded, 0);
	cr_assert_not(fenced->token);
	for (uint32_t i = 0; i < 4; i++)
		cr_assert_eq(message_here(fenced, i), i == 1, "packet %u", i);
	send_packet(0, 3, FRAME_BYTES);
	send_packet(0, 0, FRAME_BYTES);
	send_packet(0, 2, FRAME_BYTES);
	await_credit(0, 4);
	cancelled();
}

Test(session_peer_failover, may_ask_before_the_destination_has_noticed)
{
	const struct message_fenced *fenced;

	start();
	send_packet(0, 0, FRAME_BYTES);
	await_credit(1, 1);
	ask_to_fence(1);
	fenced = await_fenced(1);
	cr_assert_eq(fenced->loaded, 1);
	for (uint32_t i = 0; i < 4; i++)
		cr_assert_not(message_here(fenced, i));
	send_packet(0, 1, FRAME_BYTES);
	await_credit(0, 2);
	cancelled();
}

Test(session_peer_failover, is_rehearsed_by_the_bytes_that_a_lane_has_carried)
{
	start();
	cr_assert_eq(vfiomig_session_lose_lane(rig.session, VFIOMIG_LANES_MAX, 0), -EINVAL);
	cr_assert_eq(vfiomig_session_lose_lane(rig.session, 1, PAYLOAD_BYTES + 1), 0);
	cr_assert_eq(vfiomig_session_lose_lane(rig.session, PEER_LANES, 0), 0, "the session has no such lane");
	send_packet(0, 0, FRAME_BYTES);
	send_packet(1, 1, FRAME_BYTES);
	await_credit(0, 2);
	send_packet(1, 3, FRAME_BYTES);
	await_lane_lost(1);
	ask_to_fence(1);
	await_fenced(1);
	cancelled();
}

Test(session_peer_failover, that_takes_another_lane_before_its_own_is_fenced_breaks_the_protocol)
{
	start();
	send_packet(0, 1, FRAME_BYTES);
	ends_with(VFIOMIG_PROTOCOL, "packet-lane");
}

Test(session_peer_failover, that_sends_again_what_was_seen_breaks_the_protocol)
{
	start();
	send_packet(1, 1, FRAME_BYTES);
	shutdown(lane_fd[1], SHUT_WR);
	await_lane_lost(1);
	ask_to_fence(1);
	cr_assert(message_here(await_fenced(1), 1));
	send_packet(0, 1, FRAME_BYTES);
	ends_with(VFIOMIG_PROTOCOL, "packet-twice");
}

Test(session_peer_failover, that_asks_twice_or_for_a_lane_that_is_none_is_out_of_phase)
{
	start();
	ask_to_fence(1);
	await_fenced(1);
	ask_to_fence(1);
	ends_with(VFIOMIG_PROTOCOL, "message-out-of-phase");
	start();
	ask_to_fence(PEER_LANES);
	ends_with(VFIOMIG_PROTOCOL, "message-out-of-phase");
}

Test(session_peer_failover, that_asks_for_what_cannot_be_read_ends_the_session)
{
	uint8_t body[4] = { 0xff, 0xff };

	start();
	peer_send(control_fd, MESSAGE_FENCE, body, 2);
	ends_with(VFIOMIG_PROTOCOL, "message-malformed");
	start();
	peer_send(control_fd, MESSAGE_FENCE, body, 1);
	ends_with(VFIOMIG_PROTOCOL, "message-malformed");
}

Test(session_peer_failover, that_has_lost_every_lane_gets_its_devices_back)
{
	start();
	for (unsigned lane = 0; lane < PEER_LANES; lane++)
		shutdown(lane_fd[lane], SHUT_WR);
	ends_with(VFIOMIG_FABRIC, "lane-closed");
}
