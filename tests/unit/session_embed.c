/* SPDX-License-Identifier: MIT */
/* A program around two sessions, by the public headers alone: what it may rely on at any moment, and what its mistakes cost. */
#include <criterion/criterion.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include <vfiomig/vfiomig.h>

enum { LIMIT_MS = 60000, SIDES = 2, BEYOND_BYTES = 1 << 20 };

static struct vfiomig_session *session[SIDES]; /* source, destination */
static struct vfiomig_device *device[SIDES];
static struct vfiomig_listener *listener;
static struct vfiomig_options options[SIDES];
static struct vfiomig_error err;
static unsigned progressed;

static void on_prepared(void *context)
{
	(void)context;
	/* In the order that the header asks for, as both are in one program. */
	if (!vfiomig_session_prepared(session[0]) && !vfiomig_session_prepared(session[1]) &&
	    !vfiomig_session_commit(session[0]))
		vfiomig_session_commit(session[1]);
}

static void on_progress(void *context)
{
	(void)context;
	progressed++;
}

static void prepare(const char *from, const char *to)
{
	cr_assert_eq(vfiomig_listener_open(&listener, "127.0.0.1:0", &err), 0, "%s", err.text);
	for (unsigned i = 0; i < SIDES; i++)
		options[i] = (struct vfiomig_options){ .size = sizeof(options[i]),
						       .peer = i ? NULL : vfiomig_listener_address(listener),
						       .listener = i ? listener : NULL,
						       .transport = VFIOMIG_TRANSPORT_TCP,
						       .lanes = 2,
						       .slots = 4,
						       .slot_bytes = VFIOMIG_SLOT_BYTES_MIN,
						       .peer_timeout_ms = LIMIT_MS,
						       .flags = VFIOMIG_NO_PLATFORM,
						       .prepared = on_prepared };
	cr_assert_eq(vfiomig_device_open(&device[0], from, &err), 0, "%s", err.text);
	cr_assert_eq(vfiomig_device_open(&device[1], to, &err), 0, "%s", err.text);
}

static void create(unsigned i)
{
	cr_assert_eq(vfiomig_session_create(&session[i], i ? VFIOMIG_DESTINATION : VFIOMIG_SOURCE, &options[i], &err),
		     0, "%s", err.text);
	cr_assert_eq(vfiomig_session_add_device(session[i], device[i], &err), 0, "%s", err.text);
}

static void begin(void)
{
	for (unsigned i = SIDES; i-- > 0;) {
		create(i);
		cr_assert_eq(vfiomig_session_start(session[i], &err), 0, "%s", err.text);
	}
}

static void dispatch_to_the_end(void)
{
	bool over[SIDES] = { false };

	while (!over[0] || !over[1]) {
		struct pollfd fds[SIDES];

		for (unsigned i = 0; i < SIDES; i++)
			fds[i] = (struct pollfd){ over[i] ? -1 : vfiomig_session_fd(session[i]), POLLIN, 0 };
		cr_assert_gt(poll(fds, SIDES, LIMIT_MS), 0, "nothing happens any more");
		for (unsigned i = 0; i < SIDES; i++)
			over[i] = over[i] || vfiomig_session_dispatch(session[i]);
	}
}

static void assert_result(unsigned i, enum vfiomig_code code, const char *source, const char *destination)
{
	struct vfiomig_result result;

	cr_assert_eq(vfiomig_session_result(session[i], &result), 0);
	cr_assert_eq(result.error.code, code, "%s", result.error.text);
	cr_assert_str_eq(result.source_state, source);
	cr_assert_str_eq(result.destination_state, destination);
}

static void end(void)
{
	for (unsigned i = 0; i < SIDES; i++) {
		vfiomig_session_close(session[i]);
		vfiomig_device_close(device[i]);
	}
	vfiomig_listener_close(listener);
}

Test(embed, every_word_of_the_statistics_is_there_from_the_beginning)
{
	struct vfiomig_stats stats = { .size = sizeof(stats) };

	prepare("sim:bytes=1M", "sim:bytes=1M");
	for (unsigned i = 0; i < SIDES; i++) {
		create(i);
		cr_assert_eq(vfiomig_session_stats(session[i], &stats), 0);
		cr_assert(stats.transport && stats.loader && stats.integrity && stats.payload);
		cr_assert_str_eq(stats.loader, "");
	}
	end();
}

Test(embed, progress_is_told_when_there_is_some_and_not_with_every_dispatch)
{
	prepare("sim:bytes=1M", "sim:bytes=1M");
	options[0].progress = options[1].progress = on_progress;
	create(0);
	create(1);
	for (unsigned i = 0; i < 100; i++)
		vfiomig_session_dispatch(session[0]);
	cr_assert_eq(progressed, 0, "it has not even been started");
	cr_assert_eq(vfiomig_session_start(session[1], &err), 0, "%s", err.text);
	cr_assert_eq(vfiomig_session_start(session[0], &err), 0, "%s", err.text);
	dispatch_to_the_end();
	assert_result(0, VFIOMIG_OK, "retired", "running");
	cr_assert_geq(progressed, SIDES, "the last word is told in any case");
	progressed = 0;
	cr_assert_eq(vfiomig_session_dispatch(session[0]), 1, "also when it is asked again");
	cr_assert_eq(progressed, 0);
	end();
}

static ssize_t too_much(void *context, void *blob, size_t bytes, struct vfiomig_error *error)
{
	(void)context, (void)blob, (void)error;
	return (ssize_t)bytes + BEYOND_BYTES;
}

Test(embed, a_config_state_that_is_longer_than_its_room_is_the_devices_failure)
{
	struct vfiomig_device_hooks hooks = { .size = sizeof(hooks), .config_get = too_much };

	prepare("sim:bytes=1M", "sim:bytes=1M");
	cr_assert_eq(vfiomig_device_set_hooks(device[0], &hooks, NULL, &err), 0, "%s", err.text);
	begin();
	dispatch_to_the_end();
	assert_result(0, VFIOMIG_DEVICE, "running", "reset");
	cr_assert_eq(vfiomig_device_state(device[0]), VFIOMIG_STATE_RUNNING);
	end();
}

static enum vfiomig_code claimed;

static ssize_t claim(void *context, void *blob, size_t bytes, struct vfiomig_error *error)
{
	(void)context, (void)blob, (void)bytes;
	*error = (struct vfiomig_error){ claimed, EIO, "mine", "it is I who knows" };
	return -EIO;
}

Test(embed, a_device_cannot_claim_what_only_the_session_knows)
{
	static const enum vfiomig_code claims[] = { VFIOMIG_OK, VFIOMIG_IN_DOUBT, VFIOMIG_SOURCE_STUCK,
						    VFIOMIG_DEGRADED, (enum vfiomig_code)99 };
	struct vfiomig_device_hooks hooks = { .size = sizeof(hooks), .config_get = claim };

	for (unsigned i = 0; i < sizeof(claims) / sizeof(claims[0]); i++) {
		claimed = claims[i];
		prepare("sim:bytes=1M", "sim:bytes=1M");
		cr_assert_eq(vfiomig_device_set_hooks(device[0], &hooks, NULL, &err), 0, "%s", err.text);
		begin();
		dispatch_to_the_end();
		assert_result(0, VFIOMIG_DEVICE, "running", "reset");
		assert_result(1, VFIOMIG_DEVICE, "running", "reset");
		end();
	}
}

Test(embed, running_it_twice_says_nothing_false_of_who_runs)
{
	struct vfiomig_result result;

	prepare("sim:bytes=1M", "sim:bytes=1M");
	begin();
	dispatch_to_the_end();
	for (unsigned i = 0; i < SIDES; i++) {
		cr_assert_eq(vfiomig_session_run(session[i], &result), VFIOMIG_USAGE);
		cr_assert_str_eq(result.source_state, "unknown");
		cr_assert_str_eq(result.destination_state, "unknown");
		assert_result(i, VFIOMIG_OK, "retired", "running");
	}
	end();
}

Test(embed, a_device_is_in_one_session_at_a_time)
{
	prepare("sim:bytes=1M", "sim:bytes=1M");
	create(0);
	cr_assert_eq(vfiomig_session_add_device(session[0], device[0], &err), -EBUSY);
	cr_assert_eq(err.code, VFIOMIG_USAGE);
	err = (struct vfiomig_error){ 0 };
	create(1);
	cr_assert_eq(vfiomig_session_add_device(session[1], device[0], &err), -EBUSY);
	vfiomig_session_close(session[0]);
	err = (struct vfiomig_error){ 0 };
	create(0); /* which adds it again */
	end();
}

static bool both_are_prepared(void)
{
	return !vfiomig_session_prepared(session[0]) && !vfiomig_session_prepared(session[1]);
}

/* Whoever has cancelled says so, and the other side may go on by that: a commit that follows must not win. */
Test(embed, a_cancel_that_was_accepted_is_not_overtaken_by_a_commit)
{
	for (unsigned i = 0; i < SIDES; i++) {
		prepare("sim:bytes=1M", "sim:bytes=1M");
		options[0].prepared = options[1].prepared = NULL;
		begin();
		while (!both_are_prepared())
			poll(NULL, 0, 1);
		cr_assert_eq(vfiomig_session_cancel(session[i]), 0);
		cr_assert_eq(vfiomig_session_commit(session[i]), -ECANCELED);
		cr_assert_eq(vfiomig_session_prepared(session[i]), -ECANCELED);
		cr_assert_eq(vfiomig_session_cancel(session[i]), 0, "again");
		dispatch_to_the_end();
		assert_result(0, VFIOMIG_CANCELLED, "running", "reset");
		end();
	}
}

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
Test(embed, a_program_hears_when_a_switchover_would_begin_at_once_and_what_is_left)
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

struct belongings {
	unsigned fds, threads;
};

static unsigned count(const char *folder, bool descriptors)
{
	DIR *list = opendir(folder);
	struct dirent *entry;
	unsigned found = 0;

	cr_assert_not_null(list);
	while ((entry = readdir(list)))
		if (entry->d_name[0] != '.' && !(descriptors && atoi(entry->d_name) == dirfd(list)))
			found++;
	closedir(list);
	return found;
}

static struct belongings belongings(void)
{
	return (struct belongings){ count("/proc/self/fd", true), count("/proc/self/task", false) };
}

static void assert_same(struct belongings before)
{
	struct belongings now = belongings();

	cr_assert_eq(now.fds, before.fds, "%u descriptors, not %u", now.fds, before.fds);
	cr_assert_eq(now.threads, before.threads, "%u threads, not %u", now.threads, before.threads);
}

static unsigned inheritable(void)
{
	unsigned found = 0;

	for (int fd = 0; fd < 1024; fd++)
		found += fcntl(fd, F_GETFD) == 0;
	return found;
}

Test(embed, leaves_neither_descriptors_nor_threads_behind_and_lets_no_child_have_any)
{
	struct belongings before;
	unsigned own;

	/* Libraries below keep what they opened first. */
	prepare("sim:bytes=1M", "sim:bytes=1M");
	begin();
	dispatch_to_the_end();
	end();
	before = belongings();
	own = inheritable();
	prepare("sim:bytes=1M", "sim:bytes=1M");
	create(0);
	create(1); /* and no start */
	end();
	assert_same(before);
	for (unsigned i = 0; i < 3; i++) {
		prepare("sim:bytes=1M", i == 2 ? "sim:bytes=1M,fail-state=RESUMING" : "sim:bytes=1M");
		begin();
		while (i < 2 && !both_are_prepared())
			poll(NULL, 0, 1);
		cr_assert_eq(inheritable(), own, "a child would have some");
		if (i == 1)
			vfiomig_session_cancel(session[0]);
		if (i != 1)
			dispatch_to_the_end();
		end(); /* in the middle of it */
		assert_same(before);
	}
}
