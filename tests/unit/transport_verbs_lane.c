/* SPDX-License-Identifier: MIT */
/* A lane at work: what goes out and in which shape, what comes back, and how it dies. */
#include <criterion/criterion.h>
#include <errno.h>

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
		cr_assert_eq(send->work.wr.rdma.rkey, rig.peer.rkey);
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

Test(verbs_lane, tells_what_had_arrived_before_it_tells_its_death_once)
{
	struct fabric_event events[16];
	struct vrig rig;

	vrig_destination(&rig, 2);
	fake_arrives(0, 1);
	fake_arrives(0, 2);
	fake_breaks(0, IBV_WC_LOC_LEN_ERR);
	cr_assert_eq(ops->poll(rig.fabric, 1, events, 16), 3);
	cr_assert_eq(events[0].immediate, 1);
	cr_assert_eq(events[1].immediate, 2);
	cr_assert_eq(events[2].kind, FABRIC_DEAD);
	cr_assert_eq(ops->poll(rig.fabric, UINT64_MAX / 2, events, 16), 0);
	fake_arrives(1, 3);
	cr_assert_eq(ops->poll(rig.fabric, UINT64_MAX / 2 + 1, events, 16), 1, "the other lane lives on");
	vrig_close(&rig);
}

Test(verbs_lane, keeps_its_first_error_and_not_the_flushes_that_follow)
{
	struct fabric_event event;
	struct vrig rig;

	vrig_source(&rig, 1);
	post(&rig, 0, vrig_packet(0, 0, 100, 1));
	fake_breaks(0, IBV_WC_RETRY_EXC_ERR);
	event = next(&rig);
	cr_assert_eq(event.kind, FABRIC_DEAD, "and no SENT");
	cr_assert_eq(ops->error(rig.fabric, 0)->errnum, ETIMEDOUT);
	cr_assert(strstr(ops->error(rig.fabric, 0)->text, "lane 0 (fake0): the peer does not answer any more"));
	vrig_close(&rig);
}

Test(verbs_lane, explains_a_flush_by_the_port_that_went_down)
{
	struct vrig rig;

	vrig_source(&rig, 1);
	fake_async_event(IBV_EVENT_PORT_ERR);
	cr_assert_eq(next(&rig).kind, 0, "a port alone ends no lane");
	fake_breaks(0, IBV_WC_WR_FLUSH_ERR);
	cr_assert_eq(next(&rig).kind, FABRIC_DEAD);
	cr_assert(strstr(ops->error(rig.fabric, 0)->text, "port 1 of fake0 went down"));
	vrig_close(&rig);
}

Test(verbs_lane, forgets_the_trouble_of_a_port_that_is_active_again)
{
	struct vrig rig;

	vrig_source(&rig, 1);
	fake_async_event(IBV_EVENT_PORT_ERR);
	fake_async_event(IBV_EVENT_PORT_ACTIVE);
	next(&rig);
	fake_breaks(0, IBV_WC_WR_FLUSH_ERR);
	cr_assert_eq(next(&rig).kind, FABRIC_DEAD);
	cr_assert_not(strstr(ops->error(rig.fabric, 0)->text, "port 1"));
	vrig_close(&rig);
}

Test(verbs_lane, refuses_work_once_it_is_dead)
{
	struct fabric_packet packet = vrig_packet(0, 0, 1, 1);
	struct vrig rig;

	vrig_source(&rig, 1);
	fake_breaks(0, IBV_WC_WR_FLUSH_ERR);
	next(&rig);
	cr_assert_eq(ops->post(rig.fabric, 0, &packet), -EPIPE);
	cr_assert_eq(ops->send(rig.fabric, 0, 0), -EPIPE);
	cr_assert_eq(fake.send_count, 0);
	vrig_close(&rig);
}

Test(verbs_lane, dies_of_a_post_that_the_device_refuses)
{
	struct fabric_packet packet = vrig_packet(0, 0, 1, 1);
	struct vrig rig;

	vrig_source(&rig, 1);
	fake.fail_call = fake.calls + 1;
	fake.fail_errno = ENOMEM;
	cr_assert_eq(ops->post(rig.fabric, 0, &packet), -EPIPE);
	cr_assert(fake_in_error(0));
	cr_assert_eq(next(&rig).kind, FABRIC_DEAD);
	cr_assert_eq(ops->error(rig.fabric, 0)->errnum, ENOMEM);
	ops->fence(rig.fabric, 0);
	cr_assert_eq(fake.qps, 1, "there was nothing of that post to wait for");
	vrig_close(&rig);
}

Test(verbs_lane, sends_no_waiting_credit_once_it_is_dying)
{
	struct fabric_packet packet = vrig_packet(0, 0, 1, 1);
	struct vrig rig;

	vrig_source(&rig, 1);
	cr_assert_eq(ops->send(rig.fabric, 0, immediate_make(IMMEDIATE_CREDIT, 1, 1)), 0);
	cr_assert_eq(ops->send(rig.fabric, 0, immediate_make(IMMEDIATE_CREDIT, 1, 2)), 0);
	cr_assert(fake_send_completes(0));
	fake.fail_call = fake.calls + 1;
	cr_assert_eq(ops->post(rig.fabric, 0, &packet), -EPIPE);
	cr_assert_eq(next(&rig).kind, FABRIC_DEAD);
	cr_assert_eq(fake.send_count, 1);
	vrig_close(&rig);
}

Test(verbs_lane, dies_of_silence_with_work_outstanding_and_not_of_idleness)
{
	uint64_t late_ns = clock_now_ns() + 2 * VRIG_TIMEOUT_MS * NS_PER_MS, deadline_ns;
	struct fabric_event events[4];
	struct vrig rig;

	vrig_source(&rig, 2);
	cr_assert_eq(ops->deadline_ns(rig.fabric), UINT64_MAX);
	cr_assert_eq(ops->poll(rig.fabric, late_ns, events, 4), 0);
	post(&rig, 1, vrig_packet(0, 0, 1, 1));
	deadline_ns = ops->deadline_ns(rig.fabric);
	cr_assert_eq(ops->poll(rig.fabric, deadline_ns - 1, events, 4), 0);
	cr_assert_eq(ops->poll(rig.fabric, deadline_ns, events, 4), 1);
	cr_assert_eq(events[0].kind, FABRIC_DEAD);
	cr_assert_eq(events[0].lane, 1);
	cr_assert_eq(ops->error(rig.fabric, 1)->code, VFIOMIG_TIMEOUT);
	cr_assert_eq(ops->deadline_ns(rig.fabric), UINT64_MAX);
	vrig_close(&rig);
}

Test(verbs_lane, is_kept_alive_by_a_chain_that_moves)
{
	struct fabric_event events[4];
	struct vrig rig;
	uint64_t deadline_ns;

	vrig_source(&rig, 1);
	post(&rig, 0, vrig_packet(0, 0, VRIG_SLOT_BYTES, 1));
	deadline_ns = ops->deadline_ns(rig.fabric);
	cr_assert(fake_send_completes(0));
	cr_assert_eq(ops->poll(rig.fabric, deadline_ns, events, 4), 0);
	cr_assert_eq(ops->deadline_ns(rig.fabric), deadline_ns + VRIG_TIMEOUT_MS * NS_PER_MS);
	vrig_close(&rig);
}

Test(verbs_lane, dies_with_its_peers_disconnect)
{
	struct vrig rig;

	vrig_destination(&rig, 2);
	fake_cm_event(1, RDMA_CM_EVENT_DISCONNECTED);
	cr_assert_eq(next(&rig).lane, 1);
	cr_assert(fake_in_error(1));
	cr_assert_not(fake_in_error(0));
	cr_assert(strstr(ops->error(rig.fabric, 1)->text, "the peer has closed it"));
	vrig_close(&rig);
}

Test(verbs_lane, lets_go_of_a_removed_device_before_it_tells)
{
	struct fabric_event events[4];
	struct pollfd fds[FABRIC_POLLFDS_MAX];
	struct vrig rig;

	vrig_destination(&rig, 2);
	fake_cm_event(0, RDMA_CM_EVENT_DEVICE_REMOVAL);
	cr_assert_eq(ops->poll(rig.fabric, 1, events, 4), 2);
	cr_assert_eq(events[0].kind, FABRIC_DEAD);
	cr_assert_eq(events[1].kind, FABRIC_DEAD);
	cr_assert_eq(fake_living(), 1, "all but the event channel");
	cr_assert_eq(ops->pollfds(rig.fabric, fds, FABRIC_POLLFDS_MAX), 1);
	ops->fence(rig.fabric, 0);
	ops->release(rig.fabric);
	cr_assert_eq(ops->send(rig.fabric, 0, 0), -EPIPE);
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

Test(verbs_lane, does_not_sleep_before_a_death_is_told)
{
	struct fabric_packet packet = vrig_packet(0, 0, 1, 1);
	struct pollfd fds[FABRIC_POLLFDS_MAX];
	struct vrig rig;

	vrig_source(&rig, 1);
	fake.fail_call = fake.calls + 1;
	cr_assert_eq(ops->post(rig.fabric, 0, &packet), -EPIPE);
	cr_assert_eq(ops->pollfds(rig.fabric, fds, FABRIC_POLLFDS_MAX), -EAGAIN);
	vrig_close(&rig);
}

Test(verbs_lane, is_drained_and_silent_after_a_fence)
{
	struct fabric_event events[8];
	struct vrig rig;

	vrig_source(&rig, 2);
	post(&rig, 1, vrig_packet(0, 0, VRIG_SLOT_BYTES, 1));
	cr_assert_eq(ops->send(rig.fabric, 1, immediate_make(IMMEDIATE_CREDIT, 0, 1)), 0);
	cr_assert_eq(ops->send(rig.fabric, 1, immediate_make(IMMEDIATE_CREDIT, 0, 2)), 0);
	fake_arrives(1, 8);
	ops->fence(rig.fabric, 1);
	cr_assert(fake_in_error(1));
	cr_assert_eq(fake_receives(1), 0);
	cr_assert_eq(ops->poll(rig.fabric, 1, events, 8), 0, "neither SENT nor ARRIVED nor DEAD");
	cr_assert_eq(ops->send(rig.fabric, 1, 0), -EPIPE);
	post(&rig, 0, vrig_packet(0, 0, 1, 1));
	vrig_close(&rig);
}

Test(verbs_lane, can_be_fenced_after_its_death_and_twice)
{
	struct vrig rig;

	vrig_destination(&rig, 1);
	fake_breaks(0, IBV_WC_RETRY_EXC_ERR);
	next(&rig);
	ops->fence(rig.fabric, 0);
	ops->fence(rig.fabric, 0);
	vrig_close(&rig);
}

Test(verbs_lane, is_destroyed_by_a_fence_that_cannot_drain_it)
{
	struct vrig rig;

	vrig_init(&rig, VFIOMIG_SOURCE, 1);
	rig.config.route.timeout_ms = 20;
	cr_assert_eq(vrig_up(&rig), 0);
	fake.flush_lost = true;
	ops->fence(rig.fabric, 0);
	cr_assert_eq(fake.qps, 0);
	vrig_close(&rig);
}
