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
#include "transport/tcp.h"
#include "unit/transport_tcp_rig.h"
#include "wire/immediate.h"

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

Test(tcp_backlog, what_the_socket_does_not_take_is_announced_later)
{
	struct rig rig;
	int raw = rig_open_source(&rig);
	struct fabric_event event;
	pthread_t thread;
	unsigned out;

	out = post_until_full(&rig);
	cr_assert_eq(rig_poll(rig.source, clock_now_ns(), &event), 0);
	pthread_create(&thread, NULL, read_all, &raw);
	event = rig_event(rig.source);
	cr_assert_eq(event.kind, FABRIC_SENT);
	cr_assert_eq(event.cookie, rig_packet(0, out % RIG_SLOTS, 0).cookie);
	rig_close(&rig);
	pthread_join(thread, NULL);
	close(raw);
}

Test(tcp_backlog, credits_that_wait_are_replaced_by_later_ones)
{
	struct rig rig;
	int raw = rig_open_destination(&rig);
	uint32_t last = 0;
	uint8_t frame[RIG_FRAME_BYTES];

	/* The socket is full long before; the queue must bear it all the same. */
	for (uint32_t i = 0; i < 200000; i++)
		cr_assert_geq(
			rig.destination->ops->send(rig.destination, 0, immediate_make(IMMEDIATE_CREDIT, i % 2, i)), 0);
	cr_assert_eq(rig.destination->ops->deadline_ns(rig.destination) == UINT64_MAX, false);
	while (last != 199999) {
		struct fabric_event event;

		rig_poll(rig.destination, clock_now_ns(), &event);
		rig_read(raw, frame, sizeof(frame));
		cr_assert_eq(get_be32(frame + 4), 0);
		if (immediate_device(get_be32(frame)) == 1)
			last = immediate_index(get_be32(frame));
	}
	close(raw);
	rig_close(&rig);
}

Test(tcp_backlog, a_backlog_that_stands_still_kills_the_lane_in_time)
{
	struct rig rig;
	int raw = rig_open_source(&rig);
	const uint64_t start_ns = 1000, end_ns = start_ns + RIG_TIMEOUT_MS * NS_PER_MS;
	struct fabric_event event;

	post_until_full(&rig);
	/* The last bytes that fit go during these; after that the time stands on the mark. */
	for (unsigned i = 0; i < 100; i++)
		cr_assert_eq(rig_poll(rig.source, start_ns, &event), 0);
	cr_assert_eq(rig.source->ops->deadline_ns(rig.source), end_ns);
	cr_assert_eq(rig_poll(rig.source, end_ns - 1, &event), 0);
	cr_assert_eq(rig_poll(rig.source, end_ns, &event), 1);
	cr_assert_eq(event.kind, FABRIC_DEAD);
	cr_assert_eq(rig.source->ops->error(rig.source, 0)->errnum, ETIMEDOUT);
	close(raw);
	rig_close(&rig);
}

Test(tcp_backlog, every_progress_buys_new_time)
{
	static uint8_t waste[65536];
	struct rig rig;
	int raw = rig_open_source(&rig);
	const int buffer_bytes = 65536; /* so that no single poll can send all that waits */
	const uint64_t start_ns = 1000, later_ns = 2000, time_ns = RIG_TIMEOUT_MS * NS_PER_MS;
	struct fabric_packet second;
	struct fabric_event event;
	unsigned out;

	cr_assert_eq(setsockopt(tcp_fabric_of(rig.source)->lanes[0].fd, SOL_SOCKET, SO_SNDBUF, &buffer_bytes,
				sizeof(buffer_bytes)),
		     0);
	out = post_until_full(&rig);
	second = rig_packet(0, (out + 1) % RIG_SLOTS, RIG_SLOT_BYTES);
	cr_assert_eq(rig.source->ops->post(rig.source, 0, &second), 0);
	cr_assert_eq(rig_poll(rig.source, start_ns, &event), 0);
	cr_assert_eq(rig.source->ops->deadline_ns(rig.source), start_ns + time_ns);
	while (rig.source->ops->deadline_ns(rig.source) == start_ns + time_ns) {
		cr_assert_gt(recv(raw, waste, sizeof(waste), 0), 0);
		rig_poll(rig.source, later_ns, &event);
	}
	/* How much the kernel takes at once is its own affair: it may be all that was left. */
	if (rig.source->ops->deadline_ns(rig.source) != UINT64_MAX)
		cr_assert_eq(rig.source->ops->deadline_ns(rig.source), later_ns + time_ns);
	close(raw);
	rig_close(&rig);
}

Test(tcp_backlog, a_packet_that_stops_half_way_kills_the_lane_in_time)
{
	struct rig rig;
	int raw = rig_open_destination(&rig);
	const uint64_t end_ns = 1000 + RIG_TIMEOUT_MS * NS_PER_MS;
	struct fabric_event event;

	cr_assert_eq(rig.destination->ops->deadline_ns(rig.destination), UINT64_MAX);
	rig_write_frame(raw, immediate_make(IMMEDIATE_DATA, 0, 0), ARENA_HEADER_BYTES + 100);
	cr_assert_eq(rig_poll(rig.destination, 1000, &event), 0);
	cr_assert_eq(rig.destination->ops->deadline_ns(rig.destination), end_ns);
	cr_assert_eq(rig_poll(rig.destination, end_ns - 1, &event), 0);
	cr_assert_eq(rig_poll(rig.destination, end_ns, &event), 1);
	cr_assert_eq(event.kind, FABRIC_DEAD);
	cr_assert_eq(rig.destination->ops->error(rig.destination, 0)->errnum, ETIMEDOUT);
	close(raw);
	rig_close(&rig);
}

Test(tcp_backlog, an_idle_lane_lives_for_ever)
{
	struct fabric_event event;
	struct rig rig;
	int raw = rig_open_destination(&rig);

	cr_assert_eq(rig_poll(rig.destination, UINT64_MAX - 1, &event), 0);
	cr_assert_geq(rig.destination->ops->send(rig.destination, 0, immediate_make(IMMEDIATE_CREDIT, 0, 1)), 0);
	close(raw);
	rig_close(&rig);
}

Test(tcp_backlog, a_fenced_lane_is_silent_and_its_peer_sees_the_end)
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
		cr_assert_eq(rig_poll(rig.source, UINT64_MAX - 1, &event), 0);
	cr_assert_eq(rig.source->ops->pollfds(rig.source, fds, FABRIC_POLLFDS_MAX), 1);
	cr_assert_eq(rig.source->ops->deadline_ns(rig.source), UINT64_MAX);
	close(raw);
	rig_close(&rig);
}

Test(tcp_backlog, after_the_fence_nothing_of_a_half_packet_moves)
{
	struct rig rig;
	int raw = rig_open_destination(&rig);
	uint8_t wire[RIG_FRAME_BYTES + ARENA_HEADER_BYTES + 500];
	struct fabric_event event;

	rig_fill(&rig.source_arena, 0, 0, 500);
	rig_wire_packet(wire, &rig.source_arena, 0, 500);
	rig_write(raw, wire, RIG_FRAME_BYTES + ARENA_HEADER_BYTES + 100);
	cr_assert_eq(rig_poll(rig.destination, 1, &event), 0);
	cr_assert_eq(rig.sink.placed, 1);
	rig_write(raw, wire + RIG_FRAME_BYTES + ARENA_HEADER_BYTES + 100, 400);
	rig.destination->ops->fence(rig.destination, 0);
	memset(arena_payload(&rig.destination_arena, 0, 0), 0, 500);
	cr_assert_eq(rig_poll(rig.destination, 1, &event), 0);
	for (unsigned i = 0; i < 500; i++)
		cr_assert_eq(((uint8_t *)arena_payload(&rig.destination_arena, 0, 0))[i], 0);
	close(raw);
	rig_close(&rig);
}

Test(tcp_backlog, after_release_nothing_is_placed_and_credits_still_leave)
{
	struct rig rig;
	int raw = rig_open_destination(&rig);
	uint32_t credit = immediate_make(IMMEDIATE_CREDIT, 1, 77);
	uint8_t wire[RIG_FRAME_BYTES + ARENA_HEADER_BYTES + 10], frame[RIG_FRAME_BYTES];
	struct fabric_event event;

	rig.destination->ops->release(rig.destination);
	rig_wire_packet(wire, &rig.source_arena, 0, 10);
	rig_write(raw, wire, sizeof(wire));
	cr_assert_eq(rig_poll(rig.destination, 1, &event), 0);
	cr_assert_eq(rig.sink.placed, 0);
	cr_assert_geq(rig.destination->ops->send(rig.destination, 0, credit), 0);
	rig_read(raw, frame, sizeof(frame));
	cr_assert_eq(get_be32(frame), credit);
	close(raw);
	rig_close(&rig);
}

Test(tcp_backlog, every_lane_has_its_turn)
{
	struct fabric_event event;
	bool seen[3] = { false };
	struct rig rig;

	rig_open(&rig, 3);
	for (unsigned i = 0; i < 8; i++)
		for (unsigned lane = 0; lane < 3; lane++)
			cr_assert_geq(rig.source->ops->send(rig.source, lane, immediate_make(IMMEDIATE_CONTROL, i, 0)),
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

Test(tcp_backlog, two_threads_may_post_on_one_lane)
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
		if (rig_poll(rig.source, clock_now_ns(), &event)) {
			cr_assert_eq(event.kind, FABRIC_SENT);
			atomic_fetch_add(&sent[event.cookie], 1);
		}
		if (!rig_poll(rig.destination, clock_now_ns(), &event)) {
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
