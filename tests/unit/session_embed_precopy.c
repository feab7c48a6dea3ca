/* SPDX-License-Identifier: MIT */
/* A program that decides itself when the devices stop, and how long and how fast, while PRE_COPY goes on. */
#include "unit/session_embed_rig.h"

static unsigned readies;

static void on_event(void *context, const struct vfiomig_event *event)
{
	(void)context;
	readies += event->kind == VFIOMIG_EVENT_SWITCHOVER_READY;
	if (event->kind == VFIOMIG_EVENT_SWITCHOVER)
		cr_assert_eq(readies, 1, "it was stopped, and nobody had said that it could be");
}

static bool is_ready(void)
{
	struct vfiomig_stats stats = { .size = sizeof(stats) };

	cr_assert_eq(vfiomig_session_stats(session[0], &stats), 0);
	cr_assert_str_neq(stats.phase, "SWITCHOVER");
	return stats.switchover_ready;
}

/* What a VMM needs to know before it stops its processors: they stand still until the switchover has ended. */
Test(embed_precopy, a_program_hears_when_a_switchover_would_begin_at_once_and_what_is_left)
{
	static const char *const specs[] = { "sim:bytes=1M",
					     "sim:bytes=1M,precopy=enomsg,precopy-bytes=512K,initial-bytes=256K" };

	for (unsigned i = 0; i < sizeof(specs) / sizeof(specs[0]); i++) {
		struct vfiomig_stats stats = { .size = sizeof(stats) };

		readies = 0;
		prepare(specs[i], specs[i]);
		options[0].flags |= VFIOMIG_EXTERNAL_SWITCHOVER;
		options[0].event = on_event;
		begin();
		while (!is_ready() || !readies) {
			poll(&(struct pollfd){ vfiomig_session_fd(session[0]), POLLIN, 0 }, 1, LIMIT_MS);
			cr_assert_eq(vfiomig_session_dispatch(session[0]), 0);
		}
		cr_assert_eq(vfiomig_session_stats(session[0], &stats), 0);
		cr_assert_str_eq(stats.phase, "PRECOPY");
		cr_assert_eq(stats.pending[0].precopy_known, i == 1);
		cr_assert_eq(stats.pending[0].initial_bytes, 0);
		cr_assert_eq(stats.pending[0].stop_copy_known, i == 1);
		cr_assert(i == 0 || stats.device[0].bytes >= 256 << 10);
		vfiomig_session_switchover(session[0]);
		dispatch_to_the_end();
		cr_assert_eq(readies, 1);
		assert_result(0, VFIOMIG_OK, "retired", "running");
		end();
	}
}

static bool is_over(void)
{
	return vfiomig_session_dispatch(session[0]);
}

/* Its first packet is out, and the limit holds for the next. */
static bool has_begun(void)
{
	struct vfiomig_stats stats = { .size = sizeof(stats) };

	cr_assert_eq(vfiomig_session_stats(session[0], &stats), 0);
	return stats.device[0].bytes > 0;
}

Test(embed_precopy, a_limit_of_pre_copy_can_be_lifted_while_a_device_keeps_to_it)
{
	const char *spec = "sim:bytes=1M,precopy=enomsg,precopy-bytes=512K,initial-bytes=512K";

	prepare(spec, spec);
	options[0].flags |= VFIOMIG_EXTERNAL_SWITCHOVER;
	options[0].precopy_bytes_per_s_max = 1;
	begin();
	while (!has_begun())
		poll(NULL, 0, 1);
	cr_assert_not(is_ready(), "that would take days");
	vfiomig_session_set_limits(session[0], 0, 0);
	while (!is_ready() && !is_over())
		poll(NULL, 0, 1);
	vfiomig_session_switchover(session[0]);
	dispatch_to_the_end();
	assert_result(0, VFIOMIG_OK, "retired", "running");
	end();
}

Test(embed_precopy, a_downtime_limit_can_be_set_while_the_devices_stand_still)
{
	struct vfiomig_result result;

	prepare("sim:bytes=1M", "sim:bytes=1M");
	options[0].prepared = options[1].prepared = NULL;
	begin();
	while (!both_are_prepared())
		poll(NULL, 0, 1);
	vfiomig_session_set_limits(session[0], 0, 1);
	dispatch_to_the_end();
	assert_result(0, VFIOMIG_TIMEOUT, "running", "reset");
	cr_assert_eq(vfiomig_session_result(session[0], &result), 0);
	cr_assert_str_eq(result.error.name, "downtime-limit");
	end();
}
