/* SPDX-License-Identifier: MIT */
/* What the flow does with the packets of a lane that died: nothing, until both sides have fenced it. */
#include <criterion/criterion.h>

#include <errno.h>
#include <string.h>

#include "core/flow.h"

enum { SLOT_BYTES = 4096, SLOTS = 8 };

static struct flow flow;
static struct flow_actions actions;
static struct message_fenced report;

static void start(enum vfiomig_role role, unsigned devices, unsigned lanes)
{
	struct flow_shape shape = { role, devices, lanes, SLOTS, SLOT_BYTES };

	cr_assert_eq(flow_init(&flow, &shape), 0);
}

static void end(void)
{
	cr_assert(flow_consistent(&flow));
	flow_fini(&flow);
}

/* Packet by packet; how many of them were posted at once. */
static unsigned fill(unsigned d, unsigned count)
{
	unsigned posted = 0;

	for (unsigned i = 0; i < count; i++) {
		uint64_t index;
		unsigned slot;

		cr_assert(flow_take(&flow, d, &slot, &index));
		flow_filled(&flow, d, 100, false, &actions);
		posted += actions.count;
	}
	return posted;
}

static void says(unsigned lane, unsigned d, uint64_t loaded, uint8_t here)
{
	memset(&report, 0, sizeof(report));
	report.lane = (uint16_t)lane;
	report.number = (uint16_t)d;
	report.loaded = loaded;
	report.slots = SLOTS;
	report.here[0] = here;
}

static void assert_refused(const char *word)
{
	const char *why = "";

	cr_assert_eq(flow_resend(&flow, &report, &why), -EPROTO);
	cr_assert_str_eq(why, word);
	cr_assert_eq(flow.lane[0].state, LANE_DEAD);
}

static unsigned posts_of(unsigned lane)
{
	unsigned posts = 0;

	for (unsigned i = 0; i < actions.count; i++)
		posts += actions.action[i].kind == FLOW_POST && actions.action[i].lane == lane;
	return posts;
}

/* All steps of a recovery: how many actions of @kind came of it. */
static unsigned recover(enum flow_action_kind kind)
{
	unsigned count = 0;

	for (unsigned n = 0; flow_recover(&flow, n, &actions); n++)
		for (unsigned i = 0; i < actions.count; i++)
			count += actions.action[i].kind == kind;
	return count;
}

static void resend(void)
{
	const char *why;

	cr_assert_eq(flow_resend(&flow, &report, &why), 0, "%s", why);
}

static int arrive(unsigned lane, uint64_t index, const char **why)
{
	struct packet_header header = { .index = index, .bytes = 100 };

	return flow_arrived(&flow, lane, immediate_make(IMMEDIATE_DATA, 0, index), &header, &actions, why);
}

Test(flow_failover, packets_of_a_dead_lane_wait_until_it_is_fenced_on_both_sides, .fini = end)
{
	start(VFIOMIG_SOURCE, 1, 2);
	cr_assert_eq(fill(0, 1), 1);
	flow_lane_dead(&flow, 0);
	cr_assert_eq(fill(0, 3), 2, "the living lane's own");
	flow_sent(&flow, 1, 0, 1, &actions);
	cr_assert_eq(actions.count, 0, "it carries nobody else's yet");
	says(0, 0, 0, 0);
	resend();
	cr_assert(flow_recover(&flow, 1, &actions));
	cr_assert_eq(posts_of(1), 1);
	cr_assert_eq(actions.action[0].slot, 0, "the oldest first, in its own slot");
	cr_assert_eq(actions.action[0].immediate, immediate_make(IMMEDIATE_DATA, 0, 0));
}

Test(flow_failover, what_was_seen_is_not_sent_again_and_what_was_only_sent_is, .fini = end)
{
	start(VFIOMIG_SOURCE, 1, 2);
	cr_assert_eq(fill(0, 3), 3);
	flow_sent(&flow, 0, 0, 0, &actions);
	flow_sent(&flow, 0, 0, 2, &actions);
	flow_lane_dead(&flow, 0);
	says(0, 0, 0, 1 << 2);
	resend();
	cr_assert_eq(flow.lane[0].resent, 1, "packet 0 was sent and never seen, packet 2 is there");
	cr_assert_eq(recover(FLOW_POST), 1);
	cr_assert_eq(flow.device[0].slots[2].owner, OWNER_PEER);
}

Test(flow_failover, a_report_brings_the_credit_that_died_with_its_lane, .fini = end)
{
	uint64_t index;
	unsigned slot;

	start(VFIOMIG_SOURCE, 1, 2);
	cr_assert_eq(fill(0, SLOTS), 4);
	for (unsigned i = 0; i < 8; i++)
		flow_sent(&flow, i % 2, 0, i, &actions);
	cr_assert_not(flow_take(&flow, 0, &slot, &index));
	flow_lane_dead(&flow, 0);
	says(0, 0, 8, 0);
	resend();
	cr_assert_eq(flow.device[0].credit, 8);
	cr_assert_eq(flow.lane[0].resent, 0);
	cr_assert_eq(recover(FLOW_WAKE), 1);
	cr_assert(flow_take(&flow, 0, &slot, &index));
}

Test(flow_failover, a_report_that_is_older_than_a_credit_takes_nothing_back, .fini = end)
{
	const char *why;

	start(VFIOMIG_SOURCE, 1, 2);
	cr_assert_eq(fill(0, 2), 2);
	flow_lane_dead(&flow, 0);
	cr_assert_eq(flow_credit(&flow, immediate_make(IMMEDIATE_CREDIT, 0, 1), &actions, &why), 0);
	says(0, 0, 0, 0);
	resend();
	cr_assert_eq(flow.device[0].credit, 1);
	cr_assert_eq(flow.device[0].slots[0].owner, OWNER_NOBODY);
	cr_assert_eq(flow.lane[0].resent, 0);
}

Test(flow_failover, a_completion_that_is_told_late_frees_nothing_that_another_lane_has, .fini = end)
{
	start(VFIOMIG_SOURCE, 1, 2);
	cr_assert_eq(fill(0, 1), 1);
	flow_lane_dead(&flow, 0);
	says(0, 0, 0, 0);
	resend();
	cr_assert_eq(recover(FLOW_POST), 1);
	flow_sent(&flow, 0, 0, 0, &actions);
	cr_assert_eq(actions.count, 0);
	cr_assert_eq(flow.device[0].slots[0].owner, OWNER_LANE);
	cr_assert_eq(flow.device[0].slots[0].lane, 1);
}

Test(flow_failover, what_a_fenced_lane_left_is_shared_by_all_that_live, .fini = end)
{
	static const unsigned lane[] = { 1, 1, 2, 3, 2 }; /* the home of 0 and 4 is fenced */

	start(VFIOMIG_SOURCE, 1, 4);
	flow_lane_dead(&flow, 0);
	says(0, 0, 0, 0);
	resend();
	for (unsigned i = 0; i < 5; i++) {
		cr_assert_eq(fill(0, 1), 1);
		cr_assert_eq(posts_of(lane[i]), 1, "packet %u", i);
	}
	cr_assert_eq(flow_living(&flow), 3);
}

Test(flow_failover, a_packet_survives_the_death_of_every_lane_but_one, .fini = end)
{
	start(VFIOMIG_SOURCE, 1, 8);
	cr_assert_eq(fill(0, 1), 1);
	for (unsigned l = 0; l < 7; l++) {
		unsigned carrier = flow.device[0].slots[0].lane;

		flow_lane_dead(&flow, carrier);
		says(carrier, 0, 0, 0);
		resend();
		cr_assert_eq(recover(FLOW_POST), 1);
		cr_assert_eq(flow.lane[carrier].resent, 1);
	}
	cr_assert_eq(flow_living(&flow), 1);
}

Test(flow_failover, a_credit_counts_what_was_given_once_wherever_it_waits_now, .fini = end)
{
	const char *why = "";

	start(VFIOMIG_SOURCE, 1, 2);
	cr_assert_eq(fill(0, 6), 4);
	flow_lane_dead(&flow, 0);
	says(0, 0, 0, 0);
	resend();
	cr_assert_eq(flow_credit(&flow, immediate_make(IMMEDIATE_CREDIT, 0, 5), &actions, &why), -EPROTO);
	cr_assert_str_eq(why, "credit-beyond-sent");
	cr_assert_eq(flow_credit(&flow, immediate_make(IMMEDIATE_CREDIT, 0, 4), &actions, &why), 0);
}

Test(flow_failover, the_token_is_sent_again_only_if_its_lane_died_with_it, .fini = end)
{
	start(VFIOMIG_SOURCE, 2, 3);
	cr_assert_eq(flow_token(&flow), 0);
	flow_lane_dead(&flow, 1);
	says(1, 0, 0, 0);
	resend();
	cr_assert_eq(recover(FLOW_TOKEN), 0, "it went over another one");
	flow_lane_dead(&flow, 0);
	says(0, 0, 0, 0);
	resend();
	cr_assert_eq(recover(FLOW_TOKEN), 1);
	cr_assert_eq(flow.token_lane, 2);
	says(0, 1, 0, 0);
	resend();
	cr_assert_eq(recover(FLOW_TOKEN), 0, "not for every device");
}

Test(flow_failover, a_token_that_was_seen_is_not_sent_again, .fini = end)
{
	start(VFIOMIG_SOURCE, 1, 2);
	cr_assert_eq(flow_token(&flow), 0);
	flow_lane_dead(&flow, 0);
	says(0, 0, 0, 0);
	report.token = true;
	resend();
	cr_assert_eq(recover(FLOW_TOKEN), 0);
}

Test(flow_failover, a_report_of_what_cannot_be_is_refused_and_changes_nothing, .fini = end)
{
	start(VFIOMIG_SOURCE, 1, 2);
	cr_assert_eq(fill(0, 6), 4);
	flow_lane_dead(&flow, 0);
	says(0, 1, 0, 0);
	assert_refused("fenced-shape");
	says(2, 0, 0, 0);
	assert_refused("fenced-shape");
	says(0, 0, 0, 0);
	report.slots = SLOTS - 1;
	assert_refused("fenced-shape");
	says(0, 0, 5, 0);
	assert_refused("fenced-beyond-sent");
	says(0, 0, UINT64_MAX, 0);
	assert_refused("fenced-beyond-sent");
	says(0, 0, 0, 1 << 4);
	assert_refused("fenced-beyond-sent");
	says(0, 0, 2, 1 << 3);
	assert_refused("fenced-beyond-sent");
	cr_assert_eq(flow.device[0].credit, 0);
}

Test(flow_failover, a_destination_takes_a_packet_over_another_lane_only_when_its_home_is_fenced, .fini = end)
{
	const char *why = "";
	unsigned d, slot;

	start(VFIOMIG_DESTINATION, 1, 2);
	cr_assert_eq(arrive(1, 0, &why), -EPROTO);
	cr_assert_str_eq(why, "packet-lane");
	flow_lane_dead(&flow, 0);
	cr_assert_eq(arrive(1, 0, &why), -EPROTO, "dead is not fenced");
	flow_lane_fenced(&flow, 0);
	flow_lane_fenced(&flow, 0);
	cr_assert_eq(flow_place(&flow, 1, immediate_make(IMMEDIATE_DATA, 0, 0), 100, &d, &slot, &why), 0);
	cr_assert_eq(arrive(1, 0, &why), 0);
	cr_assert_eq(arrive(1, 0, &why), -EPROTO, "sent again, but it was here");
	cr_assert_str_eq(why, "packet-twice");
	cr_assert_eq(arrive(0, 2, &why), -EPROTO, "over the fenced one itself");
	cr_assert_str_eq(why, "packet-lane");
}

Test(flow_failover, a_destination_reports_what_is_loaded_and_what_is_here, .fini = end)
{
	const char *why = "";

	start(VFIOMIG_DESTINATION, 1, 2);
	for (unsigned i = 0; i < 5; i++)
		if (i != 3)
			cr_assert_eq(arrive(i % 2, i, &why), 0);
	flow_loaded(&flow, 0, 2, &actions);
	cr_assert_eq(arrive(1, 9, &why), 0);
	flow_lane_fenced(&flow, 1);
	memset(&report, 0xff, sizeof(report));
	flow_report(&flow, 1, 0, &report);
	cr_assert_eq(report.lane, 1);
	cr_assert_eq(report.number, 0);
	cr_assert_eq(report.loaded, 2);
	cr_assert_eq(report.slots, SLOTS);
	cr_assert_not(report.token);
	for (uint32_t i = 0; i < SLOTS; i++)
		cr_assert_eq(message_here(&report, i), i == 0 || i == 2 || i == 7, "packet %u", i + 2);
}
