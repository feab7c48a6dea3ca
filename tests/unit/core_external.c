/* SPDX-License-Identifier: MIT */
/* External commit: both sides hold until the caller decides, and what it has decided no peer undoes. */
#include "support/core_rig.h"

#include <errno.h>

static struct rig rig;

static void start(enum vfiomig_role role)
{
	struct core_config config = {
		.role = role, .peer_timeout_ns = NS_PER_S, .no_platform = true, .external_commit = true
	};

	rig_start(&rig, role, 1, RIG_ALL, RIG_NONE);
	core_init(&rig.core, &config, rig.now);
	core_set_devices(&rig.core, 1);
	rig.core.device[0].p2p = true;
	rig_event(&rig, CORE_START, NULL);
}

/* To HOLD: all that there was to be done before a commit is done. */
static void hold(enum vfiomig_role role)
{
	start(role);
	rig_to_stream(&rig);
	if (role == VFIOMIG_SOURCE) {
		rig_done(&rig, 0, REQUEST_READ);
		rig_done(&rig, 0, REQUEST_STOP);
		cr_assert_eq(core_may_commit(&rig.core), -EAGAIN);
		rig_message(&rig, MESSAGE_PREPARED);
	} else {
		rig_message(&rig, MESSAGE_SWITCHOVER);
		rig_done(&rig, 0, REQUEST_LOAD);
		rig_stream_end(&rig, 0, rig_counts());
		rig_done(&rig, 0, REQUEST_CONFIG);
		rig_done(&rig, 0, REQUEST_FINISH);
		cr_assert_eq(core_may_commit(&rig.core), -EAGAIN, "its memory may still be written");
		rig_fact(&rig, FACT_RELEASED);
	}
	cr_assert_eq(rig_count(&rig, ACTION_JOURNAL), 0);
	rig_assert_phase(&rig, PHASE_HOLD);
	cr_assert_eq(core_may_commit(&rig.core), 0);
}

static void commit(void)
{
	rig_event(&rig, CORE_COMMIT, NULL);
	cr_assert_eq(rig_count(&rig, ACTION_JOURNAL), 0, "what binds is the caller's protocol");
	cr_assert_eq(rig_sent(&rig, MESSAGE_COMMIT), 0);
}

static void assert_states(const char *source, const char *destination)
{
	struct vfiomig_result result;

	core_result(&rig.core, &result);
	cr_assert_str_eq(result.source_state, source);
	cr_assert_str_eq(result.destination_state, destination);
}

static const enum vfiomig_role both[] = { VFIOMIG_SOURCE, VFIOMIG_DESTINATION };

Test(core_external, a_commit_before_prepared_does_nothing)
{
	for (unsigned i = 0; i < 2; i++) {
		start(both[i]);
		rig_to_stream(&rig);
		cr_assert_eq(core_may_commit(&rig.core), -EAGAIN);
		commit();
		rig_assert_phase(&rig, PHASE_STREAM);
		cr_assert_not(core_too_late(&rig.core));
	}
}

Test(core_external, a_session_that_commits_itself_takes_no_commit_of_its_caller)
{
	rig_start(&rig, VFIOMIG_DESTINATION, 1, RIG_ALL, RIG_NONE);
	rig_to_commit(&rig);
	cr_assert_eq(core_may_commit(&rig.core), -ENOTSUP);
	rig_event(&rig, CORE_COMMIT, NULL);
	rig_assert_phase(&rig, PHASE_HOLD);
}

Test(core_external, a_destination_says_prepared_and_runs_at_its_callers_commit)
{
	hold(VFIOMIG_DESTINATION);
	cr_assert_eq(rig_sent(&rig, MESSAGE_PREPARED), 1);
	commit();
	cr_assert_eq(rig_asked(&rig, REQUEST_RUN_P2P), 1);
	cr_assert_eq(core_may_commit(&rig.core), -EALREADY);
	rig_done(&rig, 0, REQUEST_RUN_P2P);
	rig_done(&rig, 0, REQUEST_RUN);
	rig_assert_phase(&rig, PHASE_DONE);
	cr_assert_eq(rig_sent(&rig, MESSAGE_DONE), 1);
}

Test(core_external, a_committed_source_ends_when_the_destination_runs)
{
	hold(VFIOMIG_SOURCE);
	commit();
	rig_assert_phase(&rig, PHASE_COMMIT);
	cr_assert_eq(core_may_commit(&rig.core), -EALREADY);
	rig_message(&rig, MESSAGE_DONE);
	rig_assert_phase(&rig, PHASE_DONE);
	assert_states("retired", "running");
}

Test(core_external, neither_silence_nor_loss_nor_time_ends_what_is_prepared)
{
	for (unsigned i = 0; i < 2; i++) {
		hold(both[i]);
		rig_tick_after(&rig, 3600 * 1000);
		rig_assert_phase(&rig, PHASE_HOLD);
		rig_event(&rig, CORE_LOST, &rig_trouble);
		rig_assert_phase(&rig, PHASE_HOLD);
		rig_tick_after(&rig, 3600 * 1000);
		rig_assert_phase(&rig, PHASE_HOLD);
		cr_assert_eq(core_may_commit(&rig.core), 0);
	}
}

Test(core_external, a_last_lane_that_ends_just_before_prepared_does_not_end_what_is_prepared)
{
	start(VFIOMIG_SOURCE);
	rig_to_stream(&rig);
	rig_done(&rig, 0, REQUEST_READ);
	rig_done(&rig, 0, REQUEST_STOP);
	rig_event(&rig, CORE_LANE_LOST, &rig_trouble);
	rig_message(&rig, MESSAGE_PREPARED);
	rig_assert_phase(&rig, PHASE_HOLD);
	rig_tick_after(&rig, 1000);
	rig_assert_phase(&rig, PHASE_HOLD);
	cr_assert_eq(core_may_commit(&rig.core), 0);
}

Test(core_external, a_loss_before_prepared_is_an_abort_as_ever)
{
	start(VFIOMIG_SOURCE);
	rig_to_stream(&rig);
	rig_done(&rig, 0, REQUEST_READ);
	rig_done(&rig, 0, REQUEST_STOP);
	rig_event(&rig, CORE_LOST, &rig_trouble);
	cr_assert_eq(core_may_commit(&rig.core), -ECANCELED);
	rig_roll_back(&rig);
	assert_states("running", "unknown");
}

Test(core_external, a_source_that_lost_its_peer_retires_at_once_when_committed)
{
	hold(VFIOMIG_SOURCE);
	rig_event(&rig, CORE_LOST, &rig_trouble);
	commit();
	rig_assert_phase(&rig, PHASE_DONE);
	cr_assert_eq(rig.core.outcome.code, VFIOMIG_OK);
	assert_states("retired", "unknown");
}

Test(core_external, a_committed_source_stays_retired_whatever_becomes_of_the_peer)
{
	hold(VFIOMIG_SOURCE);
	commit();
	rig_event(&rig, CORE_LOST, &rig_trouble);
	rig_assert_phase(&rig, PHASE_DONE);
	assert_states("retired", "unknown");
	hold(VFIOMIG_SOURCE);
	commit();
	rig_tick_after(&rig, 1000);
	rig_assert_phase(&rig, PHASE_DONE);
	cr_assert_eq(rig_asked(&rig, REQUEST_RESUME), 0);
	hold(VFIOMIG_SOURCE);
	commit();
	rig_message(&rig, MESSAGE_HEARTBEAT);
	for (unsigned s = 0; s < 60; s++) {
		rig_assert_phase(&rig, PHASE_COMMIT);
		rig_tick_after(&rig, 999);
		rig_message(&rig, MESSAGE_HEARTBEAT);
	}
	rig_tick_after(&rig, 999); /* twice the hold time */
	rig_assert_phase(&rig, PHASE_DONE);
}

Test(core_external, an_abort_after_the_commit_leaves_the_source_stopped_and_says_so)
{
	hold(VFIOMIG_SOURCE);
	commit();
	rig_event(&rig, CORE_ABORT, &rig_device_trouble);
	rig_assert_phase(&rig, PHASE_FAILED);
	cr_assert_eq(rig_asked(&rig, REQUEST_RESUME), 0);
	cr_assert_eq(rig.core.outcome.code, VFIOMIG_IN_DOUBT);
	cr_assert_str_eq(rig.core.outcome.name, "destination-aborted");
	assert_states("stopped", "reset");
	cr_assert_eq(core_may_commit(&rig.core), -EALREADY);
}

Test(core_external, a_cancel_before_the_commit_is_the_way_back_and_after_it_too_late)
{
	for (unsigned i = 0; i < 2; i++) {
		hold(both[i]);
		rig_event(&rig, CORE_CANCEL, NULL);
		cr_assert_eq(rig_sent(&rig, MESSAGE_ABORT), 1);
		cr_assert_eq(rig_count(&rig, ACTION_JOURNAL), 0);
		cr_assert_eq(core_may_commit(&rig.core), -ECANCELED);
		rig_event(&rig, CORE_COMMIT, NULL);
		rig_roll_back(&rig);
		hold(both[i]);
		commit();
		rig_event(&rig, CORE_CANCEL, NULL);
		rig_assert_phase(&rig, PHASE_COMMIT);
	}
}

Test(core_external, a_cancel_is_heard_though_the_peer_is_lost)
{
	hold(VFIOMIG_SOURCE);
	rig_event(&rig, CORE_LOST, &rig_trouble);
	rig_event(&rig, CORE_CANCEL, NULL);
	rig_roll_back(&rig);
	assert_states("running", "unknown");
}

Test(core_external, a_destination_that_runs_proves_the_commit_to_its_source)
{
	hold(VFIOMIG_SOURCE);
	rig_message(&rig, MESSAGE_DONE);
	rig_assert_phase(&rig, PHASE_DONE);
	assert_states("retired", "running");
}

/* All is sent and PREPARED is here, while the source's own device is still at its last step. */
static void drain(void)
{
	start(VFIOMIG_SOURCE);
	rig_to_stream(&rig);
	rig_done(&rig, 0, REQUEST_READ);
	rig_message(&rig, MESSAGE_PREPARED);
	rig_assert_phase(&rig, PHASE_DRAIN);
}

Test(core_external, a_destination_that_runs_too_early_for_its_source_is_believed_all_the_same)
{
	drain();
	rig_message(&rig, MESSAGE_DONE);
	cr_assert_eq(rig_asked(&rig, REQUEST_RESUME), 0, "two must not run");
	cr_assert_eq(core_may_commit(&rig.core), -EALREADY);
	rig_event(&rig, CORE_CANCEL, NULL);
	rig_event(&rig, CORE_ABORT, &rig_trouble);
	rig_assert_phase(&rig, PHASE_DRAIN);
	rig_done(&rig, 0, REQUEST_STOP);
	rig_assert_phase(&rig, PHASE_DONE);
	assert_states("retired", "running");
}

Test(core_external, a_source_whose_last_step_fails_meanwhile_retires_as_well)
{
	static const enum core_event_kind ways[] = { CORE_DEVICE_DONE, CORE_DEVICE_STUCK, CORE_LOST };

	for (unsigned i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		drain();
		rig_message(&rig, MESSAGE_DONE);
		rig_step(&rig, &(struct core_event){ .kind = ways[i], .request = REQUEST_STOP, .error = &rig_trouble });
		if (ways[i] == CORE_LOST)
			rig_done(&rig, 0, REQUEST_STOP);
		rig_assert_phase(&rig, PHASE_DONE);
		assert_states("retired", "running");
	}
}

Test(core_external, a_done_before_prepared_is_out_of_phase)
{
	start(VFIOMIG_SOURCE);
	rig_to_stream(&rig);
	rig_done(&rig, 0, REQUEST_READ);
	rig_message(&rig, MESSAGE_DONE);
	rig_assert_phase(&rig, PHASE_ROLLBACK);
	cr_assert_str_eq(rig.core.outcome.name, "message-out-of-phase");
}

Test(core_external, a_lane_that_was_lost_just_before_prepared_ends_nothing_that_is)
{
	start(VFIOMIG_SOURCE);
	rig_to_stream(&rig);
	rig_done(&rig, 0, REQUEST_READ);
	rig_done(&rig, 0, REQUEST_STOP);
	rig_step(&rig, &(struct core_event){ .kind = CORE_LANE_LOST, .error = &rig_trouble });
	rig_message(&rig, MESSAGE_PREPARED);
	rig_tick_after(&rig, 500);
	rig_assert_phase(&rig, PHASE_HOLD);
	cr_assert_eq(core_may_commit(&rig.core), 0, "all is loaded: no lane is needed any more");
}

Test(core_external, a_peers_commit_is_out_of_phase)
{
	hold(VFIOMIG_DESTINATION);
	rig_message(&rig, MESSAGE_COMMIT);
	rig_assert_phase(&rig, PHASE_ROLLBACK);
	cr_assert_str_eq(rig.core.outcome.name, "message-out-of-phase");
}

Test(core_external, the_downtime_limit_holds_until_the_commit_and_not_after_it)
{
	hold(VFIOMIG_SOURCE);
	rig.core.downtime_limit_ns = NS_PER_S;
	rig_tick_after(&rig, 1001);
	rig_assert_phase(&rig, PHASE_ROLLBACK);
	cr_assert_str_eq(rig.core.outcome.name, "downtime-limit");
	hold(VFIOMIG_SOURCE);
	rig.core.downtime_limit_ns = NS_PER_S;
	rig.now += 1001 * NS_PER_MS; /* committed is committed, however late */
	commit();
	rig_assert_phase(&rig, PHASE_COMMIT);
}
