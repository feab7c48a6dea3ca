/* SPDX-License-Identifier: MIT */
/* A lane at work: what goes out and in which shape, what comes back, and that nobody sleeps over it. */
#include <criterion/criterion.h>

#include "base/clock.h"
#include "transport/verbs_device.h"
#include "transport_verbs_rig.h"

static struct fabric_event next(struct vrig *rig)
{
	struct fabric_event event = { 0 };

	ops->poll(rig->fabric, clock_now_ns(), &event, 1);
	return event;
}

static void post(struct vrig *rig, unsigned lane, struct fabric_packet packet)
{
	cr_assert_eq(ops->post(rig->fabric, lane, &packet), 0);
}

Test(verbs_lane, sends_a_packet_as_fragments_and_last_the_header_with_the_immediate)
{
	enum { BYTES = 3 * VERBS_FRAGMENT_BYTES + 1 };
	const struct arena_shape *shape;
	struct vrig rig;
	uint64_t sent = 0;

	vrig_source(&rig, 1);
	shape = &rig.arena.shape;
	post(&rig, 0, vrig_packet(1, 3, BYTES, 5));
	cr_assert_eq(fake.doorbells, 1);
	cr_assert_eq(fake.send_count, 5);
	for (unsigned i = 0; i < 4; i++) {
		const struct fake_send *send = &fake.sends[i];

		cr_assert_eq(send->work.opcode, IBV_WR_RDMA_WRITE);
		cr_assert_eq(send->work.send_flags, 0);
		cr_assert_eq(send->piece.addr, (uintptr_t)arena_payload(&rig.arena, 1, 3) + sent);
		cr_assert_eq(send->work.wr.rdma.remote_addr, rig.peer.base + arena_payload_offset(shape, 1, 3) + sent);
		cr_assert_eq(send->work.wr.rdma.rkey, rig.peer.rkey[0]);
		sent += send->piece.length;
	}
	cr_assert_eq(sent, BYTES);
	cr_assert_eq(fake.sends[4].work.opcode, IBV_WR_RDMA_WRITE_WITH_IMM);
	cr_assert_eq(fake.sends[4].work.imm_data, htonl(immediate_make(IMMEDIATE_DATA, 1, 3)));
	cr_assert_eq(fake.sends[4].work.wr.rdma.remote_addr, rig.peer.base + arena_header_offset(shape, 1, 3));
	cr_assert_eq(fake.sends[4].piece.length, ARENA_HEADER_BYTES);
	cr_assert_eq(fake.sends[4].work.send_flags, IBV_SEND_SIGNALED);
	vrig_close(&rig);
}

Test(verbs_lane, sends_an_empty_packet_as_its_header_alone)
{
	struct vrig rig;

	vrig_source(&rig, 1);
	post(&rig, 0, vrig_packet(0, 0, 0, 5));
	cr_assert_eq(fake.send_count, 1);
	cr_assert_eq(fake.sends[0].work.opcode, IBV_WR_RDMA_WRITE_WITH_IMM);
	vrig_close(&rig);
}

Test(verbs_lane, writes_the_token_into_its_own_area)
{
	struct fabric_packet token = { .immediate = immediate_make(IMMEDIATE_TOKEN, 0, 0), .bytes = 200, .cookie = 9 };
	struct vrig rig;

	vrig_source(&rig, 1);
	post(&rig, 0, token);
	cr_assert_eq(fake.send_count, 1);
	cr_assert_eq(fake.sends[0].work.wr.rdma.remote_addr, rig.peer.base + arena_token_offset(&rig.arena.shape));
	cr_assert_eq(fake.sends[0].piece.length, 200);
	vrig_close(&rig);
}

Test(verbs_lane, tells_sent_once_and_only_after_the_last_work_request)
{
	struct fabric_event event;
	struct vrig rig;

	vrig_source(&rig, 1);
	post(&rig, 0, vrig_packet(0, 0, VRIG_SLOT_BYTES, 41));
	cr_assert(fake_send_completes(0), "a long chain shows progress in between");
	cr_assert_eq(next(&rig).kind, 0, "progress is not the packet");
	cr_assert(fake_send_completes(0));
	event = next(&rig);
	cr_assert_eq(event.kind, FABRIC_SENT);
	cr_assert_eq(event.cookie, 41);
	cr_assert_eq(next(&rig).kind, 0);
	vrig_close(&rig);
}

Test(verbs_lane, has_room_for_two_packets_a_token_and_every_credit)
{
	struct fabric_packet token = { .immediate = immediate_make(IMMEDIATE_TOKEN, 0, 0), .bytes = 8, .cookie = 3 };
	struct fabric_event events[8];
	struct vrig rig;

	vrig_source(&rig, 1);
	for (unsigned round = 0; round < 3; round++) {
		post(&rig, 0, vrig_packet(0, 0, VRIG_SLOT_BYTES, 1));
		post(&rig, 0, vrig_packet(1, 0, VRIG_SLOT_BYTES, 2));
		post(&rig, 0, token);
		cr_assert_eq(ops->send(rig.fabric, 0, immediate_make(IMMEDIATE_CREDIT, 0, 1)), 0);
		cr_assert_eq(ops->send(rig.fabric, 0, immediate_make(IMMEDIATE_CREDIT, 1, 1)), 0);
		cr_assert_eq(ops->send(rig.fabric, 0, immediate_make(IMMEDIATE_CONTROL, 0, 0)), 0);
		while (fake_send_completes(0))
			;
		cr_assert_eq(ops->poll(rig.fabric, clock_now_ns(), events, 8), 3);
	}
	vrig_close(&rig);
}

Test(verbs_lane, reposts_the_receive_before_it_tells_of_the_arrival)
{
	struct fabric_event event;
	struct vrig rig;

	vrig_destination(&rig, 2);
	fake_arrives(1, immediate_make(IMMEDIATE_DATA, 1, 77));
	cr_assert_eq(fake_receives(1), VRIG_RECEIVES - 1);
	event = next(&rig);
	cr_assert_eq(event.kind, FABRIC_ARRIVED);
	cr_assert_eq(event.lane, 1);
	cr_assert_eq(event.immediate, immediate_make(IMMEDIATE_DATA, 1, 77));
	cr_assert_eq(fake_receives(1), VRIG_RECEIVES);
	vrig_close(&rig);
}

Test(verbs_lane, serves_all_lanes_though_one_is_never_empty)
{
	struct fabric_event event;
	struct vrig rig;
	unsigned seen = 0;

	vrig_destination(&rig, 3);
	fake_arrives(2, 5);
	for (unsigned i = 0; i < 6; i++) {
		fake_arrives(0, 1);
		event = next(&rig);
		seen += event.lane == 2;
	}
	cr_assert_eq(seen, 1);
	vrig_close(&rig);
}

Test(verbs_lane, sends_only_the_newest_of_the_credits_that_came_while_one_was_under_way)
{
	struct vrig rig;

	vrig_destination(&rig, 1);
	for (unsigned credit = 1; credit <= 5; credit++)
		cr_assert_eq(ops->send(rig.fabric, 0, immediate_make(IMMEDIATE_CREDIT, 1, credit)), 0);
	cr_assert_eq(ops->send(rig.fabric, 0, immediate_make(IMMEDIATE_CREDIT, 0, 9)), 0);
	cr_assert_eq(fake.send_count, 2, "one per device");
	cr_assert(fake_send_completes(0));
	next(&rig);
	cr_assert_eq(fake.send_count, 3);
	cr_assert_eq(fake.sends[2].work.opcode, IBV_WR_SEND_WITH_IMM);
	cr_assert_eq(fake.sends[2].work.num_sge, 0);
	cr_assert_eq(fake.sends[2].work.imm_data, htonl(immediate_make(IMMEDIATE_CREDIT, 1, 5)));
	while (fake_send_completes(0))
		;
	next(&rig);
	cr_assert_eq(fake.send_count, 3);
	vrig_close(&rig);
}

Test(verbs_lane, does_not_sleep_over_what_came_before_it_was_armed)
{
	struct pollfd fds[FABRIC_POLLFDS_MAX];
	struct vrig rig;

	vrig_destination(&rig, 2);
	fake_arrives(1, 6);
	cr_assert_eq(ops->pollfds(rig.fabric, fds, FABRIC_POLLFDS_MAX), -EAGAIN);
	cr_assert_eq(ops->pollfds(rig.fabric, fds, FABRIC_POLLFDS_MAX), -EAGAIN, "still not taken");
	cr_assert_eq(next(&rig).immediate, 6);
	cr_assert_eq(ops->pollfds(rig.fabric, fds, FABRIC_POLLFDS_MAX), 3);
	vrig_close(&rig);
}

Test(verbs_lane, wakes_a_sleeper_with_every_message)
{
	struct pollfd fds[FABRIC_POLLFDS_MAX];
	struct vrig rig;

	vrig_destination(&rig, 2);
	for (unsigned i = 0; i < 5; i++) {
		int count = ops->pollfds(rig.fabric, fds, FABRIC_POLLFDS_MAX);

		cr_assert_eq(count, 3);
		cr_assert_eq(poll(fds, 3, 0), 0);
		fake_arrives(i % 2, i);
		cr_assert_eq(poll(fds, 3, 0), 1, "message %u woke nobody", i);
		cr_assert_eq(next(&rig).immediate, i);
	}
	vrig_close(&rig);
}
