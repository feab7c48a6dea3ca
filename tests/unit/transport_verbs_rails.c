/* SPDX-License-Identifier: MIT */
/* Lanes over two RDMA paths, each with what it owns on its device: which lane is whose, and that one path's end is not the other's. */
#include <criterion/criterion.h>
#include <errno.h>

#include "base/clock.h"
#include "transport_verbs_rig.h"

enum { RAILS = 2, LANES = 5 };

static void rails_init(struct vrig *rig, enum vfiomig_role role)
{
	vrig_init(rig, role, LANES);
	fake.rails = rig->config.rails = RAILS;
	rig->peer.rkey[1] = 77;
	vrig_address(role == VFIOMIG_SOURCE ? &rig->config.rail[0].peer : &rig->config.rail[0].local, "10.9.1.2");
	vrig_address(role == VFIOMIG_SOURCE ? &rig->config.rail[1].peer : &rig->config.rail[1].local, "10.9.2.2");
	for (unsigned lane = 0; lane < LANES; lane++)
		vrig_knock(lane, 0x5a);
}

static void rails_up(struct vrig *rig, enum vfiomig_role role)
{
	rails_init(rig, role);
	cr_assert_eq(vrig_up(rig), 0, "%s", rig->err.text);
}

/* All that is to be told; returns the lanes of which DEAD was. */
static unsigned lanes_dead(struct vrig *rig)
{
	struct fabric_event events[64];
	unsigned dead = 0;

	for (unsigned round = 0; round < 8; round++) {
		unsigned count = rig->fabric->ops->poll(rig->fabric, clock_now_ns() + round * NS_PER_S, events, 64);

		for (unsigned i = 0; i < count; i++)
			dead |= events[i].kind == FABRIC_DEAD ? 1U << events[i].lane : 0;
	}
	return dead;
}

static void rails_close(struct vrig *rig)
{
	rig->fabric->ops->close(rig->fabric);
	cr_assert_eq(fake_living(), 0, "%d objects outlive the fabric", fake_living());
}

Test(verbs_rails, have_a_registration_each_and_both_keys_are_told)
{
	struct fabric_memory memory;
	struct vrig rig;

	rails_up(&rig, VFIOMIG_DESTINATION);
	cr_assert_eq(fake.mrs, RAILS);
	rig.fabric->ops->describe(rig.fabric, &memory);
	cr_assert_neq(memory.rkey[0], memory.rkey[1]);
	cr_assert_eq(memory.rkey[2], 0);
	cr_assert_eq(memory.base, (uintptr_t)rig.arena.base);
	rig.fabric->ops->release(rig.fabric);
	cr_assert_eq(fake.mrs, 0, "both must go before PREPARED");
	rails_close(&rig);
}

Test(verbs_rails, write_with_the_key_of_the_lanes_rail)
{
	struct vrig rig;

	rails_up(&rig, VFIOMIG_SOURCE);
	for (unsigned lane = 0; lane < LANES; lane++) {
		struct fabric_packet packet = vrig_packet(0, 1, 4096, lane);
		unsigned first = fake.send_count;

		cr_assert_eq(rig.fabric->ops->post(rig.fabric, lane, &packet), 0);
		cr_assert_gt(fake.send_count, first);
		for (unsigned i = first; i < fake.send_count; i++) {
			cr_assert_eq(fake.sends[i].qp, fake_qp(lane), "lane %u", lane);
			cr_assert_eq(fake.sends[i].work.wr.rdma.rkey, rig.peer.rkey[lane % RAILS], "lane %u", lane);
		}
	}
	rails_close(&rig);
}

Test(verbs_rails, tell_of_a_lane_by_its_number_in_the_session)
{
	struct fabric_event event;
	struct vrig rig;
	unsigned count = 0;

	rails_up(&rig, VFIOMIG_DESTINATION);
	fake_arrives(3, immediate_make(IMMEDIATE_DATA, 1, 2));
	for (unsigned round = 0; round < RAILS && !count; round++)
		count = rig.fabric->ops->poll(rig.fabric, clock_now_ns(), &event, 1);
	cr_assert_eq(count, 1);
	cr_assert_eq(event.kind, FABRIC_ARRIVED);
	cr_assert_eq(event.lane, 3);
	rails_close(&rig);
}

Test(verbs_rails, lose_one_lane_alone)
{
	struct vrig rig;

	rails_up(&rig, VFIOMIG_SOURCE);
	rig.fabric->ops->lose(rig.fabric, 3);
	cr_assert_eq(lanes_dead(&rig), 1U << 3);
	cr_assert(strstr(rig.fabric->ops->error(rig.fabric, 3)->text, "lane 3"), "%s",
		  rig.fabric->ops->error(rig.fabric, 3)->text);
	rails_close(&rig);
}

Test(verbs_rails, whose_device_is_removed_take_their_own_lanes_along_and_no_others)
{
	struct vrig rig;

	rails_up(&rig, VFIOMIG_DESTINATION);
	fake_cm_event(1, RDMA_CM_EVENT_DEVICE_REMOVAL);
	cr_assert_eq(lanes_dead(&rig), 1U << 1 | 1U << 3);
	cr_assert_eq(fake.mrs, 1, "the other rail's stays");
	cr_assert_eq(rig.fabric->ops->send(rig.fabric, 4, immediate_make(IMMEDIATE_CREDIT, 0, 1)), 0);
	cr_assert_eq(rig.fabric->ops->send(rig.fabric, 1, immediate_make(IMMEDIATE_CREDIT, 0, 1)), -EPIPE);
	rails_close(&rig);
}

Test(verbs_rails, wait_for_the_descriptors_of_both)
{
	struct pollfd fds[FABRIC_POLLFDS_MAX];
	struct vrig rig;

	rails_up(&rig, VFIOMIG_DESTINATION);
	lanes_dead(&rig); /* all that was told on the way up */
	cr_assert_eq(rig.fabric->ops->pollfds(rig.fabric, fds, FABRIC_POLLFDS_MAX), 3 * RAILS);
	rails_close(&rig);
}

Test(verbs_rails, are_not_more_than_lanes)
{
	struct fabric_memory memory;
	struct vrig rig;

	rails_init(&rig, VFIOMIG_SOURCE);
	rig.config.lanes = 1;
	cr_assert_eq(vrig_up(&rig), 0, "%s", rig.err.text);
	cr_assert_eq(fake.mrs, 1);
	rig.fabric->ops->describe(rig.fabric, &memory);
	cr_assert_eq(memory.rkey[1], 0);
	rails_close(&rig);
}

Test(verbs_rails, that_fail_say_which_and_leave_nothing)
{
	struct vrig rig;

	for (enum vfiomig_role role = VFIOMIG_SOURCE; role <= VFIOMIG_DESTINATION; role++) {
		unsigned call = 0, failures = 0, named = 0;

		do {
			int rc;

			rails_init(&rig, role);
			fake.fail_call = ++call;
			rc = vrig_up(&rig);
			failures += rc < 0;
			named += rc < 0 && strstr(rig.err.text, "rail 1: ");
			if (rig.fabric)
				rig.fabric->ops->close(rig.fabric);
			cr_assert_eq(fake_living(), 0, "call %u: %d objects are left", call, fake_living());
		} while (fake.calls >= call);
		cr_assert_geq(failures, 24, "only %u of %u calls mattered", failures, call);
		cr_assert_geq(named, 8, "only %u name the second rail", named);
	}
}
