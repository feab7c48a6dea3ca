/* SPDX-License-Identifier: MIT */
/* Serial states, and the limit of the downtime. */
#include "support/core_rig.h"

enum { LIMIT_MS = 300 };

static struct rig rig;

static void start_serial(enum vfiomig_role role, unsigned devices)
{
	rig_start(&rig, role, devices, RIG_ALL, RIG_NONE);
	rig.core.serial = true;
}

/* Device @d was asked for @request by the last step, and no other for anything. */
static void assert_turn(unsigned d, enum device_request request)
{
	cr_assert_eq(rig_count(&rig, ACTION_DEVICE), 1);
	cr_assert_eq(rig_asked(&rig, request), 1, "not %s", device_request_name(request));
	for (unsigned i = 0; i < rig.actions.count; i++)
		if (rig.actions.action[i].kind == ACTION_DEVICE)
			cr_assert_eq(rig.actions.action[i].device, d);
}

Test(core_turns, serial_the_source_stops_and_reads_one_device_after_another)
{
	start_serial(VFIOMIG_SOURCE, 2);
	rig_to_precopy(&rig);
	rig_fact(&rig, FACT_SWITCHOVER_DUE);
	assert_turn(0, REQUEST_QUIESCE);
	rig_done(&rig, 0, REQUEST_QUIESCE);
	assert_turn(1, REQUEST_QUIESCE);
	rig_done(&rig, 1, REQUEST_QUIESCE);
	assert_turn(0, REQUEST_STOP_COPY);
	rig_done(&rig, 0, REQUEST_STOP_COPY);
	assert_turn(0, REQUEST_READ);
	rig_done(&rig, 0, REQUEST_READ);
	assert_turn(0, REQUEST_STOP);
	rig_done(&rig, 0, REQUEST_STOP);
	assert_turn(1, REQUEST_STOP_COPY);
}

Test(core_turns, serial_precopy_and_loads_still_go_on_side_by_side)
{
	start_serial(VFIOMIG_SOURCE, 2);
	rig.core.device[0].precopy = rig.core.device[1].precopy = true;
	rig_to_precopy(&rig);
	cr_assert_eq(rig_asked(&rig, REQUEST_PRECOPY), 2);
	start_serial(VFIOMIG_DESTINATION, 2);
	rig_fact(&rig, FACT_CONTROL_UP);
	rig_fact(&rig, FACT_PROBED);
	rig_message(&rig, MESSAGE_OFFER);
	rig_all_done(&rig, REQUEST_CHECK);
	assert_turn(0, REQUEST_RESUMING);
	rig_fact(&rig, FACT_FABRIC_OPEN);
	rig_done(&rig, 0, REQUEST_RESUMING);
	assert_turn(1, REQUEST_RESUMING);
	rig_done(&rig, 1, REQUEST_RESUMING);
	rig_fact(&rig, FACT_LANES_UP);
	cr_assert_eq(rig_asked(&rig, REQUEST_LOAD), 2);
}

Test(core_turns, serial_the_destination_validates_and_runs_one_device_after_another)
{
	start_serial(VFIOMIG_DESTINATION, 2);
	rig_to_stream(&rig);
	rig_message(&rig, MESSAGE_SWITCHOVER);
	rig_done(&rig, 1, REQUEST_LOAD);
	assert_turn(1, REQUEST_CONFIG);
	rig_done(&rig, 0, REQUEST_LOAD);
	cr_assert_eq(rig_count(&rig, ACTION_DEVICE), 0, "the other one is at its config state");
	rig_done(&rig, 1, REQUEST_CONFIG);
	assert_turn(0, REQUEST_CONFIG);
	rig_done(&rig, 0, REQUEST_CONFIG);
	rig_stream_end(&rig, 0, rig_counts());
	rig_stream_end(&rig, 1, rig_counts());
	rig_done(&rig, 0, REQUEST_FINISH);
	assert_turn(1, REQUEST_FINISH);
	rig_done(&rig, 1, REQUEST_FINISH);
	rig_fact(&rig, FACT_RELEASED);
	rig_fact(&rig, FACT_PREPARED);
	rig_message(&rig, MESSAGE_COMMIT);
	rig_fact(&rig, FACT_COMMITTED);
	assert_turn(0, REQUEST_RUN_P2P);
	rig_done(&rig, 0, REQUEST_RUN_P2P);
	assert_turn(1, REQUEST_RUN_P2P);
	rig_done(&rig, 1, REQUEST_RUN_P2P);
	assert_turn(0, REQUEST_RUN);
	rig_done(&rig, 0, REQUEST_RUN);
	assert_turn(1, REQUEST_RUN);
	rig_done(&rig, 1, REQUEST_RUN);
	rig_assert_phase(&rig, PHASE_DONE);
}

Test(core_turns, the_way_back_is_not_serial)
{
	start_serial(VFIOMIG_SOURCE, 2);
	rig_to_precopy(&rig);
	rig_fact(&rig, FACT_SWITCHOVER_DUE);
	rig_done(&rig, 0, REQUEST_QUIESCE);
	rig_event(&rig, CORE_CANCEL, NULL);
	rig_done(&rig, 1, REQUEST_QUIESCE);
	rig_fact(&rig, FACT_FABRIC_DOWN);
	cr_assert_eq(rig_asked(&rig, REQUEST_RESUME), 2);
}

static void start_limited(void)
{
	rig_start(&rig, VFIOMIG_SOURCE, 1, RIG_ALL, RIG_NONE);
	rig.core.peer_timeout_ns = 60 * NS_PER_S;
	rig.core.downtime_limit_ns = LIMIT_MS * NS_PER_MS;
}

static void assert_overrun(void)
{
	rig_assert_phase(&rig, PHASE_ROLLBACK);
	cr_assert_eq(rig.core.outcome.code, VFIOMIG_TIMEOUT);
	cr_assert_str_eq(rig.core.outcome.name, "downtime-limit");
	cr_assert_eq(rig_sent(&rig, MESSAGE_ABORT), 1);
	cr_assert_eq(rig_sent(&rig, MESSAGE_COMMIT), 0);
}

Test(core_turns, the_limit_counts_from_the_first_device_that_is_stopped)
{
	start_limited();
	rig.core.device[0].precopy = true;
	rig_to_precopy(&rig);
	rig_tick_after(&rig, 10 * LIMIT_MS);
	rig_fact(&rig, FACT_SWITCHOVER_DUE);
	rig_tick_after(&rig, 10 * LIMIT_MS);
	rig_done(&rig, 0, REQUEST_PRECOPY);
	rig_tick_after(&rig, LIMIT_MS);
	rig_assert_phase(&rig, PHASE_SWITCHOVER);
	rig_tick_after(&rig, 1);
	assert_overrun();
}

static void to_record(void)
{
	start_limited();
	rig_to_stream(&rig);
	rig_done(&rig, 0, REQUEST_READ);
	rig_done(&rig, 0, REQUEST_STOP);
	rig_message(&rig, MESSAGE_PREPARED);
	rig_assert_phase(&rig, PHASE_RECORD);
}

Test(core_turns, the_limit_is_looked_at_last_just_before_the_commit_is_sent)
{
	struct vfiomig_result result;

	to_record();
	rig.now += LIMIT_MS * NS_PER_MS + 1; /* between two ticks */
	rig_fact(&rig, FACT_COMMITTED);
	assert_overrun();
	rig_roll_back(&rig);
	core_result(&rig.core, &result);
	cr_assert_str_eq(result.source_state, "running");
	cr_assert_str_eq(result.destination_state, "reset");
}

Test(core_turns, a_limit_that_is_just_kept_is_kept)
{
	to_record();
	rig.now += LIMIT_MS * NS_PER_MS;
	rig_fact(&rig, FACT_COMMITTED);
	cr_assert_eq(rig_sent(&rig, MESSAGE_COMMIT), 1);
}

Test(core_turns, after_the_commit_no_limit_takes_it_back)
{
	to_record();
	rig_fact(&rig, FACT_COMMITTED);
	rig_tick_after(&rig, 10 * LIMIT_MS);
	rig_assert_phase(&rig, PHASE_COMMIT);
	rig_message(&rig, MESSAGE_DONE);
	rig_assert_phase(&rig, PHASE_DONE);
	cr_assert_eq(rig.core.outcome.code, VFIOMIG_OK);
}
