/* SPDX-License-Identifier: MIT */
/* Files that lie ready: no record before they are given its name, a whole one from then on, and nothing that stays. */
#include <criterion/criterion.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "session/journal_spare.h"
#include "unit/session_journal_rig.h"

TestSuite(session_journal_spare, .init = make_folder, .fini = remove_folder);

static struct journal_spares spares;

static void make(unsigned count)
{
	struct vfiomig_journal journal = journal_of(VFIOMIG_JOURNAL_NONE);

	cr_assert_eq(journal_spares_make(&spares, dir_fd, &journal, count, NULL), 0);
}

static void fill(enum vfiomig_journal_state state)
{
	struct vfiomig_journal journal = journal_of(state);

	journal_spares_fill(&spares, &journal);
}

static int publish(void)
{
	struct vfiomig_journal journal = journal_of(VFIOMIG_JOURNAL_NONE);

	return journal_spares_publish(&spares, dir_fd, &journal);
}

static void count_record(void *context, const struct vfiomig_journal *journal)
{
	(void)journal;
	++*(int *)context;
}

static void count_broken(void *context, const char *file)
{
	(void)file;
	*(int *)context += 1000;
}

static int records(void)
{
	int count = 0;

	cr_assert_geq(journal_file_list(dir_fd, count_record, count_broken, &count, NULL), 0);
	return count;
}

Test(session_journal_spare, a_spare_is_no_record_filled_or_not)
{
	make(2);
	cr_assert_eq(entries(), 2);
	cr_assert_eq(read_state(), -ENOENT);
	cr_assert_eq(records(), 0);
	fill(VFIOMIG_JOURNAL_COMMITTED);
	cr_assert_eq(read_state(), -ENOENT);
	cr_assert_eq(records(), 0);
	journal_spares_drop(&spares, dir_fd);
	cr_assert_eq(entries(), 0);
}

Test(session_journal_spare, each_takes_the_place_of_the_one_before_and_the_rest_goes)
{
	make(3);
	fill(VFIOMIG_JOURNAL_PREPARED);
	cr_assert_eq(publish(), 0);
	cr_assert_eq(read_state(), VFIOMIG_JOURNAL_PREPARED);
	fill(VFIOMIG_JOURNAL_COMMITTED);
	cr_assert_eq(read_state(), VFIOMIG_JOURNAL_PREPARED);
	cr_assert_eq(publish(), 0);
	cr_assert_eq(read_state(), VFIOMIG_JOURNAL_COMMITTED);
	cr_assert_eq(entries(), 2);
	journal_spares_drop(&spares, dir_fd);
	cr_assert_eq(entries(), 1);
	fill(VFIOMIG_JOURNAL_RUNNING);
	cr_assert_eq(publish(), -ENOENT, "it was dropped");
	journal_spares_close(&spares, dir_fd);
	cr_assert_eq(entries(), 1);
	cr_assert_eq(read_state(), VFIOMIG_JOURNAL_COMMITTED);
}

/* Another decision was found on file: what was written for the first one becomes the tombstone. */
Test(session_journal_spare, what_was_filled_last_is_what_becomes_the_record)
{
	make(1);
	fill(VFIOMIG_JOURNAL_COMMITTED);
	fill(VFIOMIG_JOURNAL_ABORTED);
	cr_assert_eq(publish(), 0);
	cr_assert_eq(read_state(), VFIOMIG_JOURNAL_ABORTED);
}

Test(session_journal_spare, a_record_tells_the_time_of_its_own_and_not_of_its_spare)
{
	struct vfiomig_journal journal = journal_of(VFIOMIG_JOURNAL_PREPARED);
	uint64_t made_ns;

	cr_assert_eq(journal_spares_make(&spares, dir_fd, &journal, 1, NULL), 0);
	made_ns = journal.time_ns;
	fill(VFIOMIG_JOURNAL_PREPARED);
	cr_assert_eq(publish(), 0);
	cr_assert_eq(journal_file_read(dir_fd, journal.session, role, &journal), 0);
	cr_assert_gt(journal.time_ns, made_ns);
}

Test(session_journal_spare, where_there_is_none_nothing_is_published)
{
	fill(VFIOMIG_JOURNAL_PREPARED);
	cr_assert_eq(publish(), -ENOENT);
	make(1);
	cr_assert_eq(publish(), -ENOENT, "nothing was filled");
	fill(VFIOMIG_JOURNAL_PREPARED);
	cr_assert_eq(publish(), 0);
	fill(VFIOMIG_JOURNAL_COMMITTED);
	cr_assert_eq(publish(), -ENOENT, "all are used");
	cr_assert_eq(read_state(), VFIOMIG_JOURNAL_PREPARED);
}

Test(session_journal_spare, one_that_somebody_removed_changes_nothing)
{
	char path[256];

	write_state(VFIOMIG_JOURNAL_PREPARED);
	make(2);
	snprintf(path, sizeof(path), "%s/%s", folder, spares.name[0]);
	cr_assert_eq(unlink(path), 0);
	fill(VFIOMIG_JOURNAL_COMMITTED);
	cr_assert_eq(publish(), -ENOENT);
	cr_assert_eq(read_state(), VFIOMIG_JOURNAL_PREPARED);
	fill(VFIOMIG_JOURNAL_COMMITTED);
	cr_assert_eq(publish(), 0);
	cr_assert_eq(read_state(), VFIOMIG_JOURNAL_COMMITTED);
}

Test(session_journal_spare, one_that_cannot_be_renamed_leaves_the_old_record_and_goes)
{
	char path[256];

	make(1);
	snprintf(path, sizeof(path), "%s/a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5.destination", folder);
	cr_assert_eq(mkdir(path, 0700), 0); /* no file can take its place */
	fill(VFIOMIG_JOURNAL_COMMITTED);
	cr_assert_eq(publish(), -EISDIR);
	cr_assert_eq(entries(), 1);
}

/* Of two containers with one folder, in which processes have the same numbers. */
Test(session_journal_spare, one_that_is_there_already_is_not_taken)
{
	struct vfiomig_journal journal = journal_of(VFIOMIG_JOURNAL_NONE);
	struct journal_spares second;
	struct vfiomig_error err = { 0 };

	make(2);
	cr_assert_eq(journal_spares_make(&second, dir_fd, &journal, 2, &err), -EEXIST);
	cr_assert_eq(err.code, VFIOMIG_PREFLIGHT);
	cr_assert_str_eq(err.name, "journal");
	cr_assert_eq(entries(), 2, "the first one's went with it");
}

Test(session_journal_spare, where_there_is_no_room_it_is_said_at_once_and_nothing_stays)
{
	struct vfiomig_journal journal = journal_of(VFIOMIG_JOURNAL_NONE);
	struct rlimit limit = { 8, 8 };
	struct vfiomig_error err = { 0 };

	signal(SIGXFSZ, SIG_IGN);
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	cr_assert_eq(journal_spares_make(&spares, dir_fd, &journal, 2, &err), -EFBIG);
	cr_assert_eq(err.code, VFIOMIG_PREFLIGHT);
	cr_assert_eq(entries(), 0);
	fill(VFIOMIG_JOURNAL_PREPARED);
	cr_assert_eq(publish(), -ENOENT);
}

Test(session_journal_spare, those_of_a_process_that_died_are_swept_and_of_one_that_lives_are_not)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		make(3);
		fill(VFIOMIG_JOURNAL_PREPARED);
		_exit(publish() ? 9 : 0);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert_eq(status, 0);
	cr_assert_eq(entries(), 3);
	memset(&spares, 0, sizeof(spares));
	write_state(VFIOMIG_JOURNAL_COMMITTED); /* of ours, which no sweep takes */
	make(1);
	cr_assert_eq(entries(), 4);
	journal_file_sweep(dir_fd);
	cr_assert_eq(entries(), 2);
	cr_assert_eq(read_state(), VFIOMIG_JOURNAL_COMMITTED);
	fill(VFIOMIG_JOURNAL_ABORTED);
	cr_assert_eq(publish(), 0, "the living one's was swept");
}
