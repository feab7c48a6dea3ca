/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "transport/tcp.h"
#include "unit/transport_tcp_rig.h"
#include "wire/immediate.h"

Test(tcp_lane, a_packet_lies_on_the_wire_as_written_down)
{
	struct rig rig;
	int raw = rig_open_source(&rig);
	struct fabric_packet packet = rig_packet(0, 2, 1000);
	uint8_t wanted[RIG_FRAME_BYTES + ARENA_HEADER_BYTES + 1000], got[sizeof(wanted)];

	rig_fill(&rig.source_arena, 0, 2, 1000);
	cr_assert_eq(rig.source->ops->post(rig.source, 0, &packet), 1);
	rig_wire_packet(wanted, &rig.source_arena, 2, 1000);
	rig_read(raw, got, sizeof(got));
	cr_assert_arr_eq(got, wanted, sizeof(got));
	close(raw);
	rig_close(&rig);
}

Test(tcp_lane, a_token_travels_between_the_token_areas)
{
	struct fabric_packet packet = { .immediate = immediate_make(IMMEDIATE_TOKEN, 0, 0),
					.bytes = ARENA_TOKEN_BYTES };
	struct rig rig;

	rig_open(&rig, 1);
	memset(arena_token(&rig.source_arena), 0x5a, ARENA_TOKEN_BYTES);
	cr_assert_eq(rig.source->ops->post(rig.source, 0, &packet), 1);
	cr_assert_eq(rig_event(rig.destination).immediate, packet.immediate);
	cr_assert_arr_eq(arena_token(&rig.destination_arena), arena_token(&rig.source_arena), ARENA_TOKEN_BYTES);
	rig_close(&rig);
}

Test(tcp_lane, packets_arrive_whole_in_their_slots)
{
	static const uint32_t sizes[] = { 0, 1, 4095, RIG_SLOT_BYTES };
	struct rig rig;

	rig_open(&rig, 2);
	for (unsigned i = 0; i < 4; i++) {
		struct fabric_packet packet = rig_packet(1, i, sizes[i]);
		struct fabric_event event;

		rig_fill(&rig.source_arena, 1, i, sizes[i]);
		if (rig.source->ops->post(rig.source, i % 2, &packet) == 0)
			event = rig_event_pushed(rig.destination, rig.source);
		else
			event = rig_event(rig.destination);
		cr_assert_eq(event.kind, FABRIC_ARRIVED);
		cr_assert_eq(event.immediate, packet.immediate);
		cr_assert(rig_same(&rig, 1, i, sizes[i]), "size %u", sizes[i]);
	}
	cr_assert_eq(rig.sink.placed, 4);
	rig_close(&rig);
}

/* A first message over a lane: as long as a packet of @bytes, and placed like one. Returns its bytes on the wire. */
static size_t make_first_message(uint8_t *wire, struct rig *rig, unsigned slot, uint32_t bytes)
{
	size_t whole;

	rig_fill(&rig->source_arena, 0, slot, bytes);
	whole = rig_wire_packet(wire, &rig->source_arena, slot, bytes);
	put_be32(wire, immediate_make(IMMEDIATE_CONTROL, 0, slot));
	return whole;
}

Test(tcp_lane, a_first_message_may_be_as_long_as_a_packet_and_arrives_as_one)
{
	static uint8_t wire[RIG_FRAME_BYTES + ARENA_HEADER_BYTES + RIG_SLOT_BYTES];
	static const uint32_t sizes[] = { 0, 1, 5000 };
	struct rig rig;
	int raw = rig_open_destination(&rig);

	for (unsigned i = 0; i < 3; i++) {
		size_t bytes = make_first_message(wire, &rig, i, sizes[i]);
		struct fabric_event event;

		rig_write(raw, wire, bytes);
		event = rig_event(rig.destination);
		cr_assert_eq(event.kind, FABRIC_ARRIVED);
		cr_assert_eq(event.immediate, immediate_make(IMMEDIATE_CONTROL, 0, i));
		cr_assert(rig_same(&rig, 0, i, sizes[i]), "size %u", sizes[i]);
	}
	cr_assert_eq(rig.sink.placed, 3);
	close(raw);
	rig_close(&rig);
}

Test(tcp_lane, a_first_message_as_long_as_a_slot_goes_from_fabric_to_fabric)
{
	struct fabric_packet packet = rig_packet(0, 1, RIG_SLOT_BYTES);
	struct fabric_event event;
	struct rig rig;

	rig_open(&rig, 1);
	packet.immediate = immediate_make(IMMEDIATE_CONTROL, 0, 1);
	rig_fill(&rig.source_arena, 0, 1, RIG_SLOT_BYTES);
	if (rig.source->ops->post(rig.source, 0, &packet) == 0)
		event = rig_event_pushed(rig.destination, rig.source);
	else
		event = rig_event(rig.destination);
	cr_assert_eq(event.kind, FABRIC_ARRIVED);
	cr_assert_eq(event.immediate, packet.immediate);
	cr_assert(rig_same(&rig, 0, 1, RIG_SLOT_BYTES));
	rig_close(&rig);
}

Test(tcp_lane, a_first_message_may_come_byte_by_byte_with_packets_and_empty_ones_around_it)
{
	uint8_t wire[4 * (RIG_FRAME_BYTES + ARENA_HEADER_BYTES + 30)];
	static const unsigned kinds[] = { IMMEDIATE_CONTROL, IMMEDIATE_CONTROL, IMMEDIATE_DATA, IMMEDIATE_CONTROL };
	struct fabric_event event;
	size_t bytes = 0;
	unsigned arrived = 0;
	struct rig rig;
	int raw = rig_open_destination(&rig);

	put_be32(wire, immediate_make(IMMEDIATE_CONTROL, 0, 9));
	put_be32(wire + 4, 0);
	bytes = RIG_FRAME_BYTES;
	bytes += make_first_message(wire + bytes, &rig, 0, 30);
	rig_fill(&rig.source_arena, 0, 1, 20);
	bytes += rig_wire_packet(wire + bytes, &rig.source_arena, 1, 20);
	bytes += make_first_message(wire + bytes, &rig, 2, 0);
	for (size_t i = 0; i < bytes; i++) {
		rig_write(raw, wire + i, 1);
		if (rig_poll(rig.destination, 1, &event))
			cr_assert_eq(immediate_kind(event.immediate), kinds[arrived++]);
	}
	cr_assert_eq(arrived, 4);
	cr_assert(rig_same(&rig, 0, 0, 30) && rig_same(&rig, 0, 1, 20) && rig_same(&rig, 0, 2, 0));
	close(raw);
	rig_close(&rig);
}

Test(tcp_lane, a_first_message_cut_short_never_arrives)
{
	uint8_t wire[RIG_FRAME_BYTES + ARENA_HEADER_BYTES + 500];
	struct rig rig;
	int raw = rig_open_destination(&rig);
	size_t bytes = make_first_message(wire, &rig, 0, 500);

	rig_write(raw, wire, bytes - 1);
	close(raw);
	rig_assert_dead(rig.destination, EPIPE, VFIOMIG_FABRIC, "lane-closed");
	cr_assert_not_null(strstr(rig.destination->ops->error(rig.destination, 0)->text, "in the middle"));
	rig_close(&rig);
}

Test(tcp_lane, a_first_message_that_the_sink_does_not_want_kills_the_lane)
{
	uint8_t wire[RIG_FRAME_BYTES + ARENA_HEADER_BYTES + 500];
	struct rig rig;
	int raw = rig_open_destination(&rig);
	size_t bytes = make_first_message(wire, &rig, 0, 500);

	rig.sink.refuse = -EPROTO;
	rig_write(raw, wire, bytes);
	rig_assert_dead(rig.destination, EPROTO, VFIOMIG_PROTOCOL, "lane-refused");
	close(raw);
	rig_close(&rig);
}

Test(tcp_lane, bytes_may_come_one_by_one)
{
	struct rig rig;
	int raw = rig_open_destination(&rig);
	uint8_t wire[3 * (RIG_FRAME_BYTES + ARENA_HEADER_BYTES + 20)];
	struct fabric_event event;
	size_t bytes = 0;
	unsigned arrived = 0;

	for (unsigned slot = 0; slot < 3; slot++) {
		rig_fill(&rig.source_arena, 0, slot, 20 * (slot % 2));
		bytes += rig_wire_packet(wire + bytes, &rig.source_arena, slot, 20 * (slot % 2));
	}
	for (size_t i = 0; i < bytes; i++) {
		rig_write(raw, wire + i, 1);
		arrived += rig_poll(rig.destination, 1, &event);
	}
	cr_assert_eq(arrived, 3);
	for (unsigned slot = 0; slot < 3; slot++)
		cr_assert(rig_same(&rig, 0, slot, 20 * (slot % 2)));
	close(raw);
	rig_close(&rig);
}

Test(tcp_lane, frames_that_come_together_are_told_one_by_one)
{
	struct rig rig;
	int raw = rig_open_destination(&rig);
	uint8_t wire[2 * (RIG_FRAME_BYTES + ARENA_HEADER_BYTES + 10)];
	struct pollfd fds[FABRIC_POLLFDS_MAX];
	size_t bytes;

	for (unsigned i = 0; i < 6; i++)
		rig_write_frame(raw, immediate_make(IMMEDIATE_CONTROL, 0, i), 0);
	rig_fill(&rig.source_arena, 0, 0, 10);
	rig_fill(&rig.source_arena, 0, 1, 10);
	bytes = rig_wire_packet(wire, &rig.source_arena, 0, 10);
	bytes += rig_wire_packet(wire + bytes, &rig.source_arena, 1, 10);
	rig_write(raw, wire, bytes);
	for (unsigned i = 0; i < 6; i++)
		cr_assert_eq(immediate_index(rig_event(rig.destination).immediate), i);
	for (unsigned i = 0; i < 2; i++) {
		cr_assert_eq(immediate_index(rig_event(rig.destination).immediate), i);
		cr_assert(rig_same(&rig, 0, i, 10));
	}
	while (rig.destination->ops->pollfds(rig.destination, fds, FABRIC_POLLFDS_MAX) == -EAGAIN) {
		struct fabric_event event;

		cr_assert_eq(rig_poll(rig.destination, 1, &event), 0);
	}
	cr_assert_eq(poll(fds, 1, 0), 0);
	close(raw);
	rig_close(&rig);
}

struct bad_frame {
	const char *what;
	uint32_t immediate, bytes;
	const char *name;
};

static const struct bad_frame to_destination[] = {
	{ "a packet longer than a slot", 0, ARENA_HEADER_BYTES + RIG_SLOT_BYTES + 1, "lane-frame-bytes" },
	{ "a packet of 4 GiB", 0, UINT32_MAX, "lane-frame-bytes" },
	{ "a packet without a whole header", 0, ARENA_HEADER_BYTES - 1, "lane-frame-bytes" },
	{ "an empty token", 1U << 30, 0, "lane-frame-bytes" },
	{ "a token beyond its page", 1U << 30, ARENA_TOKEN_BYTES + 1, "lane-frame-bytes" },
	{ "a credit", 2U << 30, 0, "lane-direction" },
	{ "a first message without a whole header", 3U << 30, ARENA_HEADER_BYTES - 1, "lane-frame-bytes" },
	{ "a first message of one byte", 3U << 30, 1, "lane-frame-bytes" },
	{ "a first message longer than a packet", 3U << 30, ARENA_HEADER_BYTES + RIG_SLOT_BYTES + 1,
	  "lane-frame-bytes" },
	{ "a first message of 4 GiB", 3U << 30, UINT32_MAX, "lane-frame-bytes" },
	{ "a packet of a device that is none", 63U << 24, ARENA_HEADER_BYTES, "lane-refused" },
};

static const struct bad_frame to_source[] = {
	{ "a packet", 0, ARENA_HEADER_BYTES, "lane-direction" },
	{ "a token", 1U << 30, 64, "lane-direction" },
	{ "a credit with a body", 2U << 30, 4, "lane-frame-bytes" },
	{ "a first message with a body", 3U << 30, ARENA_HEADER_BYTES, "lane-frame-bytes" },
};

static void assert_refused(const struct bad_frame *bad, bool source)
{
	static const uint8_t header[ARENA_HEADER_BYTES];
	struct rig rig;
	int raw = source ? rig_open_source(&rig) : rig_open_destination(&rig);

	rig_write_frame(raw, bad->immediate, bad->bytes);
	rig_write(raw, header, sizeof(header));
	rig_assert_dead(source ? rig.source : rig.destination, EPROTO, VFIOMIG_PROTOCOL, bad->name);
	cr_assert_eq(rig.sink.placed, 0, "%s", bad->what);
	cr_assert(rig_is_closed(raw), "the peer of a dead lane must see its end");
	close(raw);
	rig_close(&rig);
}

Test(tcp_lane, a_destination_refuses_what_cannot_be)
{
	for (unsigned i = 0; i < sizeof(to_destination) / sizeof(to_destination[0]); i++)
		assert_refused(&to_destination[i], false);
}

Test(tcp_lane, a_source_refuses_what_cannot_be)
{
	for (unsigned i = 0; i < sizeof(to_source) / sizeof(to_source[0]); i++)
		assert_refused(&to_source[i], true);
}

Test(tcp_lane, what_the_sink_refuses_kills_one_lane_only)
{
	struct fabric_packet packet = rig_packet(0, 0, 100);
	struct rig rig;

	rig_open(&rig, 2);
	rig.sink.refuse = -EEXIST;
	cr_assert_eq(rig.source->ops->post(rig.source, 0, &packet), 1);
	rig_assert_dead(rig.destination, EPROTO, VFIOMIG_PROTOCOL, "lane-refused");
	rig.sink.refuse = 0;
	cr_assert_eq(rig.source->ops->post(rig.source, 1, &packet), 1);
	cr_assert_eq(rig_event(rig.destination).kind, FABRIC_ARRIVED);
	rig_close(&rig);
}
