/* SPDX-License-Identifier: MIT */
#include "support/core_rig.h"

static struct rig rig;

static void start(enum vfiomig_role role)
{
	rig_start(&rig, role, 1, RIG_ALL, RIG_NONE);
}

Test(core_watch, says_that_it_lives_when_it_had_nothing_to_say_for_a_while)
{
	start(VFIOMIG_SOURCE);
	rig_tick_after(&rig, 200);
	cr_assert_eq(rig.actions.count, 0, "not without a connection");
	rig_fact(&rig, FACT_CONTROL_UP);
	rig_fact(&rig, FACT_PROBED);
	rig_tick_after(&rig, 99);
	cr_assert_eq(rig_sent(&rig, MESSAGE_HEARTBEAT), 0);
	rig_tick_after(&rig, 1);
	cr_assert_eq(rig_sent(&rig, MESSAGE_HEARTBEAT), 1);
	rig_tick_after(&rig, 99);
	cr_assert_eq(rig_sent(&rig, MESSAGE_HEARTBEAT), 0);
}

Test(core_watch, a_silent_peer_is_given_up_after_its_time)
{
	start(VFIOMIG_DESTINATION);
	rig_to_stream(&rig);
	rig_tick_after(&rig, 999);
	rig_assert_phase(&rig, PHASE_STREAM);
	rig_tick_after(&rig, 1);
	rig_assert_phase(&rig, PHASE_ROLLBACK);
	cr_assert_str_eq(rig.core.outcome.name, "peer-silent");
	cr_assert_eq(rig.core.outcome.code, VFIOMIG_TIMEOUT);
}

Test(core_watch, a_heartbeat_is_enough_to_be_heard)
{
	start(VFIOMIG_SOURCE);
	rig_to_stream(&rig);
	for (unsigned i = 0; i < 50; i++) {
		rig_tick_after(&rig, 900);
		rig_assert_phase(&rig, PHASE_STREAM);
		rig_message(&rig, MESSAGE_HEARTBEAT);
	}
}

Test(core_watch, silence_counts_from_the_connection_and_not_from_the_start)
{
	start(VFIOMIG_SOURCE);
	rig_tick_after(&rig, 5000);
	rig_fact(&rig, FACT_CONTROL_UP);
	rig_tick_after(&rig, 999);
	rig_assert_phase(&rig, PHASE_CONNECT);
}

Test(core_watch, a_destination_that_is_not_there_is_a_timeout)
{
	start(VFIOMIG_SOURCE);
	rig_tick_after(&rig, 59999);
	rig_assert_phase(&rig, PHASE_CONNECT);
	rig_tick_after(&rig, 1);
	rig_assert_phase(&rig, PHASE_ROLLBACK);
	cr_assert_str_eq(rig.core.outcome.name, "phase-timeout");
}

Test(core_watch, nothing_is_said_once_the_connection_is_lost)
{
	start(VFIOMIG_SOURCE);
	rig_to_stream(&rig);
	rig_event(&rig, CORE_LOST, &rig_trouble);
	cr_assert_eq(rig_count(&rig, ACTION_SEND), 0);
	rig_tick_after(&rig, 500);
	cr_assert_eq(rig_count(&rig, ACTION_SEND), 0);
}

Test(core_watch, a_destination_does_not_claim_to_know_how_its_silent_source_is)
{
	struct vfiomig_result result;

	start(VFIOMIG_DESTINATION);
	rig_to_stream(&rig);
	rig_tick_after(&rig, 1000);
	cr_assert_eq(rig_sent(&rig, MESSAGE_ABORT), 1, "it may only have been asleep");
	rig_roll_back(&rig);
	core_result(&rig.core, &result);
	cr_assert_str_eq(result.source_state, "unknown");
	cr_assert_str_eq(result.destination_state, "reset");
}

static void lose_lane(void)
{
	rig_event(&rig, CORE_LANE_LOST, &rig_trouble);
}

Test(core_watch, a_lost_lane_ends_the_session_by_its_own_cause_once_no_other_came)
{
	static const enum vfiomig_role roles[] = { VFIOMIG_SOURCE, VFIOMIG_DESTINATION };

	for (unsigned i = 0; i < 2; i++) {
		start(roles[i]);
		rig_to_stream(&rig);
		lose_lane();
		rig_tick_after(&rig, 199);
		rig_assert_phase(&rig, PHASE_STREAM);
		rig_tick_after(&rig, 1);
		rig_assert_phase(&rig, PHASE_ROLLBACK);
		cr_assert_str_eq(rig.core.outcome.name, rig_trouble.name);
	}
}

Test(core_watch, what_the_peer_says_after_a_lane_was_lost_is_the_cause)
{
	start(VFIOMIG_SOURCE);
	rig_to_stream(&rig);
	lose_lane();
	rig_tick_after(&rig, 100);
	rig_event(&rig, CORE_ABORT, &rig_device_trouble);
	rig_roll_back(&rig);
	cr_assert_str_eq(rig.core.outcome.name, rig_device_trouble.name);
}

Test(core_watch, a_lane_lost_just_before_prepared_is_no_doubt_after_commit)
{
	start(VFIOMIG_SOURCE);
	rig_to_stream(&rig);
	rig_done(&rig, 0, REQUEST_READ);
	rig_done(&rig, 0, REQUEST_STOP);
	rig_assert_phase(&rig, PHASE_DRAIN);
	lose_lane();
	rig_tick_after(&rig, 100);
	rig_message(&rig, MESSAGE_PREPARED);
	rig_fact(&rig, FACT_COMMITTED);
	rig_assert_phase(&rig, PHASE_COMMIT);
	for (unsigned i = 0; i < 10; i++)
		rig_tick_after(&rig, 500);
	rig_assert_phase(&rig, PHASE_COMMIT);
	rig_message(&rig, MESSAGE_DONE);
	rig_assert_phase(&rig, PHASE_DONE);
	cr_assert_eq(rig.core.outcome.code, VFIOMIG_OK);
}

Test(core_watch, a_lane_lost_just_before_all_is_loaded_takes_no_prepared_back)
{
	start(VFIOMIG_DESTINATION);
	rig_to_stream(&rig);
	lose_lane();
	rig_done(&rig, 0, REQUEST_LOAD);
	rig_stream_end(&rig, 0, rig_counts());
	rig_done(&rig, 0, REQUEST_CONFIG);
	rig_done(&rig, 0, REQUEST_FINISH);
	rig_fact(&rig, FACT_RELEASED);
	rig_fact(&rig, FACT_PREPARED);
	rig_tick_after(&rig, 900);
	rig_assert_phase(&rig, PHASE_HOLD);
}

Test(core_watch, a_lane_lost_when_none_is_needed_any_more_changes_nothing)
{
	start(VFIOMIG_SOURCE);
	rig_to_commit(&rig);
	lose_lane();
	rig_tick_after(&rig, 900);
	rig_assert_phase(&rig, PHASE_COMMIT);
	start(VFIOMIG_DESTINATION);
	rig_to_commit(&rig);
	lose_lane();
	rig_tick_after(&rig, 900);
	rig_assert_phase(&rig, PHASE_HOLD);
}

Test(core_watch, a_prepared_destination_waits_for_the_commit_as_long_as_it_was_told)
{
	start(VFIOMIG_DESTINATION);
	rig.core.hold_ns = 2 * NS_PER_S;
	rig_to_commit(&rig);
	rig_tick_after(&rig, 1999);
	rig_assert_phase(&rig, PHASE_HOLD);
	rig_tick_after(&rig, 1);
	rig_assert_phase(&rig, PHASE_ROLLBACK);
	cr_assert_eq(rig.actions.action[0].kind, ACTION_JOURNAL, "the tombstone comes first");
	cr_assert_eq(rig.actions.action[0].fact, FACT_ABORTED);
	cr_assert_str_eq(rig.core.outcome.name, "phase-timeout");
}

Test(core_watch, a_source_waits_for_the_answer_twice_the_hold_time)
{
	start(VFIOMIG_SOURCE);
	rig.core.hold_ns = 2 * NS_PER_S;
	rig_to_commit(&rig);
	rig_tick_after(&rig, 3999);
	rig_assert_phase(&rig, PHASE_COMMIT);
	rig_tick_after(&rig, 1);
	cr_assert_eq(rig.core.outcome.code, VFIOMIG_IN_DOUBT);
}

Test(core_watch, a_destination_that_cannot_record_the_commit_never_ran)
{
	static const struct vfiomig_error full = { .code = VFIOMIG_INTERNAL, .name = "journal" };

	start(VFIOMIG_DESTINATION);
	rig_to_commit(&rig);
	rig_step(&rig, &(struct core_event){ .kind = CORE_MESSAGE, .message = MESSAGE_COMMIT });
	rig_assert_phase(&rig, PHASE_RECORD);
	rig_event(&rig, CORE_UNWRITTEN, &full);
	rig_assert_phase(&rig, PHASE_ROLLBACK);
	cr_assert_eq(rig_asked(&rig, REQUEST_RUN_P2P) + rig_asked(&rig, REQUEST_RUN), 0);
	cr_assert_str_eq(rig.core.outcome.name, "journal");
}
