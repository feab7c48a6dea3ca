/* SPDX-License-Identifier: MIT */
/* A program around two sessions, by the public headers alone: what it may rely on at any moment, and what its mistakes cost. */
#include "unit/session_embed_rig.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>

enum { BEYOND_BYTES = 1 << 20 };

static unsigned progressed;

static void on_progress(void *context)
{
	(void)context;
	progressed++;
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
