/* SPDX-License-Identifier: MIT */
/* What becomes of a record: whose process lives, what the sweep takes, and that of two decisions the first stands. */
#include <criterion/criterion.h>

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "unit/session_journal_rig.h"
#include "wire/journal.h"

TestSuite(session_journal_kept, .init = make_folder, .fini = remove_folder);

Test(session_journal_kept, a_record_tells_whether_its_process_lives)
{
	struct vfiomig_journal own = journal_of(VFIOMIG_JOURNAL_NONE), journal;

	write_state(VFIOMIG_JOURNAL_PREPARED);
	cr_assert_eq(journal_file_read(dir_fd, own.session, VFIOMIG_DESTINATION, &journal), 0);
	cr_assert(journal.held);
	write_as_another(VFIOMIG_JOURNAL_PREPARED);
	cr_assert_eq(journal_file_read(dir_fd, own.session, VFIOMIG_DESTINATION, &journal), 0);
	cr_assert(!journal.held);
	journal.pid = (uint32_t)getpid(); /* a later process of that number is another one */
	cr_assert_eq(journal_file_write(dir_fd, &journal, NULL), 0);
	cr_assert_eq(journal_file_read(dir_fd, own.session, VFIOMIG_DESTINATION, &journal), 0);
	cr_assert(!journal.held);
}

Test(session_journal_kept, a_process_whose_start_is_not_known_lives_as_long_as_its_number_does)
{
	struct vfiomig_journal own = journal_of(VFIOMIG_JOURNAL_PREPARED), journal;

	write_state(VFIOMIG_JOURNAL_PREPARED);
	own.pid_start = 0;
	cr_assert_eq(journal_file_write(dir_fd, &own, NULL), 0);
	cr_assert_eq(journal_file_read(dir_fd, own.session, VFIOMIG_DESTINATION, &journal), 0);
	cr_assert_eq(journal.pid_start, 0);
	cr_assert(journal.held, "it would be buried alive");
	own.pid = (uint32_t)write_as_another(VFIOMIG_JOURNAL_PREPARED);
	cr_assert_eq(journal_file_write(dir_fd, &own, NULL), 0);
	cr_assert_eq(journal_file_read(dir_fd, own.session, VFIOMIG_DESTINATION, &journal), 0);
	cr_assert(!journal.held);
}

static void assert_swept(enum vfiomig_journal_state state, bool alive, bool gone)
{
	if (alive)
		write_state(state);
	else
		write_as_another(state);
	journal_file_sweep(dir_fd);
	cr_assert_eq(read_state(), gone ? -ENOENT : (int)state, "state %d, alive %d", (int)state, alive);
}

Test(session_journal_kept, what_nobody_asks_for_any_more_goes_and_a_doubt_stays)
{
	assert_swept(VFIOMIG_JOURNAL_ABORTED, true, true);
	assert_swept(VFIOMIG_JOURNAL_RUNNING, false, true);
	assert_swept(VFIOMIG_JOURNAL_RETIRED, false, true);
	assert_swept(VFIOMIG_JOURNAL_RETIRED, true, false);
	assert_swept(VFIOMIG_JOURNAL_DONE, true, false);
	assert_swept(VFIOMIG_JOURNAL_PREPARED, false, true);
	assert_swept(VFIOMIG_JOURNAL_PREPARED, true, false);
	assert_swept(VFIOMIG_JOURNAL_COMMITTED, false, false);
	assert_swept(VFIOMIG_JOURNAL_COMMITTED, true, false);
}

Test(session_journal_kept, what_a_source_was_told_stays_until_it_is_carried_out)
{
	role = VFIOMIG_SOURCE;
	assert_swept(VFIOMIG_JOURNAL_COMMITTED, false, false);
	assert_swept(VFIOMIG_JOURNAL_ABORTED, true, false);
	assert_swept(VFIOMIG_JOURNAL_ABORTED, false, true); /* its process is gone, and no record means the same */
	assert_swept(VFIOMIG_JOURNAL_RETIRED, true, false);
	assert_swept(VFIOMIG_JOURNAL_RETIRED, false, false);
}

Test(session_journal_kept, a_tombstone_stays_within_its_time)
{
	struct vfiomig_journal journal = journal_of(VFIOMIG_JOURNAL_ABORTED);

	journal.hold_ms = 3600 * 1000;
	cr_assert_eq(journal_file_write(dir_fd, &journal, NULL), 0);
	journal_file_sweep(dir_fd);
	cr_assert_eq(read_state(), VFIOMIG_JOURNAL_ABORTED);
}

Test(session_journal_kept, a_record_under_another_ones_name_is_none)
{
	struct vfiomig_journal other = journal_of(VFIOMIG_JOURNAL_PREPARED);
	char from[128], to[128], hex[] = "a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5";

	write_state(VFIOMIG_JOURNAL_PREPARED);
	snprintf(from, sizeof(from), "%s/%s.destination", folder, hex);
	snprintf(to, sizeof(to), "%s/%s.source", folder, hex);
	cr_assert_eq(rename(from, to), 0);
	cr_assert_eq(journal_file_read(dir_fd, other.session, VFIOMIG_SOURCE, &other), -EPROTO);
}

/* Has process @pid gone to sleep, or ended? */
static bool rests(pid_t pid)
{
	char path[32], state = 'R';
	siginfo_t end = { 0 };
	FILE *stat;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	stat = fopen(path, "r");
	cr_assert_not_null(stat);
	cr_assert_eq(fscanf(stat, "%*d (%*[^)]) %c", &state), 1);
	fclose(stat);
	return state == 'S' || (!waitid(P_PID, (id_t)pid, &end, WEXITED | WNOWAIT | WNOHANG) && end.si_pid);
}

/* The source hears DONE at the moment at which somebody has looked and decides that it goes on. */
Test(session_journal_kept, a_decision_does_not_replace_the_end_that_came_before_it)
{
	struct vfiomig_journal journal = journal_of(VFIOMIG_JOURNAL_COMMITTED), decided;
	int status;
	pid_t pid;

	journal.role = VFIOMIG_SOURCE;
	cr_assert_eq(journal_file_write(dir_fd, &journal, NULL), 0);
	journal_file_lock(dir_fd);
	pid = fork();
	if (!pid)
		_exit(-vfiomig_journal_resolve(folder, journal.session, VFIOMIG_RESUME_SOURCE, &decided, NULL));
	while (!rests(pid))
		sched_yield();
	journal.state = VFIOMIG_JOURNAL_RETIRED;
	cr_assert_eq(journal_file_write(dir_fd, &journal, NULL), 0);
	journal_file_unlock(dir_fd);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(WIFEXITED(status));
	cr_assert_eq(WEXITSTATUS(status), EALREADY);
	cr_assert_eq(journal_file_read(dir_fd, journal.session, VFIOMIG_SOURCE, &decided), 0);
	cr_assert_eq(decided.state, VFIOMIG_JOURNAL_RETIRED);
}
