/* SPDX-License-Identifier: MIT */
#include "unit/session_peer_stream.h"

#include <criterion/criterion.h>

#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "session/session.h"
#include "support/drive.h"
#include "unit/session_peer_memory.h"
#include "wire/immediate.h"

static struct peer_rig *rig;
static int control, lane_fd[PEER_LANES];
static uint8_t state[STREAM_DATA_PACKETS * STREAM_PACKET_BYTES + 1], config[65536];
static uint32_t config_bytes, slot_bytes = VFIOMIG_SLOT_BYTES_MIN;
static uint64_t missing_ns, stream_bytes_max, credited;

/* What the device of the rig would give, were it the source's. */
static void save_state(void)
{
	struct vfiomig_device *device = drive_open(PEER_DEVICE_SPEC);
	struct vfiomig_error err = { 0 };
	uint8_t *stream;
	ssize_t blob;
	size_t bytes;

	signal(SIGPIPE, SIG_IGN);
	stream = drive_save(device, sizeof(state), &bytes);
	cr_assert_eq(bytes, STREAM_DATA_PACKETS * STREAM_PACKET_BYTES);
	memcpy(state, stream, bytes);
	free(stream);
	blob = device->ops->config_get(device->impl, config, sizeof(config), &err);
	cr_assert_gt(blob, 0, "%s", err.text);
	config_bytes = (uint32_t)blob;
	vfiomig_device_close(device);
}

void stream_set_patience(uint64_t ns)
{
	missing_ns = ns;
}

void stream_set_slot_bytes(uint32_t bytes)
{
	slot_bytes = bytes;
}

void stream_set_stream_bytes(uint64_t max)
{
	stream_bytes_max = max;
}

static void set_limits(struct vfiomig_session *session)
{
	session->options.stream_bytes_max = stream_bytes_max;
	if (missing_ns)
		session->missing_ns = missing_ns;
}

void stream_start(struct peer_rig *peer, enum vfiomig_gate gate)
{
	struct message_offer offer = peer_offer(1);

	offer.gate = (uint8_t)gate;
	offer.slot_bytes = slot_bytes;
	save_state();
	rig = peer;
	credited = 0;
	peer_start_with(rig, 1, set_limits);
	control = peer_control(rig);
	peer_send_offer_of(control, &offer);
	peer_send_device(rig, control, 0, "");
	peer_await(control, MESSAGE_READY);
	for (unsigned lane = 0; lane < PEER_LANES; lane++) {
		lane_fd[lane] = peer_lane(rig, lane);
		peer_warm_up(lane_fd[lane], slot_bytes + PACKET_HEADER_BYTES);
	}
	peer_await(control, MESSAGE_LANES_READY);
	peer_memory_mark();
}

int stream_control(void)
{
	return control;
}

void stream_encode(struct stream_packet *packet)
{
	uint32_t sum = packet_sum(packet->payload, packet->header.bytes <= packet->sent_bytes ? packet->header.bytes
											      : packet->sent_bytes);

	packet->header.crc = packet_encode(packet->head, &packet->header, sum);
}

struct stream_packet stream_packet(uint64_t index, bool is_config)
{
	struct stream_packet packet = {
		.lane = (unsigned)(index % PEER_LANES),
		.immediate = immediate_make(IMMEDIATE_DATA, 0, index),
		.payload = is_config ? config : state + index % STREAM_DATA_PACKETS * STREAM_PACKET_BYTES,
		.sent_bytes = is_config ? config_bytes : STREAM_PACKET_BYTES,
		.header = { .index = index, .flags = PACKET_STOP_COPY | (is_config ? PACKET_CONFIG_STATE : 0) },
	};

	packet.header.bytes = packet.sent_bytes;
	memcpy(packet.header.session, peer_session, sizeof(packet.header.session));
	stream_encode(&packet);
	return packet;
}

/* A destination that has closed already takes no more, and its ABORT says why. */
static void put(int fd, const void *bytes, size_t count)
{
	while (count > 0) {
		ssize_t sent = send(fd, bytes, count, MSG_NOSIGNAL);

		if (sent <= 0)
			return;
		bytes = (const char *)bytes + sent;
		count -= (size_t)sent;
	}
}

static void put_prefix(unsigned lane, uint32_t immediate, uint32_t bytes)
{
	uint8_t frame[8];

	put_be32(frame, immediate);
	put_be32(frame + 4, bytes);
	put(lane_fd[lane], frame, sizeof(frame));
}

void stream_send_frame(unsigned lane, uint32_t immediate, const void *body, uint32_t bytes)
{
	put_prefix(lane, immediate, bytes);
	put(lane_fd[lane], body, bytes);
}

void stream_send(const struct stream_packet *packet)
{
	put_prefix(packet->lane, packet->immediate, PACKET_HEADER_BYTES + packet->sent_bytes);
	put(lane_fd[packet->lane], packet->head, PACKET_HEADER_BYTES);
	put(lane_fd[packet->lane], packet->payload, packet->sent_bytes);
}

void stream_send_true(uint64_t first, uint64_t last)
{
	for (uint64_t i = first; i <= last; i++) {
		struct stream_packet packet = stream_packet(i, i >= STREAM_DATA_PACKETS);

		if (i >= STREAM_SLOTS)
			stream_await_credit(i - STREAM_SLOTS + 1);
		stream_send(&packet);
	}
}

struct message_stream_end stream_manifest(void)
{
	struct message_stream_end end = { .packets = STREAM_PACKETS,
					  .bytes = STREAM_DATA_PACKETS * STREAM_PACKET_BYTES + config_bytes };

	for (uint64_t i = 0; i < STREAM_PACKETS; i++) {
		struct stream_packet packet = stream_packet(i, i >= STREAM_DATA_PACKETS);

		end.digest = packet_digest(end.digest, &packet.header);
	}
	return end;
}

void stream_send_end(const struct message_stream_end *end)
{
	uint8_t body[MESSAGE_BYTES_MAX];

	peer_send(control, MESSAGE_STREAM_END, body, message_encode_stream_end(body, end));
}

struct token stream_token(void)
{
	struct token token = { .devices = 1,
			       .count = { { STREAM_DATA_PACKETS, STREAM_DATA_PACKETS * STREAM_PACKET_BYTES } } };

	memcpy(token.session, peer_session, sizeof(token.session));
	return token;
}

void stream_send_token(const struct token *token)
{
	uint8_t body[TOKEN_BYTES_MAX];

	stream_send_frame(0, immediate_make(IMMEDIATE_TOKEN, 0, 0), body, (uint32_t)token_encode(body, token));
}

void stream_await_arrived(uint64_t packets)
{
	struct vfiomig_stats stats = { .size = sizeof(stats) };

	do {
		sched_yield();
		cr_assert_eq(vfiomig_session_stats(rig->session, &stats), 0);
		cr_assert_eq(vfiomig_session_dispatch(rig->session), 0, "it has ended");
	} while (stats.device[0].packets < packets);
}

void stream_await_credit(uint64_t packets)
{
	while (credited < packets) {
		struct pollfd fds[PEER_LANES];
		uint8_t frame[8];

		for (unsigned lane = 0; lane < PEER_LANES; lane++)
			fds[lane] = (struct pollfd){ lane_fd[lane], POLLIN, 0 };
		cr_assert_gt(poll(fds, PEER_LANES, PEER_LIMIT_MS), 0, "no credit comes");
		for (unsigned lane = 0; lane < PEER_LANES; lane++) {
			uint32_t immediate;

			if (!fds[lane].revents)
				continue;
			cr_assert_eq(recv(lane_fd[lane], frame, sizeof(frame), MSG_WAITALL), sizeof(frame),
				     "the lane is closed");
			immediate = get_be32(frame);
			cr_assert_eq(immediate_kind(immediate), IMMEDIATE_CREDIT);
			if (immediate_index(immediate) > credited)
				credited = immediate_index(immediate);
		}
	}
}

static void close_lanes(void)
{
	for (unsigned lane = 0; lane < PEER_LANES; lane++)
		close(lane_fd[lane]);
}

void stream_caught(enum vfiomig_code code, const char *name)
{
	size_t asked;

	peer_await_abort(control, name);
	asked = peer_memory_since();
	cr_assert_leq(asked, STREAM_MEMORY_MAX, "it asked for %zu bytes", asked);
	peer_end(rig, code, name, "reset");
	close_lanes();
}

void stream_runs(void)
{
	struct vfiomig_result result;
	struct pollfd fd = { vfiomig_session_fd(rig->session), POLLIN, 0 };

	peer_await(control, MESSAGE_DONE);
	shutdown(control, SHUT_WR);
	peer_await_end(control);
	while (!vfiomig_session_dispatch(rig->session))
		cr_assert_gt(poll(&fd, 1, PEER_LIMIT_MS), 0, "the session does not end");
	cr_assert_eq(vfiomig_session_result(rig->session, &result), 0);
	cr_assert_eq(result.error.code, VFIOMIG_OK, "%s", result.error.text);
	cr_assert_str_eq(result.destination_state, "running");
	vfiomig_session_close(rig->session);
	cr_assert_eq(vfiomig_device_state(rig->device[0]), VFIOMIG_STATE_RUNNING);
	vfiomig_device_close(rig->device[0]);
	vfiomig_listener_close(rig->listener);
	close_lanes();
}

void stream_succeeds(void)
{
	peer_await(control, MESSAGE_PREPARED);
	peer_send(control, MESSAGE_COMMIT, NULL, 0);
	stream_runs();
}
