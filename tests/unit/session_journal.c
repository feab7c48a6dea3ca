/* SPDX-License-Identifier: MIT */
/* The journal's files: whoever dies at whatever instant of a write leaves the old record or the new one, and nothing that stays. */
#include <criterion/criterion.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "session/journal_file.h"
#include "support/seccomp.h"
#include "wire/journal.h"

static char folder[] = "/tmp/vfiomig-journal-XXXXXX";
static int dir_fd = -1;

static void make_folder(void)
{
	cr_assert_not_null(mkdtemp(folder));
	dir_fd = journal_file_dir(folder, NULL);
	cr_assert_geq(dir_fd, 0);
}

static int entries(void)
{
	char command[96];
	int count = -1;
	FILE *out;

	snprintf(command, sizeof(command), "ls -A %s | wc -l", folder);
	out = popen(command, "r");
	cr_assert_eq(fscanf(out, "%d", &count), 1);
	pclose(out);
	return count;
}

static void remove_folder(void)
{
	char command[96];

	snprintf(command, sizeof(command), "rm -r %s", folder);
	cr_assert_eq(system(command), 0);
	close(dir_fd);
}

TestSuite(session_journal, .init = make_folder, .fini = remove_folder);

static struct vfiomig_journal journal_of(enum vfiomig_journal_state state)
{
	struct vfiomig_journal journal = { .role = VFIOMIG_DESTINATION, .state = state, .hold_ms = 0, .devices = 1 };

	memset(journal.session, 0xa5, sizeof(journal.session));
	return journal;
}

static void write_state(enum vfiomig_journal_state state)
{
	struct vfiomig_journal journal = journal_of(state);

	cr_assert_eq(journal_file_write(dir_fd, &journal, false, NULL), 0);
}

static int read_state(void)
{
	struct vfiomig_journal own = journal_of(VFIOMIG_JOURNAL_NONE), journal;
	int rc = journal_file_read(dir_fd, own.session, VFIOMIG_DESTINATION, &journal);

	return rc ? rc : (int)journal.state;
}

/* Ends the process at the system call @number. */
static void die_at(long number)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)number, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};

	if (!seccomp_install(filter, sizeof(filter) / sizeof(filter[0])))
		_exit(9);
}

/* Ends the process once it has written @bytes of a file. */
static void die_after(long bytes)
{
	struct rlimit limit = { (rlim_t)bytes, (rlim_t)bytes }, none = { 0, 0 };

	setrlimit(RLIMIT_CORE, &none);
	signal(SIGXFSZ, SIG_DFL);
	if (setrlimit(RLIMIT_FSIZE, &limit))
		_exit(9);
}

/* A process that writes COMMITTED and dies of @how(@argument) on the way. */
static void write_and_die(void (*how)(long argument), long argument)
{
	struct vfiomig_journal journal = journal_of(VFIOMIG_JOURNAL_COMMITTED);
	pid_t pid = fork();
	int status;

	if (!pid) {
		how(argument);
		journal_file_write(dir_fd, &journal, false, NULL);
		_exit(0);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(WIFSIGNALED(status), "it did not die at %ld", argument);
}

static void assert_old_record_and_no_rest(void)
{
	cr_assert_eq(read_state(), VFIOMIG_JOURNAL_PREPARED);
	cr_assert_eq(entries(), 2, "the writer died before it wrote anything");
	journal_file_sweep(dir_fd);
	cr_assert_eq(entries(), 1);
	cr_assert_eq(read_state(), VFIOMIG_JOURNAL_PREPARED);
}

Test(session_journal, a_writer_that_dies_at_any_byte_leaves_the_old_record)
{
	size_t bytes = JOURNAL_HEAD_BYTES + JOURNAL_DEVICE_BYTES + 4;

	write_state(VFIOMIG_JOURNAL_PREPARED);
	for (size_t k = 0; k < bytes; k += k < 8 || k > bytes - 8 ? 1 : 13) {
		write_and_die(die_after, (long)k);
		cr_assert_eq(read_state(), VFIOMIG_JOURNAL_PREPARED, "%zu bytes", k);
	}
	journal_file_sweep(dir_fd);
	cr_assert_eq(entries(), 1);
}

Test(session_journal, a_writer_that_dies_before_the_rename_leaves_the_old_record)
{
	write_state(VFIOMIG_JOURNAL_PREPARED);
	write_and_die(die_at, SYS_renameat);
	assert_old_record_and_no_rest();
}

Test(session_journal, a_record_stands_once_the_write_came_back)
{
	write_state(VFIOMIG_JOURNAL_PREPARED);
	write_state(VFIOMIG_JOURNAL_COMMITTED);
	cr_assert_eq(read_state(), VFIOMIG_JOURNAL_COMMITTED);
	cr_assert_eq(entries(), 1);
}

Test(session_journal, a_write_that_fails_is_said_and_changes_nothing)
{
	struct vfiomig_journal journal = journal_of(VFIOMIG_JOURNAL_COMMITTED);
	struct rlimit limit = { 8, 8 };
	struct vfiomig_error err = { 0 };

	write_state(VFIOMIG_JOURNAL_PREPARED);
	signal(SIGXFSZ, SIG_IGN);
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	cr_assert_eq(journal_file_write(dir_fd, &journal, false, &err), -EFBIG);
	cr_assert_eq(err.code, VFIOMIG_INTERNAL);
	cr_assert_str_eq(err.name, "journal");
	cr_assert_eq(read_state(), VFIOMIG_JOURNAL_PREPARED);
	cr_assert_eq(journal_file_try(dir_fd, NULL), -EFBIG);
	cr_assert_eq(entries(), 1);
}

Test(session_journal, a_folder_that_others_may_write_to_is_refused)
{
	struct vfiomig_error err = { 0 };

	cr_assert_eq(chmod(folder, 0777), 0);
	cr_assert_eq(journal_file_dir(folder, &err), -EPERM);
	cr_assert_eq(err.code, VFIOMIG_PREFLIGHT);
	cr_assert_eq(journal_file_dir("/nowhere/at/all", NULL), -ENOENT);
}

Test(session_journal, the_default_folder_is_the_one_that_the_service_manager_names)
{
	char inner[64];
	int fd;

	snprintf(inner, sizeof(inner), "%s/run", folder);
	setenv("RUNTIME_DIRECTORY", inner, 1);
	fd = journal_file_dir(NULL, NULL);
	cr_assert_geq(fd, 0);
	cr_assert_eq(access(inner, R_OK | W_OK | X_OK), 0);
	close(fd);
}

static pid_t write_as_another(enum vfiomig_journal_state state)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		write_state(state);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	return pid;
}

Test(session_journal, a_record_tells_whether_its_process_lives)
{
	struct vfiomig_journal own = journal_of(VFIOMIG_JOURNAL_NONE), journal;

	write_state(VFIOMIG_JOURNAL_PREPARED);
	cr_assert_eq(journal_file_read(dir_fd, own.session, VFIOMIG_DESTINATION, &journal), 0);
	cr_assert(journal.held);
	write_as_another(VFIOMIG_JOURNAL_PREPARED);
	cr_assert_eq(journal_file_read(dir_fd, own.session, VFIOMIG_DESTINATION, &journal), 0);
	cr_assert(!journal.held);
	journal.pid = (uint32_t)getpid(); /* a later process of that number is another one */
	cr_assert_eq(journal_file_write(dir_fd, &journal, true, NULL), 0);
	cr_assert_eq(journal_file_read(dir_fd, own.session, VFIOMIG_DESTINATION, &journal), 0);
	cr_assert(!journal.held);
}

Test(session_journal, a_process_whose_start_is_not_known_lives_as_long_as_its_number_does)
{
	struct vfiomig_journal own = journal_of(VFIOMIG_JOURNAL_PREPARED), journal;

	write_state(VFIOMIG_JOURNAL_PREPARED);
	own.pid = (uint32_t)getpid();
	cr_assert_eq(journal_file_write(dir_fd, &own, true, NULL), 0);
	cr_assert_eq(journal_file_read(dir_fd, own.session, VFIOMIG_DESTINATION, &journal), 0);
	cr_assert_eq(journal.pid_start, 0);
	cr_assert(journal.held, "it would be buried alive");
	own.pid = (uint32_t)write_as_another(VFIOMIG_JOURNAL_PREPARED);
	cr_assert_eq(journal_file_write(dir_fd, &own, true, NULL), 0);
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

Test(session_journal, what_nobody_asks_for_any_more_goes_and_a_doubt_stays)
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

Test(session_journal, a_tombstone_stays_within_its_time)
{
	struct vfiomig_journal journal = journal_of(VFIOMIG_JOURNAL_ABORTED);

	journal.hold_ms = 3600 * 1000;
	cr_assert_eq(journal_file_write(dir_fd, &journal, false, NULL), 0);
	journal_file_sweep(dir_fd);
	cr_assert_eq(read_state(), VFIOMIG_JOURNAL_ABORTED);
}

Test(session_journal, a_record_under_another_ones_name_is_none)
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
Test(session_journal, a_decision_does_not_replace_the_end_that_came_before_it)
{
	struct vfiomig_journal journal = journal_of(VFIOMIG_JOURNAL_COMMITTED), decided;
	int status;
	pid_t pid;

	journal.role = VFIOMIG_SOURCE;
	cr_assert_eq(journal_file_write(dir_fd, &journal, false, NULL), 0);
	journal_file_lock(dir_fd);
	pid = fork();
	if (!pid)
		_exit(-vfiomig_journal_resolve(folder, journal.session, VFIOMIG_RESUME_SOURCE, &decided, NULL));
	while (!rests(pid))
		sched_yield();
	journal.state = VFIOMIG_JOURNAL_RETIRED;
	cr_assert_eq(journal_file_write(dir_fd, &journal, false, NULL), 0);
	journal_file_unlock(dir_fd);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(WIFEXITED(status));
	cr_assert_eq(WEXITSTATUS(status), EALREADY);
	cr_assert_eq(journal_file_read(dir_fd, journal.session, VFIOMIG_SOURCE, &decided), 0);
	cr_assert_eq(decided.state, VFIOMIG_JOURNAL_RETIRED);
}
