/* SPDX-License-Identifier: MIT */
/* A device call that never returns: what is still asked, what is said, and what nobody claims any more. */
#include "support/core_rig.h"

static struct rig rig;

static const struct vfiomig_error stuck = {
	.code = VFIOMIG_DEVICE, .errnum = 110, .name = CORE_STUCK_NAME, .text = "it hangs"
};

static void sticks(unsigned d)
{
	rig_step(&rig, &(struct core_event){ .kind = CORE_DEVICE_STUCK, .device = d, .error = &stuck });
}

static void assert_result(enum vfiomig_code code, const char *source_state, const char *destination_state)
{
	struct vfiomig_result result;

	cr_assert_eq(rig_count(&rig, ACTION_FINISH), 1, "in %s", core_phase_name(&rig.core));
	core_result(&rig.core, &result);
	cr_assert_eq(result.error.code, code, "%d: %s", (int)result.error.code, result.error.text);
	cr_assert_str_eq(result.source_state, source_state);
	cr_assert_str_eq(result.destination_state, destination_state);
}

Test(core_stuck, a_source_resumes_the_others_and_says_that_it_is_stuck)
{
	rig_start(&rig, VFIOMIG_SOURCE, 2, RIG_ALL, RIG_NONE);
	rig_to_stream(&rig);
	sticks(1);
	rig_assert_phase(&rig, PHASE_ROLLBACK);
	cr_assert_eq(rig_sent(&rig, MESSAGE_ABORT), 1);
	cr_assert_eq(rig.core.outcome.code, VFIOMIG_DEVICE, "to the peer it is a device's failure");
	rig_device_fails(&rig, 0, REQUEST_READ);
	rig_fact(&rig, FACT_FABRIC_DOWN);
	cr_assert_eq(rig_asked(&rig, REQUEST_RESUME), 1);
	cr_assert_eq(rig.core.device[0].busy, REQUEST_RESUME);
	rig_done(&rig, 0, REQUEST_RESUME);
	assert_result(VFIOMIG_SOURCE_STUCK, "stuck", "reset");
}

Test(core_stuck, a_source_whose_only_device_is_stuck_asks_nothing_more)
{
	rig_start(&rig, VFIOMIG_SOURCE, 1, RIG_ALL, RIG_NONE);
	rig_to_switchover(&rig);
	sticks(0);
	rig_fact(&rig, FACT_FABRIC_DOWN);
	cr_assert_eq(rig_count(&rig, ACTION_DEVICE), 0);
	assert_result(VFIOMIG_SOURCE_STUCK, "stuck", "reset");
}

Test(core_stuck, a_cancel_that_finds_a_call_hanging_ends_when_it_is_given_up)
{
	rig_start(&rig, VFIOMIG_SOURCE, 1, RIG_ALL, RIG_NONE);
	rig_to_switchover(&rig);
	rig_event(&rig, CORE_CANCEL, NULL);
	rig_fact(&rig, FACT_FABRIC_DOWN);
	rig_assert_phase(&rig, PHASE_ROLLBACK);
	sticks(0);
	assert_result(VFIOMIG_SOURCE_STUCK, "stuck", "reset");
}

Test(core_stuck, a_source_that_hangs_on_its_way_back_is_stuck)
{
	rig_start(&rig, VFIOMIG_SOURCE, 1, RIG_ALL, RIG_NONE);
	rig_to_stream(&rig);
	rig_event(&rig, CORE_CANCEL, NULL);
	rig_device_fails(&rig, 0, REQUEST_READ);
	rig_fact(&rig, FACT_FABRIC_DOWN);
	cr_assert_eq(rig_asked(&rig, REQUEST_RESUME), 1);
	sticks(0);
	assert_result(VFIOMIG_SOURCE_STUCK, "stuck", "reset");
}

Test(core_stuck, a_destination_aborts_and_resets_the_others)
{
	rig_start(&rig, VFIOMIG_DESTINATION, 2, RIG_ALL, RIG_NONE);
	rig_to_stream(&rig);
	sticks(0);
	cr_assert_eq(rig_sent(&rig, MESSAGE_ABORT), 1);
	rig_device_fails(&rig, 1, REQUEST_LOAD);
	rig_fact(&rig, FACT_FABRIC_DOWN);
	cr_assert_eq(rig_asked(&rig, REQUEST_RESET), 1);
	rig_done(&rig, 1, REQUEST_RESET);
	assert_result(VFIOMIG_DEVICE, "running", "stuck");
}

Test(core_stuck, a_check_that_hangs_leaves_its_device_stuck_too)
{
	rig_start(&rig, VFIOMIG_DESTINATION, 1, RIG_ALL, RIG_NONE);
	rig_fact(&rig, FACT_CONTROL_UP);
	rig_fact(&rig, FACT_PROBED);
	rig_message(&rig, MESSAGE_OFFER);
	sticks(0);
	rig_fact(&rig, FACT_FABRIC_DOWN);
	assert_result(VFIOMIG_DEVICE, "running", "stuck");
}

Test(core_stuck, a_start_that_hangs_may_succeed_yet_so_there_is_no_way_back)
{
	rig_start(&rig, VFIOMIG_DESTINATION, 2, RIG_ALL, RIG_NONE);
	rig_to_commit(&rig);
	rig_message(&rig, MESSAGE_COMMIT);
	rig_fact(&rig, FACT_COMMITTED);
	sticks(0);
	rig_device_fails(&rig, 1, REQUEST_RUN_P2P); /* not one is known to run */
	cr_assert_eq(rig_sent(&rig, MESSAGE_ABORT), 0);
	cr_assert_eq(rig_sent(&rig, MESSAGE_DONE), 1);
	assert_result(VFIOMIG_DEGRADED, "retired", "degraded");
}

Test(core_stuck, a_peer_that_aborts_for_a_stuck_device_is_not_said_to_be_well)
{
	rig_start(&rig, VFIOMIG_SOURCE, 1, RIG_ALL, RIG_NONE);
	rig_to_stream(&rig);
	rig_event(&rig, CORE_ABORT, &stuck);
	rig_roll_back(&rig);
	assert_result(VFIOMIG_DEVICE, "running", "stuck");
	rig_start(&rig, VFIOMIG_DESTINATION, 1, RIG_ALL, RIG_NONE);
	rig_to_stream(&rig);
	rig_event(&rig, CORE_ABORT, &stuck);
	rig_roll_back(&rig);
	assert_result(VFIOMIG_DEVICE, "stuck", "reset");
}
