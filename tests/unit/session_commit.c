/* SPDX-License-Identifier: MIT */
/* The caller's commit on two real sessions over loopback: what _commit promises, and what undoes nothing. */
#include <criterion/criterion.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include <vfiomig/vfiomig.h>

enum { LIMIT_MS = 60000, SIDES = 2 };

struct side {
	struct vfiomig_session *session;
	struct vfiomig_device *device;
	unsigned prepared; /* how often it was told */
	char phases[256];  /* "CONNECT AGREE ..." */
	char events[512]; /* but for phases and estimates, each with the phase it was in: "switchover:SWITCHOVER ..." */
	bool over;
};

static struct side side[SIDES]; /* source, destination */
static struct vfiomig_listener *listener;
static struct vfiomig_error err;

#define SOURCE	    side[0]
#define DESTINATION side[1]

static void on_prepared(void *context)
{
	((struct side *)context)->prepared++;
}

static void on_phase(void *context, const char *phase)
{
	struct side *this = context;
	size_t length = strlen(this->phases);

	snprintf(this->phases + length, sizeof(this->phases) - length, "%s ", phase);
}

static void on_event(void *context, const struct vfiomig_event *event)
{
	struct side *this = context;
	size_t length = strlen(this->events);

	if (event->kind != VFIOMIG_EVENT_PHASE && event->kind != VFIOMIG_EVENT_ESTIMATE)
		snprintf(this->events + length, sizeof(this->events) - length, "%s:%s ",
			 vfiomig_event_name(event->kind), event->phase);
}

/* The last callback of a dispatch: what happens now was not told in it. */
static bool end_in_progress;
static void on_progress(void *context)
{
	struct side *this = context;
	struct vfiomig_result result;

	if (this != &side[0] || !end_in_progress)
		return;
	end_in_progress = false;
	for (unsigned i = 0; i < SIDES; i++)
		cr_assert_eq(vfiomig_session_commit(side[i].session), 0);
	while (vfiomig_session_result(this->session, &result))
		poll(NULL, 0, 1);
}

static void begin(unsigned i, unsigned flags, const char *spec)
{
	struct vfiomig_options options = { .size = sizeof(options),
					   .transport = VFIOMIG_TRANSPORT_TCP,
					   .lanes = 2,
					   .slots = 4,
					   .slot_bytes = VFIOMIG_SLOT_BYTES_MIN,
					   .peer_timeout_ms = LIMIT_MS,
					   /* None is needed where the caller commits. */
					   .journal_dir = flags & VFIOMIG_OWN_COMMIT ? NULL : "/proc/nowhere",
					   .flags = VFIOMIG_NO_PLATFORM | flags,
					   .context = &side[i],
					   .phase = on_phase,
					   .event = on_event,
					   .progress = on_progress,
					   .prepared = on_prepared };

	options.peer = i ? NULL : vfiomig_listener_address(listener);
	options.listener = i ? listener : NULL;
	side[i] = (struct side){ 0 };
	cr_assert_eq(vfiomig_device_open(&side[i].device, spec, &err), 0, "%s", err.text);
	cr_assert_eq(vfiomig_session_create(&side[i].session, i ? VFIOMIG_DESTINATION : VFIOMIG_SOURCE, &options, &err),
		     0, "%s", err.text);
	cr_assert_eq(vfiomig_session_add_device(side[i].session, side[i].device, &err), 0, "%s", err.text);
	cr_assert_eq(vfiomig_session_commit(side[i].session), flags & VFIOMIG_OWN_COMMIT ? -ENOTSUP : -EAGAIN);
	cr_assert_eq(vfiomig_session_start(side[i].session, &err), 0, "%s", err.text);
}

static void begin_both(const char *from, const char *to)
{
	cr_assert_eq(vfiomig_listener_open(&listener, "127.0.0.1:0", &err), 0, "%s", err.text);
	begin(1, 0, to);
	begin(0, 0, from);
}

static void dispatch_until(bool (*done)(void))
{
	while (!done()) {
		struct pollfd fds[SIDES] = { { side[0].over ? -1 : vfiomig_session_fd(side[0].session), POLLIN, 0 },
					     { side[1].over ? -1 : vfiomig_session_fd(side[1].session), POLLIN, 0 } };

		cr_assert_gt(poll(fds, SIDES, LIMIT_MS), 0, "nothing happens any more");
		for (unsigned i = 0; i < SIDES; i++)
			side[i].over = side[i].over || vfiomig_session_dispatch(side[i].session);
	}
}

static bool both_prepared(void)
{
	struct vfiomig_result result;

	for (unsigned i = 0; i < SIDES; i++)
		if (side[i].over && !vfiomig_session_result(side[i].session, &result))
			cr_assert_fail("it ended: %s", result.error.text);
	return side[0].prepared && side[1].prepared;
}

static bool both_over(void)
{
	return side[0].over && side[1].over;
}

static bool source_over(void)
{
	return SOURCE.over;
}

static void assert_result(unsigned i, enum vfiomig_code code, const char *source, const char *destination)
{
	struct vfiomig_result result;

	cr_assert_eq(vfiomig_session_result(side[i].session, &result), 0);
	cr_assert_eq(result.error.code, code, "%s", result.error.text);
	cr_assert_str_eq(result.source_state, source);
	cr_assert_str_eq(result.destination_state, destination);
}

static void end_both(void)
{
	for (unsigned i = 0; i < SIDES; i++) {
		vfiomig_session_close(side[i].session);
		vfiomig_device_close(side[i].device);
	}
	vfiomig_listener_close(listener);
}

Test(commit, the_source_first_and_then_the_destination_runs)
{
	begin_both("sim:bytes=1M", "sim:bytes=1M");
	dispatch_until(both_prepared);
	cr_assert_eq(vfiomig_session_prepared(SOURCE.session), 0);
	cr_assert_eq(vfiomig_session_commit(SOURCE.session), 0);
	cr_assert_eq(vfiomig_session_commit(SOURCE.session), -EALREADY);
	cr_assert_eq(vfiomig_session_prepared(SOURCE.session), -EALREADY);
	cr_assert_eq(vfiomig_session_commit(DESTINATION.session), 0);
	dispatch_until(both_over);
	assert_result(0, VFIOMIG_OK, "retired", "running");
	assert_result(1, VFIOMIG_OK, "retired", "running");
	cr_assert_eq(vfiomig_device_state(SOURCE.device), VFIOMIG_STATE_STOP);
	cr_assert_eq(vfiomig_device_state(DESTINATION.device), VFIOMIG_STATE_RUNNING);
	cr_assert_eq(SOURCE.prepared, 1);
	cr_assert_eq(DESTINATION.prepared, 1);
	end_both();
}

Test(commit, phases_are_told_in_order_on_both_sides)
{
	begin_both("sim:bytes=1M", "sim:bytes=1M");
	dispatch_until(both_prepared);
	cr_assert(strstr(SOURCE.phases, "AGREE "), "%s", SOURCE.phases);
	cr_assert(strstr(DESTINATION.phases, "STREAM "), "%s", DESTINATION.phases);
	for (unsigned i = 0; i < SIDES; i++) {
		cr_assert_eq(strcmp(side[i].phases + strlen(side[i].phases) - 5, "HOLD "), 0, "%s", side[i].phases);
		cr_assert_eq(vfiomig_session_commit(side[i].session), 0);
	}
	dispatch_until(both_over);
	for (unsigned i = 0; i < SIDES; i++)
		cr_assert_eq(strcmp(side[i].phases + strlen(side[i].phases) - 5, "DONE "), 0, "%s", side[i].phases);
	end_both();
}

Test(commit, what_happened_last_is_told_before_dispatch_says_that_it_is_over)
{
	begin_both("sim:bytes=1M", "sim:bytes=1M");
	dispatch_until(both_prepared);
	end_in_progress = true;
	dispatch_until(both_over);
	cr_assert_not(end_in_progress);
	for (unsigned i = 0; i < SIDES; i++) {
		cr_assert_eq(strcmp(side[i].phases + strlen(side[i].phases) - 5, "DONE "), 0, "%s", side[i].phases);
		cr_assert(strstr(side[i].events, "commit:HOLD "), "%s", side[i].events);
	}
	end_both();
}

Test(commit, events_are_told_once_and_in_the_order_of_what_happened)
{
	begin_both("sim:bytes=1M", "sim:bytes=1M");
	dispatch_until(both_prepared);
	/* A source hears of it, and may commit only when its own devices are in STOP as well. */
	cr_assert_str_eq(DESTINATION.events, "switchover:STREAM prepared:DRAIN ");
	cr_assert_str_eq(SOURCE.events, "switchover-ready:PRECOPY switchover:PRECOPY prepared:DRAIN ");
	cr_assert_eq(vfiomig_session_commit(SOURCE.session), 0);
	cr_assert_eq(vfiomig_session_commit(DESTINATION.session), 0);
	dispatch_until(both_over);
	cr_assert_str_eq(DESTINATION.events, "switchover:STREAM prepared:DRAIN commit:HOLD ");
	cr_assert_str_eq(SOURCE.events, "switchover-ready:PRECOPY switchover:PRECOPY prepared:DRAIN commit:HOLD ");
	end_both();
}

Test(commit, a_cancel_before_it_tells_of_no_commit)
{
	begin_both("sim:bytes=1M", "sim:bytes=1M");
	dispatch_until(both_prepared);
	cr_assert_eq(vfiomig_session_cancel(SOURCE.session), 0);
	dispatch_until(both_over);
	for (unsigned i = 0; i < SIDES; i++)
		cr_assert_not(strstr(side[i].events, "commit"), "%s", side[i].events);
	end_both();
}

Test(commit, a_destination_that_runs_is_its_sources_commit)
{
	begin_both("sim:bytes=1M", "sim:bytes=1M");
	dispatch_until(both_prepared);
	cr_assert_eq(vfiomig_session_commit(DESTINATION.session), 0);
	dispatch_until(both_over);
	cr_assert_str_eq(SOURCE.events, "switchover-ready:PRECOPY switchover:PRECOPY prepared:DRAIN commit:HOLD ");
	assert_result(0, VFIOMIG_OK, "retired", "running");
	end_both();
}

Test(commit, whoever_cancels_before_it_sends_both_back)
{
	for (unsigned i = 0; i < SIDES; i++) {
		begin_both("sim:bytes=1M", "sim:bytes=1M");
		dispatch_until(both_prepared);
		cr_assert_eq(vfiomig_session_cancel(side[i].session), 0);
		dispatch_until(both_over);
		assert_result(0, VFIOMIG_CANCELLED, "running", "reset");
		/* A destination that gives up does not know what its source's program has decided meanwhile. */
		assert_result(1, VFIOMIG_CANCELLED, i ? "unknown" : "running", "reset");
		cr_assert_eq(vfiomig_session_commit(SOURCE.session), -ECANCELED);
		cr_assert_eq(vfiomig_session_commit(DESTINATION.session), -ECANCELED);
		cr_assert_eq(vfiomig_device_state(SOURCE.device), VFIOMIG_STATE_RUNNING);
		end_both();
	}
}

Test(commit, a_commit_is_not_undone_by_a_cancel_that_follows_at_once)
{
	begin_both("sim:bytes=1M", "sim:bytes=1M");
	dispatch_until(both_prepared);
	cr_assert_eq(vfiomig_session_commit(SOURCE.session), 0);
	cr_assert_eq(vfiomig_session_cancel(SOURCE.session), -EALREADY);
	dispatch_until(source_over);
	assert_result(0, VFIOMIG_OK, "retired", "unknown");
	cr_assert_eq(vfiomig_device_state(SOURCE.device), VFIOMIG_STATE_STOP);
	cr_assert_eq(vfiomig_session_commit(DESTINATION.session), 0, "its source has gone; that ends nothing");
	dispatch_until(both_over);
	cr_assert_eq(vfiomig_device_state(DESTINATION.device), VFIOMIG_STATE_RUNNING);
	end_both();
}

Test(commit, both_outlive_the_loss_of_their_connection)
{
	begin_both("sim:bytes=1M", "sim:bytes=1M");
	dispatch_until(both_prepared);
	vfiomig_session_yank(SOURCE.session);
	cr_assert_eq(vfiomig_session_commit(SOURCE.session), 0);
	dispatch_until(source_over);
	cr_assert_eq(vfiomig_session_commit(DESTINATION.session), 0);
	dispatch_until(both_over);
	assert_result(0, VFIOMIG_OK, "retired", "unknown");
	assert_result(1, VFIOMIG_OK, "unknown", "running");
	end_both();
}

Test(commit, a_source_whose_destination_never_ran_can_be_taken_back)
{
	struct vfiomig_result result;

	begin_both("sim:bytes=1M,p2p=off", "sim:bytes=1M,p2p=off,fail-state=RUNNING");
	dispatch_until(both_prepared);
	cr_assert_eq(vfiomig_session_take_back(SOURCE.session, &result), -EINVAL, "it has not ended");
	cr_assert_eq(vfiomig_session_commit(SOURCE.session), 0);
	cr_assert_eq(vfiomig_session_commit(DESTINATION.session), 0);
	dispatch_until(both_over);
	assert_result(0, VFIOMIG_IN_DOUBT, "stopped", "reset");
	assert_result(1, VFIOMIG_DEVICE, "stopped", "reset");
	cr_assert_eq(vfiomig_session_take_back(SOURCE.session, &result), 0);
	cr_assert_eq(result.error.code, VFIOMIG_CANCELLED);
	cr_assert_str_eq(result.error.name, "taken-back");
	cr_assert_str_eq(result.source_state, "running");
	cr_assert_eq(vfiomig_device_state(SOURCE.device), VFIOMIG_STATE_RUNNING);
	cr_assert_eq(vfiomig_session_take_back(SOURCE.session, &result), -EINVAL, "once");
	end_both();
}

Test(commit, what_runs_at_the_destination_cannot_be_taken_back)
{
	struct vfiomig_result result;

	begin_both("sim:bytes=1M", "sim:bytes=1M");
	dispatch_until(both_prepared);
	cr_assert_eq(vfiomig_session_commit(SOURCE.session), 0);
	cr_assert_eq(vfiomig_session_commit(DESTINATION.session), 0);
	dispatch_until(both_over);
	cr_assert_eq(vfiomig_session_take_back(SOURCE.session, &result), -EINVAL);
	end_both();
}

Test(commit, one_that_each_side_leaves_to_another_is_refused_before_anything_is_stopped)
{
	struct vfiomig_result result;

	cr_assert_eq(vfiomig_listener_open(&listener, "127.0.0.1:0", &err), 0, "%s", err.text);
	begin(1, VFIOMIG_OWN_COMMIT, "sim:");
	begin(0, 0, "sim:bytes=1M");
	dispatch_until(both_over);
	assert_result(0, VFIOMIG_PREFLIGHT, "running", "untouched");
	cr_assert_eq(vfiomig_session_result(SOURCE.session, &result), 0);
	cr_assert_str_eq(result.error.name, "commit-conflict");
	cr_assert_eq(vfiomig_device_state(SOURCE.device), VFIOMIG_STATE_RUNNING);
	end_both();
}
