/* SPDX-License-Identifier: MIT */
/* What core wants when a lane dies: fence, ask, and only then send again; and what it does when that does not go so. */
#include <criterion/criterion.h>
#include <errno.h>

#include "support/core_rig.h"

enum { LANES = 3 };

static struct rig rig;

static void start(enum vfiomig_role role)
{
	rig_start(&rig, role, 2, RIG_ALL, RIG_NONE);
	core_set_lanes(&rig.core, LANES);
	rig_to_stream(&rig);
}

static void lose_by(unsigned lane, enum vfiomig_code code)
{
	struct vfiomig_error error = rig_trouble;

	error.code = code;
	rig_step(&rig, &(struct core_event){ .kind = CORE_LANE_LOST, .lane = lane, .error = &error });
}

static void lose(unsigned lane)
{
	lose_by(lane, VFIOMIG_FABRIC);
}

static void fenced(unsigned lane)
{
	rig_step(&rig, &(struct core_event){ .kind = CORE_LANE_FENCED, .lane = lane });
}

static void hear(enum message_type message, unsigned lane, unsigned device)
{
	rig_step(&rig,
		 &(struct core_event){ .kind = CORE_MESSAGE, .message = message, .lane = lane, .device = device });
}

/* The only action of the last step is of @kind and about @lane. */
static void assert_only(enum core_action_kind kind, unsigned lane)
{
	cr_assert_eq(rig.actions.count, 1);
	cr_assert_eq(rig.actions.action[0].kind, kind);
	cr_assert_eq(rig.actions.action[0].lane, lane);
}

static void assert_says(enum message_type message, unsigned lane)
{
	assert_only(ACTION_SEND, lane);
	cr_assert_eq(rig.actions.action[0].message, message);
}

static void assert_failed(enum vfiomig_code code, const char *name)
{
	rig_assert_phase(&rig, PHASE_ROLLBACK);
	cr_assert_eq(rig.core.outcome.code, code);
	cr_assert_str_eq(rig.core.outcome.name, name);
}

static void assert_nothing(void)
{
	cr_assert_eq(rig.actions.count, 0);
	rig_assert_phase(&rig, PHASE_STREAM);
}

/* Nothing is heard of the peer's lanes, but it lives. */
static void wait_ms(uint64_t ms)
{
	for (uint64_t i = 0; i < ms && rig.core.phase == PHASE_STREAM; i += 100) {
		rig_message(&rig, MESSAGE_HEARTBEAT);
		rig_tick_after(&rig, 100);
	}
}

Test(core_lanes, a_source_fences_asks_and_sends_again_in_this_order)
{
	start(VFIOMIG_SOURCE);
	lose(1);
	assert_only(ACTION_FENCE_LANE, 1);
	fenced(1);
	assert_says(MESSAGE_FENCE, 1);
	for (unsigned d = 0; d < 2; d++) {
		hear(MESSAGE_FENCED, 1, d);
		assert_only(ACTION_RESEND, 1);
		cr_assert_eq(rig.actions.action[0].device, d);
	}
	wait_ms(5000);
	rig_assert_phase(&rig, PHASE_STREAM);
}

Test(core_lanes, a_source_does_the_same_when_the_destination_was_first_to_lose_it)
{
	start(VFIOMIG_SOURCE);
	hear(MESSAGE_LANE_LOST, 2, 0);
	assert_only(ACTION_FENCE_LANE, 2);
	lose(2);
	assert_nothing();
	fenced(2);
	assert_says(MESSAGE_FENCE, 2);
	hear(MESSAGE_LANE_LOST, 2, 0);
	assert_nothing();
}

Test(core_lanes, a_report_before_the_own_fence_sends_nothing_again)
{
	start(VFIOMIG_SOURCE);
	lose(1);
	hear(MESSAGE_FENCED, 1, 0);
	cr_assert_eq(rig_count(&rig, ACTION_RESEND), 0);
	assert_failed(VFIOMIG_PROTOCOL, "message-out-of-phase");
}

Test(core_lanes, a_report_that_nobody_asked_for_is_refused)
{
	static const struct {
		unsigned lane, device;
	} wrong[] = { { 0, 0 }, { 1, 1 }, { 2, 0 }, { LANES, 0 }, { VFIOMIG_LANES_MAX - 1, 0 } };

	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		start(VFIOMIG_SOURCE);
		lose(1);
		fenced(1);
		hear(MESSAGE_FENCED, wrong[i].lane, wrong[i].device);
		cr_assert_eq(rig_count(&rig, ACTION_RESEND), 0);
		assert_failed(VFIOMIG_PROTOCOL, "message-out-of-phase");
	}
}

Test(core_lanes, a_report_that_comes_twice_is_refused)
{
	start(VFIOMIG_SOURCE);
	lose(1);
	fenced(1);
	hear(MESSAGE_FENCED, 1, 0);
	hear(MESSAGE_FENCED, 1, 0);
	assert_failed(VFIOMIG_PROTOCOL, "message-out-of-phase");
	start(VFIOMIG_SOURCE);
	lose(1);
	fenced(1);
	hear(MESSAGE_FENCED, 1, 0);
	hear(MESSAGE_FENCED, 1, 1);
	hear(MESSAGE_FENCED, 1, 0);
	assert_failed(VFIOMIG_PROTOCOL, "message-out-of-phase");
}

Test(core_lanes, a_destination_fences_when_asked_and_then_tells_of_every_device)
{
	start(VFIOMIG_DESTINATION);
	hear(MESSAGE_FENCE, 1, 0);
	assert_only(ACTION_FENCE_LANE, 1);
	lose(1);
	assert_nothing();
	fenced(1);
	cr_assert_eq(rig_sent(&rig, MESSAGE_FENCED), 2);
	for (unsigned d = 0; d < 2; d++) {
		cr_assert_eq(rig.actions.action[d].lane, 1);
		cr_assert_eq(rig.actions.action[d].device, d);
	}
	hear(MESSAGE_FENCE, 1, 0);
	assert_failed(VFIOMIG_PROTOCOL, "message-out-of-phase");
}

Test(core_lanes, a_destination_that_loses_one_says_so_when_it_is_fenced_and_waits_to_be_asked)
{
	start(VFIOMIG_DESTINATION);
	lose(0);
	assert_only(ACTION_FENCE_LANE, 0);
	fenced(0);
	assert_says(MESSAGE_LANE_LOST, 0);
	hear(MESSAGE_FENCE, 0, 0);
	cr_assert_eq(rig_sent(&rig, MESSAGE_FENCED), 2, "it is fenced already");
	cr_assert_eq(rig.actions.count, 2);
}

Test(core_lanes, a_destination_that_is_asked_while_it_fences_does_not_say_that_it_lost_it)
{
	start(VFIOMIG_DESTINATION);
	lose(0);
	hear(MESSAGE_FENCE, 0, 0);
	assert_nothing();
	fenced(0);
	cr_assert_eq(rig_sent(&rig, MESSAGE_FENCED), 2);
	cr_assert_eq(rig_sent(&rig, MESSAGE_LANE_LOST), 0);
}

Test(core_lanes, a_destination_that_is_prepared_still_answers)
{
	rig_start(&rig, VFIOMIG_DESTINATION, 2, RIG_ALL, RIG_NONE);
	core_set_lanes(&rig.core, LANES);
	rig_to_commit(&rig);
	hear(MESSAGE_FENCE, 1, 0);
	assert_only(ACTION_FENCE_LANE, 1);
	fenced(1);
	cr_assert_eq(rig_sent(&rig, MESSAGE_FENCED), 2);
	rig_assert_phase(&rig, PHASE_HOLD);
}

Test(core_lanes, several_are_replaced_at_the_same_time_but_not_the_last)
{
	start(VFIOMIG_SOURCE);
	lose(0);
	lose(1);
	assert_only(ACTION_FENCE_LANE, 1);
	fenced(1);
	assert_says(MESSAGE_FENCE, 1);
	fenced(0);
	assert_says(MESSAGE_FENCE, 0);
	lose(2);
	assert_nothing();
	wait_ms(100);
	rig_assert_phase(&rig, PHASE_STREAM);
	wait_ms(100);
	assert_failed(VFIOMIG_FABRIC, rig_trouble.name);
}

Test(core_lanes, a_destination_whose_last_lane_the_source_lost_gives_up_too)
{
	start(VFIOMIG_DESTINATION);
	lose(0);
	lose(1);
	hear(MESSAGE_FENCE, 2, 0);
	wait_ms(200);
	assert_failed(VFIOMIG_FABRIC, "lane-lost");
}

Test(core_lanes, a_destination_that_lost_its_last_tells_nothing_of_it_before_it_is_fenced)
{
	start(VFIOMIG_DESTINATION);
	for (unsigned l = 0; l < LANES; l++)
		lose(l);
	assert_nothing();
	hear(MESSAGE_FENCE, 2, 0);
	assert_only(ACTION_FENCE_LANE, 2);
	fenced(2);
	cr_assert_eq(rig_sent(&rig, MESSAGE_FENCED), 2);
}

Test(core_lanes, one_that_broke_the_rules_is_not_replaced)
{
	static const enum vfiomig_code codes[] = { VFIOMIG_PROTOCOL, VFIOMIG_INTERNAL };

	for (unsigned i = 0; i < 2; i++)
		for (enum vfiomig_role role = VFIOMIG_SOURCE; role <= VFIOMIG_DESTINATION; role++) {
			start(role);
			lose_by(1, codes[i]);
			assert_nothing();
			wait_ms(200);
			assert_failed(codes[i], rig_trouble.name);
		}
	start(VFIOMIG_SOURCE);
	lose_by(1, VFIOMIG_TIMEOUT);
	assert_only(ACTION_FENCE_LANE, 1);
}

/* Its other lanes will be told dead as well; none takes this one's packets, and the peer's word cannot tell the cause better. */
Test(core_lanes, one_that_went_with_our_own_device_takes_all_with_it_at_once)
{
	static const enum vfiomig_role roles[] = { VFIOMIG_SOURCE, VFIOMIG_DESTINATION };
	struct vfiomig_error removed = { .code = VFIOMIG_FABRIC, .errnum = ENODEV, .name = "rdma-device-removed" };

	for (unsigned i = 0; i < 2; i++) {
		start(roles[i]);
		rig_step(&rig, &(struct core_event){ .kind = CORE_LANE_LOST, .lane = 1, .error = &removed });
		rig_tick_after(&rig, 0);
		assert_failed(VFIOMIG_FABRIC, "rdma-device-removed");
	}
}

Test(core_lanes, a_peer_that_never_agrees_is_given_up)
{
	for (enum vfiomig_role role = VFIOMIG_SOURCE; role <= VFIOMIG_DESTINATION; role++) {
		start(role);
		lose(1);
		wait_ms(3000);
		rig_assert_phase(&rig, PHASE_STREAM); /* the fabric has a deadline of its own */
		fenced(1);
		wait_ms(4900); /* it lives, and may be busy */
		rig_assert_phase(&rig, PHASE_STREAM);
		wait_ms(100);
		assert_failed(VFIOMIG_TIMEOUT, "lane-fence-timeout");
	}
}

Test(core_lanes, a_message_of_the_other_side_or_of_no_lane_is_refused)
{
	static const struct {
		enum vfiomig_role role;
		enum message_type message;
		unsigned lane;
	} wrong[] = {
		{ VFIOMIG_SOURCE, MESSAGE_FENCE, 0 },	       { VFIOMIG_DESTINATION, MESSAGE_FENCED, 0 },
		{ VFIOMIG_DESTINATION, MESSAGE_LANE_LOST, 0 }, { VFIOMIG_SOURCE, MESSAGE_LANE_LOST, LANES },
		{ VFIOMIG_DESTINATION, MESSAGE_FENCE, LANES },
	};

	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		start(wrong[i].role);
		hear(wrong[i].message, wrong[i].lane, 0);
		assert_failed(VFIOMIG_PROTOCOL, "message-out-of-phase");
	}
}

Test(core_lanes, before_packets_travel_a_lost_lane_ends_the_session)
{
	rig_start(&rig, VFIOMIG_SOURCE, 1, RIG_ALL, RIG_NONE);
	core_set_lanes(&rig.core, LANES);
	rig_fact(&rig, FACT_CONTROL_UP);
	rig_fact(&rig, FACT_PROBED);
	rig_message(&rig, MESSAGE_AGREED);
	rig_fact(&rig, FACT_FABRIC_OPEN);
	rig_message(&rig, MESSAGE_READY);
	hear(MESSAGE_LANE_LOST, 1, 0);
	cr_assert_eq(rig.actions.count, 0);
	rig_tick_after(&rig, 200);
	assert_failed(VFIOMIG_FABRIC, "lane-lost");
}

Test(core_lanes, what_comes_late_changes_nothing_after_the_record)
{
	rig_start(&rig, VFIOMIG_SOURCE, 2, RIG_ALL, RIG_NONE);
	core_set_lanes(&rig.core, LANES);
	rig_to_stream(&rig);
	lose(0);
	lose(1);
	fenced(1);
	rig_all_done(&rig, REQUEST_READ);
	rig_all_done(&rig, REQUEST_STOP);
	rig_message(&rig, MESSAGE_PREPARED);
	rig_fact(&rig, FACT_COMMITTED);
	rig_assert_phase(&rig, PHASE_COMMIT);
	hear(MESSAGE_FENCED, 1, 0);
	cr_assert_eq(rig.actions.count, 0);
	fenced(0);
	cr_assert_eq(rig.actions.count, 0);
	hear(MESSAGE_LANE_LOST, 2, 0);
	lose(2);
	rig_tick_after(&rig, 500);
	rig_assert_phase(&rig, PHASE_COMMIT);
}

Test(core_lanes, a_fence_that_ends_when_the_session_has_failed_is_of_no_interest)
{
	start(VFIOMIG_SOURCE);
	lose(1);
	rig_event(&rig, CORE_CANCEL, NULL);
	rig_assert_phase(&rig, PHASE_ROLLBACK);
	fenced(1);
	cr_assert_eq(rig.actions.count, 0);
	rig_roll_back(&rig);
}
