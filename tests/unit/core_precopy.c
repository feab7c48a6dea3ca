/* SPDX-License-Identifier: MIT */
#include "support/core_rig.h"

static struct rig rig;

/* @precopy: a bit per device. */
static void start(unsigned devices, unsigned precopy)
{
	rig_start(&rig, VFIOMIG_SOURCE, devices, RIG_ALL, RIG_NONE);
	for (unsigned d = 0; d < devices; d++)
		rig.core.device[d].precopy = precopy >> d & 1;
}

static void assert_ended(enum vfiomig_code code, const char *source_state, const char *destination_state)
{
	struct vfiomig_result result;

	rig_assert_phase(&rig, PHASE_FAILED);
	cr_assert_eq(rig_count(&rig, ACTION_FINISH), 1);
	core_result(&rig.core, &result);
	cr_assert_eq(result.error.code, code, "%s", result.error.text);
	cr_assert_str_eq(result.source_state, source_state);
	cr_assert_str_eq(result.destination_state, destination_state);
}

Test(core_precopy, begins_once_the_clocks_are_compared_for_the_devices_that_have_it)
{
	start(3, 5);
	rig_to_precopy(&rig);
	cr_assert_eq(rig_asked(&rig, REQUEST_PRECOPY), 2);
	cr_assert_eq(rig_count(&rig, ACTION_DEVICE), 2);
	cr_assert_eq(rig.core.device[1].busy, REQUEST_NONE);
	cr_assert_eq(rig.core.stop_ns, 0);
}

Test(core_precopy, goes_on_for_as_long_as_the_peer_lives)
{
	start(1, 1);
	rig_to_precopy(&rig);
	for (unsigned i = 0; i < 1000; i++) {
		rig_tick_after(&rig, 900);
		rig_message(&rig, MESSAGE_HEARTBEAT);
	}
	rig_assert_phase(&rig, PHASE_PRECOPY);
	cr_assert_eq(rig.core.device[0].busy, REQUEST_PRECOPY);
}

Test(core_precopy, is_ended_when_the_switchover_is_due_and_nothing_stops_before_all_have_ended)
{
	start(2, 3);
	rig_to_precopy(&rig);
	rig_fact(&rig, FACT_SWITCHOVER_DUE);
	cr_assert_eq(rig_count(&rig, ACTION_END_PRECOPY), 1);
	cr_assert_eq(rig.actions.count, 1);
	rig_done(&rig, 0, REQUEST_PRECOPY);
	cr_assert_eq(rig.actions.count, 0);
	rig.now += 5 * NS_PER_MS;
	rig_done(&rig, 1, REQUEST_PRECOPY);
	cr_assert_eq(rig_count(&rig, ACTION_END_PRECOPY), 0);
	cr_assert_eq(rig_sent(&rig, MESSAGE_SWITCHOVER), 1);
	cr_assert_eq(rig_asked(&rig, REQUEST_QUIESCE), 2);
	cr_assert_eq(rig.core.stop_ns, rig.now, "the stop begins with the first device that is stopped");
}

Test(core_precopy, a_device_that_has_ended_waits_for_the_switchover_to_be_due)
{
	start(1, 1);
	rig_to_precopy(&rig);
	rig_done(&rig, 0, REQUEST_PRECOPY);
	cr_assert_eq(rig.actions.count, 0);
	rig_fact(&rig, FACT_SWITCHOVER_DUE);
	cr_assert_eq(rig_asked(&rig, REQUEST_QUIESCE), 1);
}

Test(core_precopy, keeps_what_it_gave_apart_from_the_whole_stream)
{
	const struct stream_counts before = { .packets = 2, .bytes = 150 };

	start(1, 1);
	rig_to_precopy(&rig);
	rig_fact(&rig, FACT_SWITCHOVER_DUE);
	rig_done_with(&rig, 0, REQUEST_PRECOPY, before);
	rig_done(&rig, 0, REQUEST_QUIESCE);
	rig_done(&rig, 0, REQUEST_STOP_COPY);
	cr_assert_not(rig.core.device[0].counted);
	rig_done(&rig, 0, REQUEST_READ);
	cr_assert_eq(rig.core.device[0].precopied.bytes, 150);
	cr_assert_eq(rig.core.device[0].counts.bytes, rig_counts().bytes);
}

Test(core_precopy, a_failure_in_it_puts_its_devices_back_though_nothing_was_stopped)
{
	start(2, 3);
	rig_to_precopy(&rig);
	rig_device_fails(&rig, 1, REQUEST_PRECOPY);
	cr_assert_eq(rig_count(&rig, ACTION_STOP_WAITS), 1);
	rig_device_fails(&rig, 0, REQUEST_PRECOPY);
	rig_fact(&rig, FACT_FABRIC_DOWN);
	cr_assert_eq(rig_asked(&rig, REQUEST_RESUME), 2);
	rig_all_done(&rig, REQUEST_RESUME);
	cr_assert_eq(rig.core.stop_ns, 0);
	assert_ended(VFIOMIG_DEVICE, "running", "reset");
}

Test(core_precopy, a_device_without_it_is_left_alone_when_it_fails)
{
	start(2, 1);
	rig_to_precopy(&rig);
	rig_event(&rig, CORE_CANCEL, NULL);
	rig_device_fails(&rig, 0, REQUEST_PRECOPY);
	rig_fact(&rig, FACT_FABRIC_DOWN);
	cr_assert_eq(rig_asked(&rig, REQUEST_RESUME), 1);
	rig_done(&rig, 0, REQUEST_RESUME);
	assert_ended(VFIOMIG_CANCELLED, "running", "reset");
}

/* --- Purposes: what a source is for --- */

static void start_probe(unsigned precopy)
{
	start(2, precopy);
	rig.core.purpose = CORE_PROBE;
}

Test(core_precopy, a_probe_without_it_touches_no_device_and_ends_well)
{
	start_probe(0);
	rig_to_precopy(&rig);
	rig_fact(&rig, FACT_SWITCHOVER_DUE);
	rig_assert_phase(&rig, PHASE_ROLLBACK);
	cr_assert_eq(rig_sent(&rig, MESSAGE_ABORT), 1, "the destination is let go");
	cr_assert_eq(rig_sent(&rig, MESSAGE_SWITCHOVER), 0);
	rig_fact(&rig, FACT_FABRIC_DOWN);
	cr_assert_eq(rig_count(&rig, ACTION_DEVICE), 0);
	assert_ended(VFIOMIG_OK, "running", "reset");
}

Test(core_precopy, a_probe_takes_its_devices_back_to_running)
{
	start_probe(3);
	rig_to_precopy(&rig);
	rig_fact(&rig, FACT_SWITCHOVER_DUE);
	rig_all_done(&rig, REQUEST_PRECOPY);
	rig_fact(&rig, FACT_FABRIC_DOWN);
	cr_assert_eq(rig_asked(&rig, REQUEST_RESUME), 2);
	rig_all_done(&rig, REQUEST_RESUME);
	cr_assert_eq(rig.core.stop_ns, 0);
	assert_ended(VFIOMIG_OK, "running", "reset");
}

Test(core_precopy, a_probe_that_fails_says_so)
{
	start_probe(3);
	rig_to_precopy(&rig);
	rig_event(&rig, CORE_LOST, &rig_trouble);
	rig_roll_back(&rig);
	assert_ended(VFIOMIG_FABRIC, "running", "unknown");
}

Test(core_precopy, what_happens_on_a_probes_way_back_does_not_make_it_fail)
{
	start_probe(1);
	rig_to_precopy(&rig);
	rig_fact(&rig, FACT_SWITCHOVER_DUE);
	rig_done(&rig, 0, REQUEST_PRECOPY);
	rig_event(&rig, CORE_LOST, &rig_trouble);
	rig_event(&rig, CORE_CANCEL, NULL);
	rig_roll_back(&rig);
	assert_ended(VFIOMIG_OK, "running", "reset");
}

Test(core_precopy, a_probe_that_cannot_give_a_device_back_says_it_in_one_sentence)
{
	start_probe(1);
	rig_to_precopy(&rig);
	rig_fact(&rig, FACT_SWITCHOVER_DUE);
	rig_done(&rig, 0, REQUEST_PRECOPY);
	rig_fact(&rig, FACT_FABRIC_DOWN);
	rig_device_fails(&rig, 0, REQUEST_RESUME);
	assert_ended(VFIOMIG_SOURCE_STUCK, "stuck", "reset");
	cr_assert_str_eq(rig.core.outcome.text, "the way back failed: it broke");
}

static void start_recording(void)
{
	const struct core_config config = {
		.role = VFIOMIG_SOURCE, .peer_timeout_ns = NS_PER_S, .no_platform = true, .purpose = CORE_RECORD
	};

	start(1, 0);
	core_init(&rig.core, &config, rig.now);
	core_set_devices(&rig.core, 1);
	rig.core.device[0].p2p = true;
	rig_event(&rig, CORE_START, NULL);
}

Test(core_precopy, a_recording_gives_its_devices_back_when_all_is_recorded)
{
	start_recording();
	rig_to_stream(&rig);
	rig_done(&rig, 0, REQUEST_READ);
	cr_assert_eq(rig_sent(&rig, MESSAGE_STREAM_END), 1);
	rig_done(&rig, 0, REQUEST_STOP);
	rig_assert_phase(&rig, PHASE_DRAIN);
	rig_message(&rig, MESSAGE_PREPARED);
	cr_assert_eq(rig_count(&rig, ACTION_JOURNAL), 0);
	cr_assert_eq(rig_count(&rig, ACTION_SEND), 0, "there is nobody to tell");
	rig_roll_back(&rig);
	assert_ended(VFIOMIG_OK, "running", "recorded");
}

Test(core_precopy, a_recording_has_no_peer_whose_silence_counts)
{
	start_recording();
	rig_to_stream(&rig);
	rig_tick_after(&rig, 3600 * 1000);
	rig_assert_phase(&rig, PHASE_STREAM);
	cr_assert_eq(rig.actions.count, 0);
}

Test(core_precopy, a_recording_that_fails_has_recorded_nothing)
{
	start_recording();
	rig_to_stream(&rig);
	rig_device_fails(&rig, 0, REQUEST_READ);
	rig_roll_back(&rig);
	assert_ended(VFIOMIG_DEVICE, "running", "untouched");
}
