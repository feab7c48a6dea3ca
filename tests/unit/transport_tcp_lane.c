/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "unit/transport_tcp_rig.h"
#include "wire/immediate.h"

enum { FRAME = 8, HEADER = ARENA_HEADER_BYTES };

static unsigned poll_once(struct fabric *fabric, uint64_t now_ns, struct fabric_event *event)
{
	return fabric->ops->poll(fabric, now_ns, event, 1);
}

/* Data packet @slot of device 0, as it lies on the wire. Returns its bytes; the caller has room for them. */
static size_t wire_packet(uint8_t *out, const struct arena *arena, unsigned slot, uint32_t bytes)
{
	put_be32(out, immediate_make(IMMEDIATE_DATA, 0, slot));
	put_be32(out + 4, HEADER + bytes);
	memcpy(out + FRAME, arena_header(arena, 0, slot), HEADER);
	memcpy(out + FRAME + HEADER, arena_payload(arena, 0, slot), bytes);
	return FRAME + HEADER + bytes;
}

static void write_frame(int fd, uint32_t immediate, uint32_t bytes)
{
	uint8_t frame[FRAME];

	put_be32(frame, immediate);
	put_be32(frame + 4, bytes);
	rig_write(fd, frame, sizeof(frame));
}

static void assert_dead(struct fabric *fabric, int errnum, enum vfiomig_code code, const char *name)
{
	struct fabric_event event = rig_event(fabric);
	const struct vfiomig_error *error = fabric->ops->error(fabric, 0);

	cr_assert_eq(event.kind, FABRIC_DEAD);
	cr_assert_eq(error->errnum, errnum, "%s", error->text);
	cr_assert_eq(error->code, code);
	cr_assert_str_eq(error->name, name);
	cr_assert_eq(poll_once(fabric, clock_now_ns(), &event), 0);
	cr_assert_eq(fabric->ops->send(fabric, 0, immediate_make(IMMEDIATE_CONTROL, 0, 0)), -EPIPE);
	cr_assert_eq(fabric->ops->deadline_ns(fabric), UINT64_MAX);
}

Test(tcp_lane, a_packet_lies_on_the_wire_as_written_down)
{
	struct rig rig;
	int raw = rig_open_source(&rig);
	struct fabric_packet packet = rig_packet(0, 2, 1000);
	uint8_t wanted[FRAME + HEADER + 1000], got[sizeof(wanted)];

	rig_fill(&rig.source_arena, 0, 2, 1000);
	cr_assert_eq(rig.source->ops->post(rig.source, 0, &packet), 1);
	wire_packet(wanted, &rig.source_arena, 2, 1000);
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

Test(tcp_lane, bytes_may_come_one_by_one)
{
	struct rig rig;
	int raw = rig_open_destination(&rig);
	uint8_t wire[3 * (FRAME + HEADER + 20)];
	struct fabric_event event;
	size_t bytes = 0;
	unsigned arrived = 0;

	for (unsigned slot = 0; slot < 3; slot++) {
		rig_fill(&rig.source_arena, 0, slot, 20 * (slot % 2));
		bytes += wire_packet(wire + bytes, &rig.source_arena, slot, 20 * (slot % 2));
	}
	for (size_t i = 0; i < bytes; i++) {
		rig_write(raw, wire + i, 1);
		arrived += poll_once(rig.destination, 1, &event);
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
	uint8_t wire[2 * (FRAME + HEADER + 10)];
	struct pollfd fds[FABRIC_POLLFDS_MAX];
	size_t bytes;

	for (unsigned i = 0; i < 6; i++)
		write_frame(raw, immediate_make(IMMEDIATE_CONTROL, 0, i), 0);
	rig_fill(&rig.source_arena, 0, 0, 10);
	rig_fill(&rig.source_arena, 0, 1, 10);
	bytes = wire_packet(wire, &rig.source_arena, 0, 10);
	bytes += wire_packet(wire + bytes, &rig.source_arena, 1, 10);
	rig_write(raw, wire, bytes);
	for (unsigned i = 0; i < 6; i++)
		cr_assert_eq(immediate_index(rig_event(rig.destination).immediate), i);
	for (unsigned i = 0; i < 2; i++) {
		cr_assert_eq(immediate_index(rig_event(rig.destination).immediate), i);
		cr_assert(rig_same(&rig, 0, i, 10));
	}
	while (rig.destination->ops->pollfds(rig.destination, fds, FABRIC_POLLFDS_MAX) == -EAGAIN) {
		struct fabric_event event;

		cr_assert_eq(poll_once(rig.destination, 1, &event), 0);
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
	{ "a packet longer than a slot", 0, HEADER + RIG_SLOT_BYTES + 1, "lane-frame-bytes" },
	{ "a packet of 4 GiB", 0, UINT32_MAX, "lane-frame-bytes" },
	{ "a packet without a whole header", 0, HEADER - 1, "lane-frame-bytes" },
	{ "an empty token", 1U << 30, 0, "lane-frame-bytes" },
	{ "a token beyond its page", 1U << 30, ARENA_TOKEN_BYTES + 1, "lane-frame-bytes" },
	{ "a credit", 2U << 30, 0, "lane-direction" },
	{ "a control message with a body", 3U << 30, 1, "lane-frame-bytes" },
	{ "a packet of a device that is none", 63U << 24, HEADER, "lane-refused" },
};

static const struct bad_frame to_source[] = {
	{ "a packet", 0, HEADER, "lane-direction" },
	{ "a token", 1U << 30, 64, "lane-direction" },
	{ "a credit with a body", 2U << 30, 4, "lane-frame-bytes" },
};

static void assert_refused(const struct bad_frame *bad, bool source)
{
	static const uint8_t header[HEADER];
	struct rig rig;
	int raw = source ? rig_open_source(&rig) : rig_open_destination(&rig);

	write_frame(raw, bad->immediate, bad->bytes);
	rig_write(raw, header, sizeof(header));
	assert_dead(source ? rig.source : rig.destination, EPROTO, VFIOMIG_PROTOCOL, bad->name);
	cr_assert_eq(rig.sink.placed, 0, "%s", bad->what);
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
	assert_dead(rig.destination, EPROTO, VFIOMIG_PROTOCOL, "lane-refused");
	rig.sink.refuse = 0;
	cr_assert_eq(rig.source->ops->post(rig.source, 1, &packet), 1);
	cr_assert_eq(rig_event(rig.destination).kind, FABRIC_ARRIVED);
	rig_close(&rig);
}

Test(tcp_lane, a_closed_peer_is_told_after_what_it_sent)
{
	struct rig rig;
	int raw = rig_open_destination(&rig);
	struct fabric_event event;

	write_frame(raw, immediate_make(IMMEDIATE_CONTROL, 0, 9), 0);
	close(raw);
	event = rig_event(rig.destination);
	cr_assert_eq(event.kind, FABRIC_ARRIVED);
	assert_dead(rig.destination, EPIPE, VFIOMIG_FABRIC, "lane-closed");
	cr_assert_str_eq(rig.destination->ops->error(rig.destination, 0)->text, "the peer closed lane 0");
	rig_close(&rig);
}

Test(tcp_lane, a_packet_cut_short_never_arrives)
{
	struct rig rig;
	int raw = rig_open_destination(&rig);
	uint8_t wire[FRAME + HEADER + 500];

	wire_packet(wire, &rig.source_arena, 0, 500);
	rig_write(raw, wire, sizeof(wire) - 1);
	close(raw);
	assert_dead(rig.destination, EPIPE, VFIOMIG_FABRIC, "lane-closed");
	cr_assert_not_null(strstr(rig.destination->ops->error(rig.destination, 0)->text, "in the middle"));
	rig_close(&rig);
}

/* Post packets of 1 MiB until the socket takes no more; returns how many went out at once. */
static unsigned post_until_full(struct rig *rig)
{
	for (unsigned i = 0;; i++) {
		struct fabric_packet packet = rig_packet(0, i % RIG_SLOTS, RIG_SLOT_BYTES);
		int result = rig->source->ops->post(rig->source, 0, &packet);

		cr_assert_geq(result, 0);
		cr_assert_lt(i, 64, "the socket takes everything");
		if (result == 0)
			return i;
	}
}

static void *read_all(void *context)
{
	static uint8_t waste[65536];
	int fd = *(int *)context;

	while (recv(fd, waste, sizeof(waste), 0) > 0)
		;
	return NULL;
}

Test(tcp_lane, what_the_socket_does_not_take_is_announced_later)
{
	struct rig rig;
	int raw = rig_open_source(&rig);
	struct fabric_event event;
	pthread_t thread;
	unsigned out;

	out = post_until_full(&rig);
	cr_assert_eq(poll_once(rig.source, clock_now_ns(), &event), 0);
	pthread_create(&thread, NULL, read_all, &raw);
	event = rig_event(rig.source);
	cr_assert_eq(event.kind, FABRIC_SENT);
	cr_assert_eq(event.cookie, rig_packet(0, out % RIG_SLOTS, 0).cookie);
	rig_close(&rig);
	pthread_join(thread, NULL);
	close(raw);
}

Test(tcp_lane, credits_that_wait_are_replaced_by_later_ones)
{
	struct rig rig;
	int raw = rig_open_destination(&rig);
	uint32_t last = 0;
	uint8_t frame[FRAME];

	/* The socket is full long before; the queue must bear it all the same. */
	for (uint32_t i = 0; i < 200000; i++)
		cr_assert_eq(rig.destination->ops->send(rig.destination, 0, immediate_make(IMMEDIATE_CREDIT, i % 2, i)),
		             0);
	cr_assert_eq(rig.destination->ops->deadline_ns(rig.destination) == UINT64_MAX, false);
	while (last != 199999) {
		struct fabric_event event;

		poll_once(rig.destination, clock_now_ns(), &event);
		rig_read(raw, frame, sizeof(frame));
		cr_assert_eq(get_be32(frame + 4), 0);
		if (immediate_device(get_be32(frame)) == 1)
			last = immediate_index(get_be32(frame));
	}
	close(raw);
	rig_close(&rig);
}

Test(tcp_lane, a_backlog_that_stands_still_kills_the_lane_in_time)
{
	struct rig rig;
	int raw = rig_open_source(&rig);
	const uint64_t start_ns = 1000, end_ns = start_ns + RIG_TIMEOUT_MS * NS_PER_MS;
	struct fabric_event event;

	post_until_full(&rig);
	/* The last bytes that fit go during these; after that the time stands on the mark. */
	for (unsigned i = 0; i < 100; i++)
		cr_assert_eq(poll_once(rig.source, start_ns, &event), 0);
	cr_assert_eq(rig.source->ops->deadline_ns(rig.source), end_ns);
	cr_assert_eq(poll_once(rig.source, end_ns - 1, &event), 0);
	cr_assert_eq(poll_once(rig.source, end_ns, &event), 1);
	cr_assert_eq(event.kind, FABRIC_DEAD);
	cr_assert_eq(rig.source->ops->error(rig.source, 0)->errnum, ETIMEDOUT);
	close(raw);
	rig_close(&rig);
}

Test(tcp_lane, a_packet_that_stops_half_way_kills_the_lane_in_time)
{
	struct rig rig;
	int raw = rig_open_destination(&rig);
	const uint64_t end_ns = 1000 + RIG_TIMEOUT_MS * NS_PER_MS;
	struct fabric_event event;

	cr_assert_eq(rig.destination->ops->deadline_ns(rig.destination), UINT64_MAX);
	write_frame(raw, immediate_make(IMMEDIATE_DATA, 0, 0), HEADER + 100);
	cr_assert_eq(poll_once(rig.destination, 1000, &event), 0);
	cr_assert_eq(rig.destination->ops->deadline_ns(rig.destination), end_ns);
	cr_assert_eq(poll_once(rig.destination, end_ns - 1, &event), 0);
	cr_assert_eq(poll_once(rig.destination, end_ns, &event), 1);
	cr_assert_eq(event.kind, FABRIC_DEAD);
	cr_assert_eq(rig.destination->ops->error(rig.destination, 0)->errnum, ETIMEDOUT);
	close(raw);
	rig_close(&rig);
}

Test(tcp_lane, an_idle_lane_lives_for_ever)
{
	struct fabric_event event;
	struct rig rig;
	int raw = rig_open_destination(&rig);

	cr_assert_eq(poll_once(rig.destination, UINT64_MAX - 1, &event), 0);
	cr_assert_eq(rig.destination->ops->send(rig.destination, 0, immediate_make(IMMEDIATE_CREDIT, 0, 1)), 0);
	close(raw);
	rig_close(&rig);
}

Test(tcp_lane, a_fenced_lane_is_silent_and_its_peer_sees_the_end)
{
	struct rig rig;
	int raw = rig_open_source(&rig);
	struct fabric_packet packet = rig_packet(0, 3, 10);
	struct pollfd fds[FABRIC_POLLFDS_MAX];
	struct fabric_event event;
	pthread_t thread;

	post_until_full(&rig);
	rig.source->ops->fence(rig.source, 0);
	cr_assert_eq(rig.source->ops->post(rig.source, 0, &packet), -EPIPE);
	pthread_create(&thread, NULL, read_all, &raw);
	pthread_join(thread, NULL); /* it reads to the end */
	for (unsigned i = 0; i < 10; i++)
		cr_assert_eq(poll_once(rig.source, UINT64_MAX - 1, &event), 0);
	cr_assert_eq(rig.source->ops->pollfds(rig.source, fds, FABRIC_POLLFDS_MAX), 1);
	cr_assert_eq(rig.source->ops->deadline_ns(rig.source), UINT64_MAX);
	close(raw);
	rig_close(&rig);
}

Test(tcp_lane, after_the_fence_nothing_of_a_half_packet_moves)
{
	struct rig rig;
	int raw = rig_open_destination(&rig);
	uint8_t wire[FRAME + HEADER + 500];
	struct fabric_event event;

	rig_fill(&rig.source_arena, 0, 0, 500);
	wire_packet(wire, &rig.source_arena, 0, 500);
	rig_write(raw, wire, FRAME + HEADER + 100);
	cr_assert_eq(poll_once(rig.destination, 1, &event), 0);
	cr_assert_eq(rig.sink.placed, 1);
	rig_write(raw, wire + FRAME + HEADER + 100, 400);
	rig.destination->ops->fence(rig.destination, 0);
	memset(arena_payload(&rig.destination_arena, 0, 0), 0, 500);
	cr_assert_eq(poll_once(rig.destination, 1, &event), 0);
	for (unsigned i = 0; i < 500; i++)
		cr_assert_eq(((uint8_t *)arena_payload(&rig.destination_arena, 0, 0))[i], 0);
	close(raw);
	rig_close(&rig);
}

Test(tcp_lane, after_release_nothing_is_placed_and_credits_still_leave)
{
	struct rig rig;
	int raw = rig_open_destination(&rig);
	uint32_t credit = immediate_make(IMMEDIATE_CREDIT, 1, 77);
	uint8_t wire[FRAME + HEADER + 10], frame[FRAME];
	struct fabric_event event;

	rig.destination->ops->release(rig.destination);
	wire_packet(wire, &rig.source_arena, 0, 10);
	rig_write(raw, wire, sizeof(wire));
	cr_assert_eq(poll_once(rig.destination, 1, &event), 0);
	cr_assert_eq(rig.sink.placed, 0);
	cr_assert_eq(rig.destination->ops->send(rig.destination, 0, credit), 0);
	rig_read(raw, frame, sizeof(frame));
	cr_assert_eq(get_be32(frame), credit);
	close(raw);
	rig_close(&rig);
}

Test(tcp_lane, every_lane_has_its_turn)
{
	struct fabric_event event;
	bool seen[3] = { false };
	struct rig rig;

	rig_open(&rig, 3);
	for (unsigned i = 0; i < 8; i++)
		for (unsigned lane = 0; lane < 3; lane++)
			cr_assert_eq(rig.source->ops->send(rig.source, lane, immediate_make(IMMEDIATE_CONTROL, i, 0)),
			             0);
	/* Each lane has eight messages waiting, and only one event is taken at a time. */
	for (unsigned i = 0; i < 3; i++) {
		event = rig_event(rig.destination);
		seen[event.lane] = true;
	}
	cr_assert(seen[0] && seen[1] && seen[2]);
	rig_close(&rig);
}

enum { POSTERS = 2, POSTED_EACH = 200, POSTED_BYTES = 100000 };

struct poster {
	struct rig *rig;
	unsigned device;
	atomic_uint *sent; /* by this device, told by SENT or at once */
	atomic_uint *arrived;
};

static void *post_many(void *context)
{
	struct poster *poster = context;
	struct rig *rig = poster->rig;

	for (unsigned i = 0; i < POSTED_EACH; i++) {
		struct fabric_packet packet = rig_packet(poster->device, i % RIG_SLOTS, POSTED_BYTES);

		while (atomic_load(poster->arrived) < i) /* one outstanding per device */
			sched_yield();
		while (atomic_load(poster->sent) < i)
			sched_yield();
		rig_fill(&rig->source_arena, poster->device, i % RIG_SLOTS, POSTED_BYTES);
		packet.cookie = poster->device;
		if (rig->source->ops->post(rig->source, 0, &packet) == 1)
			atomic_fetch_add(poster->sent, 1);
	}
	return NULL;
}

Test(tcp_lane, two_threads_may_post_on_one_lane)
{
	atomic_uint sent[POSTERS] = { 0 }, arrived[POSTERS] = { 0 };
	struct poster posters[POSTERS];
	pthread_t threads[POSTERS];
	struct fabric_event event;
	struct rig rig;

	rig_open(&rig, 1);
	for (unsigned i = 0; i < POSTERS; i++) {
		posters[i] = (struct poster){ &rig, i, &sent[i], &arrived[i] };
		pthread_create(&threads[i], NULL, post_many, &posters[i]);
	}
	for (unsigned whole = 0; whole < POSTERS * POSTED_EACH;) {
		if (poll_once(rig.source, clock_now_ns(), &event)) {
			cr_assert_eq(event.kind, FABRIC_SENT);
			atomic_fetch_add(&sent[event.cookie], 1);
		}
		if (!poll_once(rig.destination, clock_now_ns(), &event)) {
			sched_yield();
			continue;
		}
		cr_assert_eq(event.kind, FABRIC_ARRIVED);
		cr_assert(rig_same(&rig, immediate_device(event.immediate), immediate_index(event.immediate),
		                   POSTED_BYTES));
		atomic_fetch_add(&arrived[immediate_device(event.immediate)], 1);
		whole++;
	}
	for (unsigned i = 0; i < POSTERS; i++)
		pthread_join(threads[i], NULL);
	rig_close(&rig);
}
