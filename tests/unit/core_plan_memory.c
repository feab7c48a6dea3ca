/* SPDX-License-Identifier: MIT */
#include "unit/core_plan_rig.h"

static void transport(uint8_t source, uint8_t destination, enum vfiomig_transport taken, const char *why)
{
	start(1);
	there.side.transports = source;
	here.side.transports = destination;
	agreed();
	cr_assert_eq(plan.transport, taken);
	cr_assert_str_eq(plan.reason, why);
}

Test(plan_memory, takes_rdma_where_both_have_it_and_says_why_where_not)
{
	transport(RDMA | TCP, RDMA | TCP, VFIOMIG_TRANSPORT_RDMA, "as it is here");
	transport(RDMA, RDMA | TCP, VFIOMIG_TRANSPORT_RDMA, "as it is here");
	transport(RDMA | TCP, TCP, VFIOMIG_TRANSPORT_TCP, "destination: as it is here");
	transport(TCP, RDMA | TCP, VFIOMIG_TRANSPORT_TCP, "the source offered no RDMA");
	transport(TCP, TCP, VFIOMIG_TRANSPORT_TCP, "the source offered no RDMA");
}

Test(plan_memory, refuses_sides_without_a_transport_in_common)
{
	start(1);
	there.side.transports = RDMA;
	refused(-EPROTONOSUPPORT, "no-common-transport", "as it is here");
}

static void memory_of(uint32_t slots_there, uint32_t slots_here, uint64_t bytes_there, uint64_t bytes_here)
{
	start(1);
	there.side.slots = slots_there, there.side.slot_bytes = bytes_there;
	here.side.slots = slots_here, here.side.slot_bytes = bytes_here;
	agreed();
}

Test(plan_memory, takes_the_smaller_memory_of_both_sides)
{
	memory_of(8, 32, 1 << 21, 1 << 20);
	cr_assert_eq(plan.slots, 8);
	cr_assert_eq(plan.slot_bytes, 1 << 20);
	memory_of(32, 9, 1 << 16, 1 << 20);
	cr_assert_eq(plan.slots, 9);
	cr_assert_eq(plan.slot_bytes, 1 << 16);
}

Test(plan_memory, leaves_lanes_and_integrity_to_the_source)
{
	start(1);
	there.side.lanes = 3, here.side.lanes = 9;
	there.side.integrity = VFIOMIG_INTEGRITY_NONE;
	agreed();
	cr_assert_eq(plan.lanes, 3);
	cr_assert_eq(plan.integrity, VFIOMIG_INTEGRITY_NONE);
}

/* Over RDMA, with a destination whose queue pairs take @receives: each slot of each device may need one of all but 4. */
static void receives(unsigned count, unsigned devices)
{
	start(devices);
	there.side.transports = here.side.transports = RDMA;
	here.side.receives_max = count;
}

Test(plan_memory, has_no_more_slots_than_the_rdma_device_has_receives)
{
	receives(34, 3);
	agreed();
	cr_assert_eq(plan.slots, 10);
	receives(10, 3);
	agreed();
	cr_assert_eq(plan.slots, VFIOMIG_SLOTS_MIN);
	receives(9, 3);
	refused(-ENOSPC, "slots", "9 receives");
	receives(0, 1);
	refused(-ENOSPC, "slots", "0 receives");
}

Test(plan_memory, over_tcp_no_receive_bounds_the_slots)
{
	receives(0, 3);
	there.side.transports = here.side.transports = TCP;
	agreed();
	cr_assert_eq(plan.slots, 16);
}

Test(plan_memory, offers_no_more_slots_than_the_sources_own_rdma_device_bears)
{
	start(2);
	there.side.transports = RDMA | TCP;
	there.side.receives_max = 14;
	plan_offer(&there.side, &offer);
	cr_assert_eq(offer.slots, 5);
	there.side.transports = TCP;
	plan_offer(&there.side, &offer);
	cr_assert_eq(offer.slots, 16);
}

Test(plan_memory, does_not_offer_rdma_that_bears_too_few_receives_for_its_devices)
{
	start(2);
	there.side.transports = RDMA | TCP;
	there.side.receives_max = 7;
	plan_offer(&there.side, &offer);
	cr_assert_eq(offer.transports, TCP);
	cr_assert_eq(offer.slots, 16);
}

Test(plan_memory, accepts_no_more_slots_than_it_offered_though_it_has_more)
{
	struct message_agreed answer;
	struct plan taken;

	start(2);
	there.side.transports = here.side.transports = RDMA;
	there.side.receives_max = 14;
	agreed();
	plan_answer(&plan, &answer);
	cr_assert_eq(plan_accept(&taken, &there.side, &answer, &err), 0, "%s", err.text);
	cr_assert_eq(taken.slots, 5);
	answer.slots = 6;
	cr_assert_eq(plan_accept(&taken, &there.side, &answer, &err), -EPROTO);
	cr_assert_str_eq(err.name, "agreed-beyond-offer");
}

/* The source hears the answer to what it offered, after @spoil. */
static int accept_spoilt(void (*spoil)(struct message_agreed *answer))
{
	struct message_agreed answer;
	struct plan taken;

	start(2);
	agreed();
	plan_answer(&plan, &answer);
	spoil(&answer);
	return plan_accept(&taken, &there.side, &answer, &err);
}

static void other_lanes(struct message_agreed *answer)
{
	answer->lanes++;
}

static void more_slots(struct message_agreed *answer)
{
	answer->slots++;
}

static void one_slot(struct message_agreed *answer)
{
	answer->slots = 1;
}

static void larger_slots(struct message_agreed *answer)
{
	answer->slot_bytes++;
}

static void tiny_slots(struct message_agreed *answer)
{
	answer->slot_bytes = VFIOMIG_SLOT_BYTES_MIN - 1;
}

static void another_transport(struct message_agreed *answer)
{
	answer->transport = VFIOMIG_TRANSPORT_RDMA;
}

static void no_transport(struct message_agreed *answer)
{
	answer->transport = VFIOMIG_TRANSPORT_AUTO;
}

static void a_third_gate(struct message_agreed *answer)
{
	answer->gated = 4;
}

Test(plan_memory, accepts_nothing_that_was_not_offered)
{
	void (*const spoils[])(struct message_agreed * answer) = { other_lanes,	 more_slots,  one_slot,
								   larger_slots, tiny_slots,  another_transport,
								   no_transport, a_third_gate };

	for (unsigned i = 0; i < sizeof(spoils) / sizeof(spoils[0]); i++) {
		cr_assert_eq(accept_spoilt(spoils[i]), -EPROTO, "%u", i);
		cr_assert_eq(err.code, VFIOMIG_PROTOCOL);
		cr_assert_str_eq(err.name, "agreed-beyond-offer");
	}
}

Test(plan_memory, is_the_same_on_both_sides)
{
	struct message_agreed answer;
	struct plan taken;

	start(3);
	here.side.slots = 7, here.side.slot_bytes = 1 << 17;
	there.side.integrity = VFIOMIG_INTEGRITY_NONE;
	here.device[1].gate = VFIOMIG_GATE_ON;
	agreed();
	plan_answer(&plan, &answer);
	cr_assert_eq(plan_accept(&taken, &there.side, &answer, &err), 0, "%s", err.text);
	cr_assert_eq(taken.devices, plan.devices);
	cr_assert_eq(taken.lanes, plan.lanes);
	cr_assert_eq(taken.slots, 7);
	cr_assert_eq(taken.slot_bytes, 1 << 17);
	cr_assert_eq(taken.integrity, VFIOMIG_INTEGRITY_NONE);
	cr_assert_eq(taken.transport, VFIOMIG_TRANSPORT_TCP);
	cr_assert_eq(taken.gated, plan.gated);
	cr_assert(taken.gated & 2);
	cr_assert_str_eq(taken.reason, plan.reason);
}

/* Both sides want 16 slots of 1 MiB per device, and one may queue @max bytes: what they agree on. */
static void queued(struct end *end, unsigned devices, uint64_t max, uint32_t slots, uint64_t slot_bytes)
{
	start(devices);
	end->side.queued_bytes_max = max;
	cr_assert_eq(plan_check_side(&end->side, &err), 0, "%s", err.text);
	agreed();
	cr_assert_eq(plan.slots, slots, "%u slots of %llu", plan.slots, (unsigned long long)plan.slot_bytes);
	cr_assert_eq(plan.slot_bytes, slot_bytes, "%llu", (unsigned long long)plan.slot_bytes);
	cr_assert_leq((uint64_t)plan.slots * plan.slot_bytes * devices, max);
}

Test(plan_memory, keeps_within_what_either_side_may_queue_by_fewer_slots_and_then_by_smaller_ones)
{
	struct end *ends[] = { &here, &there };

	for (unsigned i = 0; i < 2; i++) {
		queued(ends[i], 1, 16 << 20, 16, 1 << 20);
		queued(ends[i], 1, (16 << 20) - 1, 15, 1 << 20);
		queued(ends[i], 3, 16 << 20, 5, 1 << 20);
		queued(ends[i], 1, 4 << 20, 4, 1 << 20);
		queued(ends[i], 1, (4 << 20) - 1, 4, (1 << 20) - 4096);
		queued(ends[i], 2, 1 << 20, 4, 128 << 10);
		queued(ends[i], 1, 200000, 3, VFIOMIG_SLOT_BYTES_MIN);
		queued(ends[i], 3, 3 * 2 * VFIOMIG_SLOT_BYTES_MIN, 2, VFIOMIG_SLOT_BYTES_MIN);
	}
}

Test(plan_memory, keeps_within_what_may_be_queued_for_whatever_sizes)
{
	for (unsigned devices = 1; devices <= DEVICES; devices++)
		for (uint64_t max = (uint64_t)devices << 17; max < 64 << 20; max += max / 3 + 4099) {
			start(devices);
			there.side.queued_bytes_max = max;
			here.side.queued_bytes_max = max + max / 5;
			agreed();
			cr_assert_leq((uint64_t)plan.slots * plan.slot_bytes * devices, max);
			cr_assert_geq(plan.slots, VFIOMIG_SLOTS_MIN);
			cr_assert_geq(plan.slot_bytes, VFIOMIG_SLOT_BYTES_MIN);
		}
}

Test(plan_memory, refuses_to_queue_less_than_two_of_the_smallest_slots_per_device)
{
	start(3);
	here.side.queued_bytes_max = 3 * 2 * VFIOMIG_SLOT_BYTES_MIN - 1;
	cr_assert_eq(plan_check_side(&here.side, &err), -ENOSPC);
	cr_assert_eq(err.code, VFIOMIG_PREFLIGHT);
	cr_assert_str_eq(err.name, "queued-bytes");
	cr_assert(strstr(err.text, "3 devices need 393216 bytes"), "%s", err.text);
}
