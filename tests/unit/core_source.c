/* SPDX-License-Identifier: MIT */
#include "support/core_rig.h"

static struct rig rig;

static void start(unsigned devices, unsigned p2p, unsigned gated)
{
	rig_start(&rig, VFIOMIG_SOURCE, devices, p2p, gated);
}

static void assert_failed(enum vfiomig_code code, const char *source_state, const char *destination_state)
{
	struct vfiomig_result result;

	rig_assert_phase(&rig, PHASE_FAILED);
	cr_assert_eq(rig_count(&rig, ACTION_FINISH), 1);
	core_result(&rig.core, &result);
	cr_assert_eq(result.error.code, code, "%s", result.error.text);
	cr_assert_str_eq(result.source_state, source_state);
	cr_assert_str_eq(result.destination_state, destination_state);
}

Test(core_source, looks_for_transports_at_the_start_and_offers_once_it_knows)
{
	start(2, RIG_ALL, RIG_NONE);
	cr_assert_eq(rig_count(&rig, ACTION_PROBE), 1);
	rig_fact(&rig, FACT_CONTROL_UP);
	cr_assert_eq(rig.actions.count, 0);
	rig_fact(&rig, FACT_PROBED);
	cr_assert_eq(rig_sent(&rig, MESSAGE_OFFER), 1);
	cr_assert_eq(rig_sent(&rig, MESSAGE_DEVICE), 2);
	cr_assert_eq(rig.actions.action[0].message, MESSAGE_OFFER);
	cr_assert_eq(rig.actions.action[2].device, 1);
}

Test(core_source, stops_nothing_before_the_destination_is_ready)
{
	start(1, RIG_ALL, RIG_NONE);
	rig_fact(&rig, FACT_CONTROL_UP);
	rig_fact(&rig, FACT_PROBED);
	rig_message(&rig, MESSAGE_AGREED);
	rig_fact(&rig, FACT_FABRIC_OPEN);
	rig_message(&rig, MESSAGE_READY);
	rig_fact(&rig, FACT_LANES_UP);
	cr_assert_eq(rig.core.stop_ns, 0);
	cr_assert_eq(rig_count(&rig, ACTION_DEVICE), 0);
	rig_message(&rig, MESSAGE_LANES_READY);
	rig_fact(&rig, FACT_MEASURED);
	rig_assert_phase(&rig, PHASE_PRECOPY);
	cr_assert_eq(rig.core.stop_ns, 0);
	cr_assert_eq(rig_count(&rig, ACTION_DEVICE), 0);
	rig_fact(&rig, FACT_SWITCHOVER_DUE);
	cr_assert_eq(rig_sent(&rig, MESSAGE_SWITCHOVER), 1);
	cr_assert_eq(rig_asked(&rig, REQUEST_QUIESCE), 1);
	cr_assert_eq(rig.core.stop_ns, rig.now);
}

Test(core_source, tells_of_every_phase_that_a_step_went_through)
{
	start(1, RIG_NONE, RIG_NONE);
	rig_to_precopy(&rig);
	rig_fact(&rig, FACT_SWITCHOVER_DUE);
	rig_assert_phase(&rig, PHASE_STREAM);
	cr_assert_eq(rig.actions.entered, 1U << PHASE_SWITCHOVER | 1U << PHASE_STREAM);
	rig_event(&rig, CORE_TICK, NULL);
	cr_assert_eq(rig.actions.entered, 0);
}

Test(core_source, ready_may_come_before_its_own_fabric_stands)
{
	start(1, RIG_ALL, RIG_NONE);
	rig_fact(&rig, FACT_CONTROL_UP);
	rig_fact(&rig, FACT_PROBED);
	rig_message(&rig, MESSAGE_AGREED);
	rig_message(&rig, MESSAGE_READY);
	cr_assert_eq(rig_count(&rig, ACTION_CONNECT_LANES), 0);
	rig_fact(&rig, FACT_FABRIC_OPEN);
	cr_assert_eq(rig_count(&rig, ACTION_CONNECT_LANES), 1);
}

Test(core_source, no_device_stops_copying_before_all_are_quiet)
{
	start(2, RIG_ALL, RIG_NONE);
	rig_to_switchover(&rig);
	rig_done(&rig, 1, REQUEST_QUIESCE);
	cr_assert_eq(rig.actions.count, 0);
	rig_done(&rig, 0, REQUEST_QUIESCE);
	cr_assert_eq(rig_asked(&rig, REQUEST_STOP_COPY), 2);
}

Test(core_source, a_device_without_p2p_goes_straight_to_stop_copy)
{
	start(1, RIG_NONE, RIG_NONE);
	rig_to_switchover(&rig);
	cr_assert_eq(rig_asked(&rig, REQUEST_QUIESCE), 0);
	cr_assert_eq(rig_asked(&rig, REQUEST_STOP_COPY), 1);
	cr_assert_eq(rig.core.stop_ns, rig.now);
}

Test(core_source, a_fast_device_does_not_wait_for_a_slow_one_to_be_read)
{
	start(2, RIG_ALL, RIG_NONE);
	rig_to_switchover(&rig);
	rig_all_done(&rig, REQUEST_QUIESCE);
	rig_done(&rig, 0, REQUEST_STOP_COPY);
	cr_assert_eq(rig_asked(&rig, REQUEST_READ), 1);
	rig_done(&rig, 0, REQUEST_READ);
	cr_assert_eq(rig_sent(&rig, MESSAGE_STREAM_END), 1);
	cr_assert_eq(rig_asked(&rig, REQUEST_STOP), 1);
	cr_assert_eq(rig.core.device[0].order, 1);
}

Test(core_source, without_a_gate_there_is_no_token)
{
	start(1, RIG_ALL, RIG_NONE);
	rig_to_stream(&rig);
	rig_done(&rig, 0, REQUEST_READ);
	rig_assert_phase(&rig, PHASE_DRAIN);
	cr_assert_eq(rig_count(&rig, ACTION_TOKEN), 0);
}

Test(core_source, the_token_goes_once_all_iterables_are_out_the_vmms_too)
{
	start(2, RIG_ALL, 1);
	rig_to_stream(&rig);
	rig_done(&rig, 0, REQUEST_READ);
	cr_assert_eq(rig_count(&rig, ACTION_TOKEN), 0);
	rig_done(&rig, 1, REQUEST_READ);
	cr_assert_eq(rig_count(&rig, ACTION_TOKEN), 0);
	rig_fact(&rig, FACT_ITERABLES_DONE);
	cr_assert_eq(rig_count(&rig, ACTION_TOKEN), 1);
}

Test(core_source, commits_only_after_the_record_of_it)
{
	start(1, RIG_ALL, RIG_NONE);
	rig_to_stream(&rig);
	rig_done(&rig, 0, REQUEST_READ);
	rig_message(&rig, MESSAGE_PREPARED);
	cr_assert_eq(rig.actions.count, 0, "its device has not stopped copying yet");
	rig_done(&rig, 0, REQUEST_STOP);
	cr_assert_eq(rig_count(&rig, ACTION_JOURNAL), 1);
	cr_assert_eq(rig.actions.action[0].fact, FACT_COMMITTED);
	cr_assert_eq(rig_sent(&rig, MESSAGE_COMMIT), 0);
	rig_fact(&rig, FACT_COMMITTED);
	cr_assert_eq(rig_sent(&rig, MESSAGE_COMMIT), 1);
}

Test(core_source, done_retires_it)
{
	struct vfiomig_result result;

	start(1, RIG_ALL, RIG_NONE);
	rig_to_commit(&rig);
	rig_message(&rig, MESSAGE_DONE);
	rig_assert_phase(&rig, PHASE_DONE);
	cr_assert_eq(rig_count(&rig, ACTION_FINISH), 1);
	cr_assert_eq(rig.core.done_ns, rig.now);
	core_result(&rig.core, &result);
	cr_assert_eq(result.error.code, VFIOMIG_OK);
	cr_assert_str_eq(result.source_state, "retired");
	cr_assert_str_eq(result.destination_state, "running");
}

Test(core_source, a_degraded_done_is_told_as_such)
{
	const struct vfiomig_error half = { .code = VFIOMIG_DEGRADED, .name = "device", .text = "one did not start" };
	struct vfiomig_result result;

	start(2, RIG_ALL, RIG_NONE);
	rig_to_commit(&rig);
	rig_step(&rig, &(struct core_event){ .kind = CORE_MESSAGE, .message = MESSAGE_DONE, .error = &half });
	rig_assert_phase(&rig, PHASE_DONE);
	core_result(&rig.core, &result);
	cr_assert_eq(result.error.code, VFIOMIG_DEGRADED);
	cr_assert_str_eq(result.source_state, "retired");
	cr_assert_str_eq(result.destination_state, "degraded");
}

Test(core_source, silence_after_commit_is_doubt_and_resumes_nothing)
{
	start(1, RIG_ALL, RIG_NONE);
	rig_to_commit(&rig);
	rig_tick_after(&rig, 59000);
	cr_assert_not(core_finished(&rig.core), "the answer may still come");
	rig_tick_after(&rig, 1000);
	cr_assert_eq(rig_asked(&rig, REQUEST_RESUME), 0);
	assert_failed(VFIOMIG_IN_DOUBT, "stopped", "unknown");
	cr_assert_str_eq(rig.core.outcome.name, "in-doubt");
}

Test(core_source, a_lost_connection_after_commit_is_doubt)
{
	start(1, RIG_ALL, RIG_NONE);
	rig_to_commit(&rig);
	rig_event(&rig, CORE_LOST, &rig_trouble);
	assert_failed(VFIOMIG_IN_DOUBT, "stopped", "unknown");
	cr_assert(strstr(rig.core.outcome.text, rig_trouble.text), "%s", rig.core.outcome.text);
}

Test(core_source, an_abort_after_commit_gives_the_devices_back)
{
	start(2, RIG_ALL, RIG_NONE);
	rig_to_commit(&rig);
	rig_event(&rig, CORE_ABORT, &rig_device_trouble);
	cr_assert_eq(rig_sent(&rig, MESSAGE_ABORT), 0, "the peer knows");
	rig_roll_back(&rig);
	assert_failed(VFIOMIG_DEVICE, "running", "reset");
}

Test(core_source, an_abort_before_the_commit_is_sent_takes_it_back)
{
	start(1, RIG_ALL, RIG_NONE);
	rig_to_stream(&rig);
	rig_done(&rig, 0, REQUEST_READ);
	rig_done(&rig, 0, REQUEST_STOP);
	rig_message(&rig, MESSAGE_PREPARED);
	rig_assert_phase(&rig, PHASE_RECORD);
	rig_event(&rig, CORE_ABORT, &rig_trouble);
	rig_fact(&rig, FACT_COMMITTED);
	cr_assert_eq(rig_sent(&rig, MESSAGE_COMMIT), 0);
	rig_roll_back(&rig);
}

Test(core_source, a_connection_lost_before_the_commit_is_sent_is_no_doubt)
{
	start(1, RIG_ALL, RIG_NONE);
	rig_to_stream(&rig);
	rig_done(&rig, 0, REQUEST_READ);
	rig_done(&rig, 0, REQUEST_STOP);
	rig_message(&rig, MESSAGE_PREPARED);
	rig_assert_phase(&rig, PHASE_RECORD);
	rig_event(&rig, CORE_LOST, &rig_trouble);
	rig_fact(&rig, FACT_COMMITTED);
	cr_assert_eq(rig_sent(&rig, MESSAGE_COMMIT), 0);
	rig_roll_back(&rig);
	assert_failed(VFIOMIG_FABRIC, "running", "unknown");
}

Test(core_source, an_aborts_code_never_claims_that_the_destination_runs)
{
	static const enum vfiomig_code codes[] = { VFIOMIG_OK, VFIOMIG_IN_DOUBT, VFIOMIG_SOURCE_STUCK,
						   VFIOMIG_DEGRADED };

	for (unsigned i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		const struct vfiomig_error claim = { .code = codes[i], .name = "claim", .text = "believe me" };

		start(1, RIG_ALL, RIG_NONE);
		rig_to_commit(&rig);
		rig_event(&rig, CORE_ABORT, &claim);
		rig_roll_back(&rig);
		assert_failed(VFIOMIG_PROTOCOL, "running", "reset");
	}
}

Test(core_source, a_cancel_after_the_record_is_too_late)
{
	start(1, RIG_ALL, RIG_NONE);
	rig_to_commit(&rig);
	rig_event(&rig, CORE_CANCEL, NULL);
	cr_assert_eq(rig.actions.count, 0);
	rig_assert_phase(&rig, PHASE_COMMIT);
}

Test(core_source, a_lane_that_dies_after_the_record_changes_nothing)
{
	start(1, RIG_ALL, RIG_NONE);
	rig_to_commit(&rig);
	rig_event(&rig, CORE_FAILED, &rig_trouble);
	rig_message(&rig, MESSAGE_DONE);
	rig_assert_phase(&rig, PHASE_DONE);
}

Test(core_source, a_cancel_ends_waits_fences_and_resumes_what_was_touched)
{
	start(2, RIG_ALL, RIG_NONE);
	rig_to_switchover(&rig);
	rig_event(&rig, CORE_CANCEL, NULL);
	cr_assert_eq(rig_sent(&rig, MESSAGE_ABORT), 1);
	cr_assert_eq(rig_count(&rig, ACTION_STOP_WAITS), 1);
	cr_assert_eq(rig_count(&rig, ACTION_FENCE), 1);
	rig_fact(&rig, FACT_FABRIC_DOWN);
	cr_assert_eq(rig.actions.count, 0, "both devices are still busy");
	rig_done(&rig, 0, REQUEST_QUIESCE);
	rig_done(&rig, 1, REQUEST_QUIESCE);
	cr_assert_eq(rig_asked(&rig, REQUEST_RESUME), 2);
	rig_all_done(&rig, REQUEST_RESUME);
	assert_failed(VFIOMIG_CANCELLED, "running", "reset");
}

Test(core_source, a_cancel_before_anything_stopped_touches_no_device)
{
	start(1, RIG_ALL, RIG_NONE);
	rig_fact(&rig, FACT_CONTROL_UP);
	rig_event(&rig, CORE_CANCEL, NULL);
	rig_fact(&rig, FACT_FABRIC_DOWN);
	cr_assert_eq(rig_count(&rig, ACTION_DEVICE), 0);
	assert_failed(VFIOMIG_CANCELLED, "running", "untouched");
}

Test(core_source, the_first_cause_of_failure_wins)
{
	start(1, RIG_ALL, RIG_NONE);
	rig_to_stream(&rig);
	rig_device_fails(&rig, 0, REQUEST_READ);
	rig_event(&rig, CORE_CANCEL, NULL);
	rig_event(&rig, CORE_LOST, &rig_trouble);
	cr_assert_eq(rig.actions.count, 0);
	rig_roll_back(&rig);
	assert_failed(VFIOMIG_DEVICE, "running", "reset");
}

Test(core_source, a_device_that_cannot_be_resumed_is_the_whole_truth)
{
	start(2, RIG_ALL, RIG_NONE);
	rig_to_stream(&rig);
	rig_event(&rig, CORE_LOST, &rig_trouble);
	cr_assert_eq(rig_sent(&rig, MESSAGE_ABORT), 0, "there is nobody to tell");
	rig_device_fails(&rig, 0, REQUEST_READ);
	rig_device_fails(&rig, 1, REQUEST_READ);
	rig_fact(&rig, FACT_FABRIC_DOWN);
	rig_device_fails(&rig, 0, REQUEST_RESUME);
	rig_done(&rig, 1, REQUEST_RESUME);
	assert_failed(VFIOMIG_SOURCE_STUCK, "stuck", "unknown");
	cr_assert_str_eq(rig.core.outcome.name, "source-stuck");
	cr_assert(strstr(rig.core.outcome.text, rig_trouble.text), "the first cause is named too");
}

Test(core_source, a_message_out_of_phase_ends_it_by_name)
{
	start(1, RIG_ALL, RIG_NONE);
	rig_to_stream(&rig);
	rig_message(&rig, MESSAGE_PREPARED);
	rig_assert_phase(&rig, PHASE_ROLLBACK);
	cr_assert_str_eq(rig.core.outcome.name, "message-out-of-phase");
	cr_assert_eq(rig.core.outcome.code, VFIOMIG_PROTOCOL);
	cr_assert(strstr(rig.core.outcome.text, "PREPARED in phase STREAM"), "%s", rig.core.outcome.text);
}

Test(core_source, the_same_message_twice_is_out_of_phase)
{
	start(1, RIG_ALL, RIG_NONE);
	rig_fact(&rig, FACT_CONTROL_UP);
	rig_fact(&rig, FACT_PROBED);
	rig_message(&rig, MESSAGE_AGREED);
	rig_message(&rig, MESSAGE_READY);
	rig_message(&rig, MESSAGE_READY);
	cr_assert_str_eq(rig.core.outcome.name, "message-out-of-phase");
}

Test(core_source, a_destinations_messages_are_not_for_a_source)
{
	static const enum message_type foreign[] = { MESSAGE_OFFER, MESSAGE_SWITCHOVER, MESSAGE_COMMIT };

	for (unsigned i = 0; i < 3; i++) {
		start(1, RIG_ALL, RIG_NONE);
		rig_to_stream(&rig);
		rig_message(&rig, foreign[i]);
		cr_assert_str_eq(rig.core.outcome.name, "message-out-of-phase");
	}
	start(1, RIG_ALL, RIG_NONE);
	rig_to_stream(&rig);
	rig_stream_end(&rig, 0, rig_counts());
	cr_assert_str_eq(rig.core.outcome.name, "message-out-of-phase");
}

Test(core_source, nothing_comes_of_anything_after_the_end)
{
	start(1, RIG_ALL, RIG_NONE);
	rig_to_commit(&rig);
	rig_message(&rig, MESSAGE_DONE);
	rig_event(&rig, CORE_ABORT, &rig_trouble);
	cr_assert_eq(rig.actions.count, 0);
	rig_event(&rig, CORE_LOST, &rig_trouble);
	cr_assert_eq(rig.actions.count, 0);
	rig_event(&rig, CORE_CANCEL, NULL);
	cr_assert_eq(rig.actions.count, 0);
	rig_tick_after(&rig, 100000);
	cr_assert_eq(rig.actions.count, 0);
	rig_assert_phase(&rig, PHASE_DONE);
}

Test(core_source, no_step_of_64_devices_has_more_actions_than_there_is_room_for)
{
	start(VFIOMIG_DEVICES_MAX, RIG_NONE, RIG_NONE);
	for (unsigned d = 0; d < VFIOMIG_DEVICES_MAX; d++)
		rig.core.device[d].p2p = true;
	rig_to_stream(&rig);
	rig_event(&rig, CORE_CANCEL, NULL);
	rig_roll_back(&rig);
	assert_failed(VFIOMIG_CANCELLED, "running", "reset");
}
