/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>

#include <errno.h>
#include <string.h>

#include "core/flow.h"

enum { SLOT_BYTES = 4096 };

static struct flow flow;
static struct flow_actions actions;

static void start(enum vfiomig_role role, unsigned devices, unsigned lanes, uint32_t slots)
{
	struct flow_shape shape = { role, devices, lanes, slots, SLOT_BYTES };

	cr_assert_eq(flow_init(&flow, &shape), 0);
}

static void end(void)
{
	flow_fini(&flow);
}

/* One more packet of device @d is read. False: no slot. */
static bool fill(unsigned d)
{
	uint64_t index;
	unsigned slot;

	if (!flow_take(&flow, d, &slot, &index))
		return false;
	flow_filled(&flow, d, 100, false, &actions);
	return true;
}

static unsigned count(enum flow_action_kind kind)
{
	unsigned found = 0;

	for (unsigned i = 0; i < actions.count; i++)
		found += actions.action[i].kind == kind;
	return found;
}

static int credit(unsigned d, uint64_t packets)
{
	const char *why;

	return flow_credit(&flow, immediate_make(IMMEDIATE_CREDIT, d, packets), &actions, &why);
}

static struct packet_header header_of(unsigned d, uint64_t index)
{
	return (struct packet_header){ .device = (uint16_t)d, .index = index, .bytes = 100 };
}

static int arrive(unsigned lane, unsigned d, uint64_t index)
{
	struct packet_header header = header_of(d, index);
	const char *why;

	return flow_arrived(&flow, lane, immediate_make(IMMEDIATE_DATA, d, index), &header, &actions, &why);
}

static void assert_refused(unsigned lane, uint32_t immediate, struct packet_header header, const char *word)
{
	const char *why = "";

	cr_assert_eq(flow_arrived(&flow, lane, immediate, &header, &actions, &why), -EPROTO);
	cr_assert_str_eq(why, word);
	cr_assert_eq(actions.count, 0);
}

Test(flow, ends_what_was_never_begun)
{
	struct flow blank = { 0 };

	flow_fini(&blank);
	start(VFIOMIG_SOURCE, 1, 1, 2);
	end();
	end();
}

Test(flow, the_same_slot_is_given_until_it_is_filled, .fini = end)
{
	unsigned slot, again;
	uint64_t index;

	start(VFIOMIG_SOURCE, 1, 1, 4);
	cr_assert(flow_take(&flow, 0, &slot, &index));
	cr_assert(flow_take(&flow, 0, &again, &index));
	cr_assert_eq(again, slot);
	cr_assert_eq(index, 0);
	flow_filled(&flow, 0, 5, false, &actions);
	cr_assert(flow_take(&flow, 0, &again, &index));
	cr_assert_eq(again, 1);
	cr_assert_eq(index, 1);
}

Test(flow, neighbouring_packets_and_devices_travel_on_different_lanes, .fini = end)
{
	start(VFIOMIG_SOURCE, 3, 3, 4);
	for (unsigned d = 0; d < 3; d++)
		for (unsigned i = 0; i < 2; i++) {
			cr_assert(fill(d));
			cr_assert_eq(actions.count, 1);
			cr_assert_eq(actions.action[0].kind, FLOW_POST);
			cr_assert_eq(actions.action[0].lane, (d + i) % 3);
			cr_assert_eq(actions.action[0].slot, i);
			cr_assert_eq(actions.action[0].bytes, 100);
			cr_assert_eq(actions.action[0].immediate, immediate_make(IMMEDIATE_DATA, d, i));
		}
}

Test(flow, a_lane_has_two_packets_outstanding_at_most, .fini = end)
{
	start(VFIOMIG_SOURCE, 1, 1, 8);
	for (unsigned i = 0; i < 5; i++) {
		cr_assert(fill(0));
		cr_assert_eq(count(FLOW_POST), i < FLOW_OUTSTANDING_MAX);
	}
	flow_sent(&flow, 0, 0, 0, &actions);
	cr_assert_eq(count(FLOW_POST), 1);
	cr_assert_eq(actions.action[0].slot, 2);
}

Test(flow, a_lane_serves_devices_in_turn, .fini = end)
{
	start(VFIOMIG_SOURCE, 2, 1, 8);
	for (unsigned i = 0; i < 6; i++)
		cr_assert(fill(0)); /* two of them are on the lane at once */
	cr_assert(fill(1));
	cr_assert(fill(1));
	flow_sent(&flow, 0, 0, 0, &actions);
	cr_assert_eq(actions.action[0].device, 1);
	flow_sent(&flow, 0, 0, 1, &actions);
	cr_assert_eq(actions.action[0].device, 0);
	flow_sent(&flow, 0, 1, 0, &actions);
	cr_assert_eq(actions.action[0].device, 1);
}

Test(flow, a_slot_is_free_only_when_it_is_sent_and_loaded, .fini = end)
{
	start(VFIOMIG_SOURCE, 1, 1, 2);
	cr_assert(fill(0));
	cr_assert(fill(0));
	cr_assert_not(fill(0));
	flow_sent(&flow, 0, 0, 0, &actions);
	cr_assert_not(fill(0), "it is not loaded");
	cr_assert_eq(credit(0, 1), 0);
	cr_assert(fill(0));
	cr_assert_eq(credit(0, 2), 0);
	cr_assert_not(fill(0), "it is loaded, but a work request may still read it");
	flow_sent(&flow, 0, 0, 1, &actions);
	cr_assert(fill(0));
}

Test(flow, a_sleeping_reader_is_woken_by_what_frees_its_slot_be_it_the_credit_or_the_completion, .fini = end)
{
	start(VFIOMIG_SOURCE, 1, 1, 2);
	cr_assert(fill(0));
	cr_assert(fill(0));
	cr_assert_not(fill(0));
	flow_sent(&flow, 0, 0, 0, &actions);
	cr_assert_eq(count(FLOW_WAKE), 0);
	cr_assert_eq(credit(0, 1), 0);
	cr_assert_eq(count(FLOW_WAKE), 1);
	cr_assert(fill(0));
	cr_assert_not(fill(0));
	cr_assert_eq(credit(0, 2), 0);
	cr_assert_not(fill(0));
	flow_sent(&flow, 0, 0, 1, &actions);
	cr_assert_eq(count(FLOW_WAKE), 1);
}

Test(flow, is_settled_once_all_that_was_read_is_loaded_and_wakes_with_every_credit_until_then, .fini = end)
{
	start(VFIOMIG_SOURCE, 2, 1, 4);
	cr_assert(flow_settled(&flow, 0), "nothing was read");
	cr_assert(fill(0));
	cr_assert(fill(0));
	cr_assert_not(flow_settled(&flow, 0));
	cr_assert(flow_settled(&flow, 1), "each device for itself");
	cr_assert_eq(credit(0, 1), 0);
	cr_assert_eq(count(FLOW_WAKE), 1);
	cr_assert_not(flow_settled(&flow, 0));
	cr_assert_eq(credit(0, 2), 0);
	cr_assert_eq(count(FLOW_WAKE), 1);
	cr_assert(flow_settled(&flow, 0), "the lane may still be at it: what counts is that it is loaded");
	cr_assert_eq(credit(0, 2), 0);
	cr_assert_eq(count(FLOW_WAKE), 0, "nobody waits any more");
}

Test(flow, a_slot_that_was_taken_and_not_filled_settles_all_the_same, .fini = end)
{
	uint64_t index;
	unsigned slot;

	start(VFIOMIG_SOURCE, 1, 1, 4);
	cr_assert(fill(0));
	cr_assert(flow_take(&flow, 0, &slot, &index));
	cr_assert_not(flow_settled(&flow, 0));
	cr_assert_eq(credit(0, 1), 0);
	cr_assert(flow_settled(&flow, 0));
	cr_assert(flow_take(&flow, 0, &slot, &index), "the same slot is for STOP_COPY's first packet");
	cr_assert_eq(index, 1);
}

Test(flow, nobody_is_woken_who_does_not_sleep, .fini = end)
{
	start(VFIOMIG_SOURCE, 1, 1, 2);
	cr_assert(fill(0));
	flow_sent(&flow, 0, 0, 0, &actions);
	cr_assert_eq(credit(0, 1), 0);
	cr_assert_eq(actions.count, 0);
}

Test(flow, a_credit_of_a_device_that_is_not_there_is_refused, .fini = end)
{
	const char *why = "";

	start(VFIOMIG_SOURCE, 2, 1, 2);
	cr_assert_eq(flow_credit(&flow, immediate_make(IMMEDIATE_CREDIT, 2, 0), &actions, &why), -EPROTO);
	cr_assert_str_eq(why, "credit-foreign-device");
	cr_assert_eq(flow_credit(&flow, immediate_make(IMMEDIATE_CREDIT, 63, 0), &actions, &why), -EPROTO);
	cr_assert_str_eq(why, "credit-foreign-device");
}

Test(flow, a_credit_for_packets_that_no_lane_was_given_is_refused, .fini = end)
{
	const char *why = "";

	start(VFIOMIG_SOURCE, 1, 1, 8);
	for (unsigned i = 0; i < 3; i++)
		cr_assert(fill(0)); /* the third still waits for the lane */
	cr_assert_eq(flow_credit(&flow, immediate_make(IMMEDIATE_CREDIT, 0, 3), &actions, &why), -EPROTO);
	cr_assert_str_eq(why, "credit-beyond-sent");
	cr_assert_eq(credit(0, 2), 0);
}

Test(flow, a_dead_lane_is_given_nothing_and_the_next_one_is_the_lowest, .fini = end)
{
	start(VFIOMIG_SOURCE, 1, 2, 4);
	cr_assert_eq(flow_token(&flow), 0);
	flow_lane_dead(&flow, 0);
	cr_assert_eq(flow_token(&flow), 1);
	cr_assert(fill(0));
	cr_assert_eq(actions.count, 0);
	cr_assert(fill(0));
	cr_assert_eq(count(FLOW_POST), 1);
	flow_lane_dead(&flow, 1);
	cr_assert_eq(flow_token(&flow), -ENOTCONN);
}

Test(flow, counts_what_each_lane_was_given, .fini = end)
{
	start(VFIOMIG_SOURCE, 1, 3, 16);
	for (unsigned i = 0; i < 6; i++)
		cr_assert(fill(0));
	for (unsigned l = 0; l < 3; l++) {
		cr_assert_eq(flow.lane[l].packets, 2);
		cr_assert_eq(flow.lane[l].bytes, 200);
	}
}

Test(flow, packets_of_any_lane_are_loaded_in_order, .fini = end)
{
	struct packet_header header;

	start(VFIOMIG_DESTINATION, 1, 3, 4);
	cr_assert_eq(arrive(2, 0, 2), 0);
	cr_assert_eq(arrive(1, 0, 1), 0);
	cr_assert_eq(flow_ready(&flow, 0, 8, true), 0);
	cr_assert_eq(arrive(0, 0, 0), 0);
	cr_assert_eq(count(FLOW_WAKE), 1);
	cr_assert_eq(flow_ready(&flow, 0, 8, true), 3);
	for (unsigned i = 0; i < 3; i++) {
		cr_assert_eq(flow_peek(&flow, 0, i, &header), i);
		cr_assert_eq(header.index, i);
	}
}

Test(flow, a_sleeping_loader_is_not_woken_by_what_it_cannot_load, .fini = end)
{
	start(VFIOMIG_DESTINATION, 1, 3, 4);
	cr_assert_eq(flow_ready(&flow, 0, 8, true), 0);
	cr_assert_eq(arrive(1, 0, 1), 0);
	cr_assert_eq(actions.count, 0);
	cr_assert_eq(arrive(0, 0, 0), 0);
	cr_assert_eq(count(FLOW_WAKE), 1);
}

Test(flow, what_is_loaded_is_credited_cumulatively, .fini = end)
{
	start(VFIOMIG_DESTINATION, 2, 2, 4);
	cr_assert_eq(arrive(1, 1, 0), 0);
	cr_assert_eq(arrive(0, 1, 1), 0);
	flow_loaded(&flow, 1, 1, &actions);
	cr_assert_eq(actions.count, 1);
	cr_assert_eq(actions.action[0].kind, FLOW_CREDIT);
	cr_assert_eq(actions.action[0].immediate, immediate_make(IMMEDIATE_CREDIT, 1, 1));
	flow_loaded(&flow, 1, 1, &actions);
	cr_assert_eq(actions.action[0].immediate, immediate_make(IMMEDIATE_CREDIT, 1, 2));
}

Test(flow, a_credit_goes_on_a_lane_that_lives_or_not_at_all, .fini = end)
{
	start(VFIOMIG_DESTINATION, 1, 3, 4);
	for (unsigned i = 0; i < 2; i++)
		cr_assert_eq(arrive(i, 0, i), 0);
	flow_lane_dead(&flow, 1);
	flow_lane_dead(&flow, 2);
	flow_loaded(&flow, 0, 1, &actions);
	cr_assert_eq(actions.action[0].lane, 0);
	flow_lane_dead(&flow, 0);
	flow_loaded(&flow, 0, 1, &actions);
	cr_assert_eq(actions.count, 0);
}

Test(flow, the_config_packet_is_handed_out_alone, .fini = end)
{
	struct packet_header header = header_of(0, 2);
	const char *why;

	start(VFIOMIG_DESTINATION, 1, 1, 4);
	header.flags = PACKET_CONFIG_STATE;
	cr_assert_eq(flow_arrived(&flow, 0, immediate_make(IMMEDIATE_DATA, 0, 2), &header, &actions, &why), 0);
	cr_assert_eq(arrive(0, 0, 0), 0);
	cr_assert_eq(arrive(0, 0, 1), 0);
	cr_assert_eq(flow_ready(&flow, 0, 8, true), 2);
	flow_loaded(&flow, 0, 2, &actions);
	cr_assert_eq(flow_ready(&flow, 0, 8, true), 1);
	cr_assert_eq(flow_data_packets(&flow, 0), 2);
}

Test(flow, a_packet_is_placed_in_its_slot_or_refused_before_it_is_received, .fini = end)
{
	const char *why = "";
	unsigned d, slot;

	start(VFIOMIG_DESTINATION, 2, 1, 4);
	cr_assert_eq(flow_place(&flow, (1 + 3) % flow.lanes, immediate_make(IMMEDIATE_DATA, 1, 3), SLOT_BYTES, &d,
				&slot, &why),
		     0);
	cr_assert_eq(d, 1);
	cr_assert_eq(slot, 3);
	cr_assert_eq(flow_place(&flow, (2 + 0) % flow.lanes, immediate_make(IMMEDIATE_DATA, 2, 0), 1, &d, &slot, &why),
		     -EPROTO);
	cr_assert_str_eq(why, "packet-foreign-device");
	cr_assert_eq(flow_place(&flow, (1 + 0) % flow.lanes, immediate_make(IMMEDIATE_DATA, 1, 0), SLOT_BYTES + 1, &d,
				&slot, &why),
		     -EPROTO);
	cr_assert_str_eq(why, "packet-too-long");
	cr_assert_eq(flow_place(&flow, (1 + 4) % flow.lanes, immediate_make(IMMEDIATE_DATA, 1, 4), 1, &d, &slot, &why),
		     -EPROTO);
	cr_assert_str_eq(why, "packet-beyond-window");
	cr_assert_eq(arrive(0, 0, 0), 0);
	cr_assert_eq(flow_place(&flow, (0 + 0) % flow.lanes, immediate_make(IMMEDIATE_DATA, 0, 0), 1, &d, &slot, &why),
		     -EPROTO);
	cr_assert_str_eq(why, "packet-twice");
	cr_assert_eq(flow_place(&flow, 1, immediate_make(IMMEDIATE_DATA, 1, 3), 1, &d, &slot, &why), -EPROTO);
	cr_assert_str_eq(why, "packet-lane", "it would be received over a slot that another lane fills");
}

Test(flow, a_packet_that_must_not_be_is_refused_by_its_word, .fini = end)
{
	struct packet_header header = header_of(0, 1);

	start(VFIOMIG_DESTINATION, 2, 2, 4);
	assert_refused(0, immediate_make(IMMEDIATE_DATA, 2, 0), header_of(2, 0), "packet-foreign-device");
	assert_refused(0, immediate_make(IMMEDIATE_DATA, 63, 0), header_of(63, 0), "packet-foreign-device");
	assert_refused(1, immediate_make(IMMEDIATE_DATA, 1, 1), header_of(0, 1), "packet-immediate");
	assert_refused(1, immediate_make(IMMEDIATE_DATA, 0, 1), header_of(0, 2), "packet-immediate");
	assert_refused(1, immediate_make(IMMEDIATE_DATA, 0, 1), header_of(0, (1 << 24) + 1), "packet-immediate");
	assert_refused(0, immediate_make(IMMEDIATE_DATA, 0, 1), header_of(0, 1), "packet-lane");
	assert_refused(0, immediate_make(IMMEDIATE_DATA, 0, 4), header_of(0, 4), "packet-beyond-window");
	header.bytes = SLOT_BYTES + 1;
	assert_refused(1, immediate_make(IMMEDIATE_DATA, 0, 1), header, "packet-too-long");
	cr_assert_eq(arrive(1, 0, 1), 0);
	assert_refused(1, immediate_make(IMMEDIATE_DATA, 0, 1), header_of(0, 1), "packet-twice");
	cr_assert(flow_consistent(&flow));
	cr_assert_eq(flow_data_packets(&flow, 0), 1);
}
