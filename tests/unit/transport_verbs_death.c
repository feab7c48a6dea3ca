/* SPDX-License-Identifier: MIT */
/* How a lane dies, or is fenced: what is told before, what is said about it, and that nothing comes after. */
#include <criterion/criterion.h>
#include <errno.h>

#include "base/clock.h"
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

Test(verbs_lane, that_is_given_up_tells_what_had_arrived_and_then_that_it_is_fenced)
{
	struct fabric_event events[8];
	struct vrig rig;

	vrig_destination(&rig, 2);
	fake_arrives(1, 7);
	ops->lose(rig.fabric, 1);
	cr_assert(fake_in_error(1));
	cr_assert_eq(ops->send(rig.fabric, 1, 0), -EPIPE);
	cr_assert_eq(ops->poll(rig.fabric, 1, events, 8), 2);
	cr_assert_eq(events[0].immediate, 7);
	cr_assert_eq(events[1].kind, FABRIC_DEAD);
	cr_assert_eq(fake_receives(1), 0, "dead is told of what is flushed");
	ops->lose(rig.fabric, 1);
	cr_assert_eq(ops->poll(rig.fabric, 2, events, 8), 0, "once");
	fake_arrives(0, 8);
	cr_assert_eq(ops->poll(rig.fabric, 3, events, 8), 1);
	vrig_close(&rig);
}

Test(verbs_lane, is_not_told_dead_before_its_device_has_flushed_it_or_it_is_destroyed)
{
	const uint64_t now = clock_now_ns(), patience = VRIG_TIMEOUT_MS * NS_PER_MS / 2;
	struct pollfd fds[FABRIC_POLLFDS_MAX];
	struct fabric_event events[8];
	struct vrig rig;

	vrig_source(&rig, 1);
	fake.flush_lost = true;
	post(&rig, 0, vrig_packet(0, 0, 1, 1));
	ops->lose(rig.fabric, 0);
	cr_assert_eq(ops->poll(rig.fabric, now, events, 8), 0, "a work request may still read its slot");
	cr_assert_gt(ops->pollfds(rig.fabric, fds, FABRIC_POLLFDS_MAX), 0, "and meanwhile it sleeps");
	cr_assert_eq(ops->deadline_ns(rig.fabric), now + patience);
	cr_assert_eq(ops->poll(rig.fabric, now + patience - 1, events, 8), 0);
	cr_assert_eq(fake.qps, 1);
	cr_assert_eq(ops->poll(rig.fabric, now + patience, events, 8), 1);
	cr_assert_eq(events[0].kind, FABRIC_DEAD);
	cr_assert_eq(fake.qps, 0);
	vrig_close(&rig);
}
