/* SPDX-License-Identifier: MIT */
#include "support/core_rig.h"

static struct rig rig;

static void start(unsigned devices, unsigned p2p, unsigned gated)
{
	rig_start(&rig, VFIOMIG_DESTINATION, devices, p2p, gated);
}

/* To COMMIT, its devices being asked to start. */
static void to_start(void)
{
	rig_to_commit(&rig);
	rig_message(&rig, MESSAGE_COMMIT);
	rig_fact(&rig, FACT_COMMITTED);
}

static void assert_ended(enum core_phase phase, enum vfiomig_code code, const char *source, const char *destination)
{
	struct vfiomig_result result;

	rig_assert_phase(&rig, phase);
	cr_assert_eq(rig_count(&rig, ACTION_FINISH), 1);
	core_result(&rig.core, &result);
	cr_assert_eq(result.error.code, code, "%s", result.error.text);
	cr_assert_str_eq(result.source_state, source);
	cr_assert_str_eq(result.destination_state, destination);
}

Test(core_destination, waits_for_its_source_as_long_as_it_takes)
{
	start(1, RIG_ALL, RIG_NONE);
	cr_assert_eq(rig.actions.count, 0);
	rig_tick_after(&rig, 24 * 3600 * 1000);
	cr_assert_eq(rig.actions.count, 0);
	rig_assert_phase(&rig, PHASE_CONNECT);
}

Test(core_destination, checks_the_config_space_before_it_agrees)
{
	start(2, RIG_ALL, RIG_NONE);
	rig_fact(&rig, FACT_CONTROL_UP);
	rig_fact(&rig, FACT_PROBED);
	rig_message(&rig, MESSAGE_OFFER);
	cr_assert_eq(rig_asked(&rig, REQUEST_CHECK), 2);
	cr_assert_eq(rig_sent(&rig, MESSAGE_AGREED), 0);
	rig_done(&rig, 0, REQUEST_CHECK);
	rig_done(&rig, 1, REQUEST_CHECK);
	cr_assert_eq(rig.actions.action[0].message, MESSAGE_AGREED, "said first: the source prepares at the same time");
	cr_assert_eq(rig_count(&rig, ACTION_OPEN_FABRIC), 1);
	cr_assert_eq(rig_asked(&rig, REQUEST_RESUMING), 2);
}

Test(core_destination, a_device_that_would_not_fit_is_refused_untouched)
{
	start(2, RIG_ALL, RIG_NONE);
	rig_fact(&rig, FACT_CONTROL_UP);
	rig_fact(&rig, FACT_PROBED);
	rig_message(&rig, MESSAGE_OFFER);
	rig_device_fails(&rig, 0, REQUEST_CHECK);
	cr_assert_eq(rig_sent(&rig, MESSAGE_ABORT), 1);
	rig_done(&rig, 1, REQUEST_CHECK);
	rig_fact(&rig, FACT_FABRIC_DOWN);
	cr_assert_eq(rig_asked(&rig, REQUEST_RESET), 0);
	rig_assert_phase(&rig, PHASE_FAILED);
}

Test(core_destination, invites_lanes_when_all_devices_can_take_data)
{
	start(1, RIG_ALL, RIG_NONE);
	rig_fact(&rig, FACT_CONTROL_UP);
	rig_fact(&rig, FACT_PROBED);
	rig_message(&rig, MESSAGE_OFFER);
	rig_done(&rig, 0, REQUEST_CHECK);
	rig_fact(&rig, FACT_FABRIC_OPEN);
	cr_assert_eq(rig_sent(&rig, MESSAGE_READY), 0);
	rig_done(&rig, 0, REQUEST_RESUMING);
	cr_assert_eq(rig_sent(&rig, MESSAGE_READY), 1);
	cr_assert_eq(rig_count(&rig, ACTION_CONNECT_LANES), 1);
	rig_fact(&rig, FACT_LANES_UP);
	cr_assert_eq(rig_sent(&rig, MESSAGE_LANES_READY), 1);
	cr_assert_eq(rig_asked(&rig, REQUEST_LOAD), 1);
}

Test(core_destination, validates_only_what_its_manifest_agrees_with)
{
	start(1, RIG_ALL, RIG_NONE);
	rig_to_stream(&rig);
	rig_done(&rig, 0, REQUEST_LOAD);
	cr_assert_eq(rig_asked(&rig, REQUEST_CONFIG), 1, "no gate: at once");
	rig_done(&rig, 0, REQUEST_CONFIG);
	cr_assert_eq(rig.actions.count, 0);
	rig_stream_end(&rig, 0, rig_counts());
	cr_assert_eq(rig_asked(&rig, REQUEST_FINISH), 1);
}

Test(core_destination, is_prepared_only_when_nothing_can_write_to_it_and_it_is_on_record)
{
	start(1, RIG_ALL, RIG_NONE);
	rig_to_stream(&rig);
	rig_done(&rig, 0, REQUEST_LOAD);
	rig_stream_end(&rig, 0, rig_counts());
	rig_done(&rig, 0, REQUEST_CONFIG);
	rig_done(&rig, 0, REQUEST_FINISH);
	cr_assert_eq(rig_count(&rig, ACTION_RELEASE), 1);
	cr_assert_eq(rig_count(&rig, ACTION_JOURNAL), 1);
	rig_fact(&rig, FACT_PREPARED);
	cr_assert_eq(rig_sent(&rig, MESSAGE_PREPARED), 0);
	rig_fact(&rig, FACT_RELEASED);
	cr_assert_eq(rig_sent(&rig, MESSAGE_PREPARED), 1);
}

Test(core_destination, runs_nothing_before_commit_and_its_record)
{
	start(2, RIG_ALL, RIG_NONE);
	rig_to_commit(&rig);
	cr_assert_eq(rig_asked(&rig, REQUEST_RUN_P2P), 0);
	rig_message(&rig, MESSAGE_COMMIT);
	cr_assert_eq(rig.actions.count, 1);
	cr_assert_eq(rig.actions.action[0].kind, ACTION_JOURNAL);
	cr_assert_eq(rig.actions.action[0].fact, FACT_COMMITTED);
	rig_fact(&rig, FACT_COMMITTED);
	cr_assert_eq(rig_asked(&rig, REQUEST_RUN_P2P), 2);
}

Test(core_destination, no_device_runs_before_all_are_in_p2p)
{
	start(2, RIG_ALL, RIG_NONE);
	to_start();
	rig_done(&rig, 0, REQUEST_RUN_P2P);
	cr_assert_eq(rig.actions.count, 0);
	rig_done(&rig, 1, REQUEST_RUN_P2P);
	cr_assert_eq(rig_asked(&rig, REQUEST_RUN), 2);
	rig_done(&rig, 1, REQUEST_RUN);
	cr_assert_eq(rig_sent(&rig, MESSAGE_DONE), 0);
	rig_done(&rig, 0, REQUEST_RUN);
	cr_assert_eq(rig_sent(&rig, MESSAGE_DONE), 1);
	assert_ended(PHASE_DONE, VFIOMIG_OK, "retired", "running");
}

Test(core_destination, a_device_without_p2p_runs_at_once)
{
	start(1, RIG_NONE, RIG_NONE);
	to_start();
	cr_assert_eq(rig_asked(&rig, REQUEST_RUN_P2P), 0);
	cr_assert_eq(rig_asked(&rig, REQUEST_RUN), 1);
}

Test(core_destination, once_committed_it_runs_though_the_source_is_gone)
{
	start(1, RIG_ALL, RIG_NONE);
	rig_to_commit(&rig);
	rig_message(&rig, MESSAGE_COMMIT);
	rig_event(&rig, CORE_LOST, &rig_trouble);
	rig_event(&rig, CORE_CANCEL, NULL);
	rig_event(&rig, CORE_FAILED, &rig_trouble);
	rig_tick_after(&rig, 5000);
	rig_fact(&rig, FACT_COMMITTED);
	rig_done(&rig, 0, REQUEST_RUN_P2P);
	rig_done(&rig, 0, REQUEST_RUN);
	cr_assert_eq(rig_sent(&rig, MESSAGE_DONE), 0, "there is nobody to tell");
	assert_ended(PHASE_DONE, VFIOMIG_OK, "unknown", "running");
}

Test(core_destination, once_it_ran_no_message_or_token_of_the_peer_takes_it_back)
{
	static const enum message_type any[] = { MESSAGE_OFFER, MESSAGE_SWITCHOVER, MESSAGE_COMMIT, MESSAGE_DEVICE };

	start(2, RIG_ALL, 3);
	to_start();
	rig_done(&rig, 0, REQUEST_RUN_P2P);
	for (unsigned i = 0; i < sizeof(any) / sizeof(any[0]); i++) {
		rig_message(&rig, any[i]);
		cr_assert_eq(rig.actions.count, 0, "%s", message_name(any[i]));
	}
	rig_good_token(&rig);
	cr_assert_eq(rig.actions.count, 0);
	rig_stream_end(&rig, 0, rig_counts());
	cr_assert_eq(rig.actions.count, 0);
	rig_event(&rig, CORE_ABORT, &rig_trouble);
	cr_assert_eq(rig.actions.count, 0);
	rig_done(&rig, 1, REQUEST_RUN_P2P);
	rig_done(&rig, 0, REQUEST_RUN);
	rig_done(&rig, 1, REQUEST_RUN);
	assert_ended(PHASE_DONE, VFIOMIG_OK, "retired", "running");
}

Test(core_destination, a_failed_start_of_which_nothing_ran_is_an_abort)
{
	start(2, RIG_ALL, RIG_NONE);
	to_start();
	rig_device_fails(&rig, 0, REQUEST_RUN_P2P);
	cr_assert_eq(rig.actions.count, 0, "the other one may still make it");
	rig_device_fails(&rig, 1, REQUEST_RUN_P2P);
	cr_assert_eq(rig_sent(&rig, MESSAGE_ABORT), 1);
	rig_fact(&rig, FACT_FABRIC_DOWN);
	rig_all_done(&rig, REQUEST_RESET);
	assert_ended(PHASE_FAILED, VFIOMIG_DEVICE, "running", "reset");
}

Test(core_destination, a_failed_start_after_one_ran_is_degraded)
{
	start(2, RIG_ALL, RIG_NONE);
	to_start();
	rig_device_fails(&rig, 0, REQUEST_RUN_P2P);
	rig_done(&rig, 1, REQUEST_RUN_P2P);
	cr_assert_eq(rig_asked(&rig, REQUEST_RUN), 1, "only the one that is in P2P");
	rig_done(&rig, 1, REQUEST_RUN);
	cr_assert_eq(rig_sent(&rig, MESSAGE_DONE), 1);
	cr_assert_eq(rig_sent(&rig, MESSAGE_ABORT), 0);
	assert_ended(PHASE_DONE, VFIOMIG_DEGRADED, "retired", "degraded");
}

Test(core_destination, a_device_without_p2p_that_does_not_start_never_ran)
{
	start(1, RIG_NONE, RIG_NONE);
	to_start();
	rig_device_fails(&rig, 0, REQUEST_RUN);
	cr_assert_eq(rig_sent(&rig, MESSAGE_ABORT), 1);
	rig_fact(&rig, FACT_FABRIC_DOWN);
	rig_done(&rig, 0, REQUEST_RESET);
	assert_ended(PHASE_FAILED, VFIOMIG_DEVICE, "running", "reset");
}

Test(core_destination, a_commit_during_the_way_back_is_refused)
{
	start(1, RIG_ALL, RIG_NONE);
	rig_to_commit(&rig);
	rig_event(&rig, CORE_CANCEL, NULL);
	cr_assert_eq(rig_sent(&rig, MESSAGE_ABORT), 1);
	rig_message(&rig, MESSAGE_COMMIT);
	cr_assert_eq(rig.actions.count, 0);
	rig_fact(&rig, FACT_FABRIC_DOWN);
	rig_done(&rig, 0, REQUEST_RESET);
	assert_ended(PHASE_FAILED, VFIOMIG_CANCELLED, "running", "reset");
}

Test(core_destination, does_not_hold_for_ever)
{
	start(1, RIG_ALL, RIG_NONE);
	rig_to_commit(&rig);
	for (unsigned i = 0; i < 299; i++) {
		rig.now += 100 * NS_PER_MS;
		rig_message(&rig, MESSAGE_HEARTBEAT);
		rig_event(&rig, CORE_TICK, NULL);
		rig_assert_phase(&rig, PHASE_HOLD);
	}
	rig.now += 100 * NS_PER_MS;
	rig_message(&rig, MESSAGE_HEARTBEAT);
	rig_event(&rig, CORE_TICK, NULL);
	rig_assert_phase(&rig, PHASE_ROLLBACK);
	cr_assert_str_eq(rig.core.outcome.name, "phase-timeout");
}

Test(core_destination, commit_before_prepared_is_out_of_phase)
{
	start(1, RIG_ALL, RIG_NONE);
	rig_to_stream(&rig);
	rig_message(&rig, MESSAGE_COMMIT);
	cr_assert_str_eq(rig.core.outcome.name, "message-out-of-phase");
	rig_roll_back(&rig);
}

Test(core_destination, the_end_of_an_unknown_devices_stream_is_out_of_phase)
{
	static const unsigned numbers[] = { 1, 63, 64, 65535 };

	for (unsigned i = 0; i < 4; i++) {
		start(1, RIG_ALL, RIG_NONE);
		rig_to_stream(&rig);
		rig_stream_end(&rig, numbers[i], rig_counts());
		cr_assert_str_eq(rig.core.outcome.name, "message-out-of-phase");
	}
}

Test(core_destination, the_same_stream_ends_once)
{
	start(2, RIG_ALL, RIG_NONE);
	rig_to_stream(&rig);
	rig_stream_end(&rig, 1, rig_counts());
	rig_stream_end(&rig, 1, rig_counts());
	cr_assert_str_eq(rig.core.outcome.name, "message-out-of-phase");
}

Test(core_destination, a_reset_that_fails_is_said_with_the_cause)
{
	struct vfiomig_result result;

	start(1, RIG_ALL, RIG_NONE);
	rig_to_stream(&rig);
	rig_event(&rig, CORE_ABORT, &rig_trouble);
	rig_device_fails(&rig, 0, REQUEST_LOAD);
	rig_fact(&rig, FACT_FABRIC_DOWN);
	rig_device_fails(&rig, 0, REQUEST_RESET);
	rig_assert_phase(&rig, PHASE_FAILED);
	cr_assert_eq(rig.core.outcome.code, VFIOMIG_FABRIC);
	cr_assert(strstr(rig.core.outcome.text, "the way back failed too"), "%s", rig.core.outcome.text);
	core_result(&rig.core, &result);
	cr_assert_str_eq(result.destination_state, "stuck");
	cr_assert_str_eq(result.source_state, "running");
}
