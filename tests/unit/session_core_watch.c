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
