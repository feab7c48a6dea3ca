/* SPDX-License-Identifier: MIT */
/*
 * Sources that lie about their packets, each in one point. The destination calls every lie by a name of its own, resets its
 * devices and has asked for no memory by the liar's number (stream_caught).
 */
#include <criterion/criterion.h>

#include <string.h>

#include "base/bytes.h"
#include "session/session.h"
#include "unit/session_peer_stream.h"
#include "wire/immediate.h"

TestSuite(session_peer_liar, .timeout = 120);

static struct peer_rig rig;

static void start(void)
{
	stream_start(&rig, VFIOMIG_GATE_OFF);
}

static void caught(const char *name)
{
	stream_caught(VFIOMIG_PROTOCOL, name);
}

static void send_packet(uint64_t index, bool config)
{
	struct stream_packet packet = stream_packet(index, config);

	stream_send(&packet);
}

Test(session_peer_liar, who_tells_the_truth_is_believed)
{
	struct message_stream_end end;

	start();
	end = stream_manifest();
	stream_send_true(0, STREAM_PACKETS - 1);
	stream_send_end(&end);
	stream_succeeds();
}

Test(session_peer_liar, index_twice_with_the_same_bytes_is_packet_twice)
{
	start();
	send_packet(1, false); /* waits for packet 0 */
	send_packet(1, false);
	caught("packet-twice");
}

Test(session_peer_liar, index_twice_with_other_bytes_is_packet_twice)
{
	struct stream_packet packet;

	start();
	packet = stream_packet(1, false);
	stream_send(&packet);
	stream_await_arrived(1);
	packet.payload += STREAM_PACKET_BYTES;
	stream_encode(&packet);
	stream_send(&packet);
	caught("packet-twice");
}

Test(session_peer_liar, index_that_is_loaded_already_is_packet_twice)
{
	start();
	send_packet(0, false);
	stream_await_credit(1);
	send_packet(0, false);
	caught("packet-twice");
}

Test(session_peer_liar, index_missing_though_all_is_said_to_be_out_is_packet_missing)
{
	struct message_stream_end end;

	stream_set_patience(1);
	start();
	end = stream_manifest();
	stream_send_true(0, 1);
	send_packet(3, false);
	stream_await_arrived(3);
	stream_send_end(&end);
	caught("packet-missing");
}

Test(session_peer_liar, index_of_32_ones_is_beyond_the_window)
{
	struct stream_packet packet;

	start();
	packet = stream_packet(UINT32_MAX, false);
	stream_send(&packet);
	caught("packet-beyond-window");
}

Test(session_peer_liar, index_of_64_ones_is_not_what_the_immediate_says)
{
	struct stream_packet packet;

	start();
	packet = stream_packet(0, false);
	packet.header.index = UINT64_MAX;
	stream_encode(&packet);
	stream_send(&packet);
	caught("packet-immediate");
}

Test(session_peer_liar, index_without_a_credit_is_beyond_the_window)
{
	start();
	send_packet(STREAM_SLOTS, false);
	caught("packet-beyond-window");
}

Test(session_peer_liar, config_again_on_another_index_is_config_twice)
{
	start();
	send_packet(2, true);
	stream_await_arrived(1);
	send_packet(1, true);
	caught("config-twice");
}

Test(session_peer_liar, config_again_on_its_index_is_packet_twice)
{
	start();
	send_packet(2, true);
	send_packet(2, true);
	caught("packet-twice");
}

Test(session_peer_liar, config_on_an_index_that_is_loaded_is_packet_twice)
{
	start();
	send_packet(0, false);
	stream_await_credit(1);
	send_packet(0, true);
	caught("packet-twice");
}

Test(session_peer_liar, config_below_an_index_that_came_is_not_last)
{
	start();
	send_packet(2, false);
	stream_await_arrived(1);
	send_packet(1, true);
	caught("config-not-last");
}

Test(session_peer_liar, config_missing_though_all_is_here_is_config_missing)
{
	struct message_stream_end end;

	start();
	end = stream_manifest();
	end.packets--;
	stream_send_true(0, STREAM_DATA_PACKETS - 1);
	stream_await_credit(STREAM_DATA_PACKETS);
	stream_send_end(&end);
	caught("config-missing");
}

Test(session_peer_liar, config_followed_by_more_is_packet_after_config)
{
	start();
	send_packet(1, true);
	stream_await_arrived(1);
	send_packet(2, false);
	caught("packet-after-config");
}

Test(session_peer_liar, config_longer_than_any_is_config_too_long)
{
	static const uint8_t zero[2 * VFIOMIG_SLOT_BYTES_MIN];
	struct stream_packet packet;

	stream_set_slot_bytes(sizeof(zero));
	start();
	packet = stream_packet(0, true);
	packet.payload = zero;
	packet.header.bytes = packet.sent_bytes = CONFIG_BLOB_BYTES_MAX + 1;
	stream_encode(&packet);
	stream_send(&packet);
	caught("config-too-long");
}

/* A byte of the header, and what it is called. */
static void falsified(size_t at, uint8_t flip, const char *name)
{
	struct stream_packet packet;

	start();
	packet = stream_packet(0, false);
	packet.head[at] ^= flip;
	stream_send(&packet);
	caught(name);
}

Test(session_peer_liar, header_of_another_magic_version_or_session_or_with_unknown_bits_is_called_that)
{
	falsified(0, 1, "packet-magic");
	falsified(5, 2, "packet-version");
	falsified(7, 1, "packet-immediate"); /* the device */
	falsified(19, 0x80, "packet-flags");
	falsified(24, 1, "packet-session");
	falsified(57, 1, "packet-reserved");
	falsified(40, 1, "packet-damaged"); /* a time */
	falsified(60, 1, "packet-damaged"); /* the CRC itself */
}

/* The header says @header_bytes, the frame has @sent_bytes. */
static void of_length(uint32_t header_bytes, uint32_t sent_bytes, const char *name)
{
	static const uint8_t payload[VFIOMIG_SLOT_BYTES_MIN + 1];
	struct stream_packet packet;

	start();
	packet = stream_packet(0, false);
	packet.payload = payload;
	packet.sent_bytes = sent_bytes;
	packet.header.bytes = header_bytes;
	stream_encode(&packet);
	stream_send(&packet);
	caught(name);
}

Test(session_peer_liar, length_that_is_not_the_frames_or_no_slots_is_called_that)
{
	of_length(STREAM_PACKET_BYTES, STREAM_PACKET_BYTES - 1, "packet-length");
	of_length(STREAM_PACKET_BYTES, STREAM_PACKET_BYTES + 1, "packet-length");
	of_length(UINT32_MAX, STREAM_PACKET_BYTES, "packet-too-long");
	of_length(VFIOMIG_SLOT_BYTES_MIN + 1, VFIOMIG_SLOT_BYTES_MIN + 1, "lane-frame-bytes");
}

Test(session_peer_liar, frame_shorter_than_a_header_or_longer_than_memory_is_refused_by_its_length)
{
	static const uint8_t zero[PACKET_HEADER_BYTES];

	start();
	stream_send_frame(0, immediate_make(IMMEDIATE_DATA, 0, 0), zero, PACKET_HEADER_BYTES - 1);
	caught("lane-frame-bytes");
	start();
	stream_send_frame(0, immediate_make(IMMEDIATE_DATA, 0, 0), zero, 0);
	caught("lane-frame-bytes");
}

/* Packet 1 waits in its slot for packet 0; the slot is the test's to write to, as it is an RDMA peer's. */
static struct stream_packet arrived_and_waiting(void)
{
	struct stream_packet packet;

	start();
	packet = stream_packet(1, false);
	stream_send(&packet);
	stream_await_arrived(1);
	return packet;
}

Test(session_peer_liar, header_changed_after_its_arrival_has_no_effect)
{
	struct message_stream_end end;

	arrived_and_waiting();
	memset(arena_header(&rig.session->arena, 0, 1), 0xff, PACKET_HEADER_BYTES);
	send_packet(0, false);
	stream_send_true(2, STREAM_PACKETS - 1);
	end = stream_manifest();
	stream_send_end(&end);
	stream_succeeds();
}

Test(session_peer_liar, payload_changed_after_its_arrival_is_packet_damaged)
{
	uint8_t *payload;

	arrived_and_waiting();
	payload = arena_payload(&rig.session->arena, 0, 1);
	payload[STREAM_PACKET_BYTES - 1] ^= 1;
	send_packet(0, false);
	caught("packet-damaged");
}

Test(session_peer_liar, immediate_of_another_index_or_device_or_kind_is_called_that)
{
	struct stream_packet packet;

	start();
	packet = stream_packet(2, false);
	packet.immediate = immediate_make(IMMEDIATE_DATA, 0, 0);
	stream_send(&packet);
	caught("packet-immediate");

	start();
	packet = stream_packet(0, false);
	packet.immediate = immediate_make(IMMEDIATE_DATA, 63, 0);
	stream_send(&packet);
	caught("packet-foreign-device");

	start();
	stream_send_frame(0, immediate_make(IMMEDIATE_CREDIT, 0, 1), NULL, 0);
	caught("lane-direction");
}

Test(session_peer_liar, lane_that_is_not_the_packets_own_is_packet_lane)
{
	struct stream_packet packet;

	start();
	packet = stream_packet(0, false);
	packet.lane = 1;
	stream_send(&packet);
	caught("packet-lane");
}

Test(session_peer_liar, stream_longer_than_this_side_allows_is_called_that)
{
	stream_set_stream_bytes(2 * STREAM_PACKET_BYTES);
	start();
	stream_send_true(0, 1);
	stream_await_credit(2);
	send_packet(2, false);
	caught("stream-too-long");
}
