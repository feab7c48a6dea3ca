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

#include "support/seccomp.h"
#include "unit/session_journal_rig.h"
#include "wire/journal.h"

TestSuite(session_journal, .init = make_folder, .fini = remove_folder);

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
		journal_file_write(dir_fd, &journal, NULL);
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
	cr_assert_eq(journal_file_write(dir_fd, &journal, &err), -EFBIG);
	cr_assert_eq(err.code, VFIOMIG_INTERNAL);
	cr_assert_str_eq(err.name, "journal");
	cr_assert_eq(read_state(), VFIOMIG_JOURNAL_PREPARED);
	cr_assert_eq(journal_file_try(dir_fd, NULL), -EFBIG);
	cr_assert_eq(entries(), 1);
}

/* A process that waits for the end of @go, and then makes PREPARED @state if it still says so. Exits with 1 if it wrote, else 0. */
static pid_t decide(int go[2], enum vfiomig_journal_state state)
{
	struct vfiomig_journal journal = journal_of(state);
	pid_t pid = fork();
	char byte;

	if (pid)
		return pid;
	close(go[1]);
	dir_fd = journal_file_dir(folder, NULL); /* its own: a lock is a descriptor's */
	if (read(go[0], &byte, 1) != 0)
		_exit(9);
	journal_file_lock(dir_fd);
	switch (journal_file_expect(dir_fd, VFIOMIG_JOURNAL_PREPARED, &journal, NULL)) {
	case 0:
		if (journal_file_write(dir_fd, &journal, NULL))
			_exit(9);
		_exit(1);
	case -EALREADY:
		_exit(0);
	default:
		_exit(9);
	}
}

static int exit_of(pid_t pid)
{
	int status;

	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

Test(session_journal, of_two_who_decide_by_the_same_record_one_writes)
{
	for (unsigned round = 0; round < 100; round++) {
		int go[2], wrote_committed, wrote_aborted;
		pid_t committer, burier;

		write_state(VFIOMIG_JOURNAL_PREPARED);
		cr_assert_eq(pipe(go), 0);
		committer = decide(go, VFIOMIG_JOURNAL_COMMITTED);
		burier = decide(go, VFIOMIG_JOURNAL_ABORTED);
		close(go[0]);
		close(go[1]);
		wrote_committed = exit_of(committer);
		wrote_aborted = exit_of(burier);
		cr_assert_eq(wrote_committed + wrote_aborted, 1, "round %u: %d and %d", round, wrote_committed,
			     wrote_aborted);
		cr_assert_eq(read_state(),
			     (int)(wrote_committed ? VFIOMIG_JOURNAL_COMMITTED : VFIOMIG_JOURNAL_ABORTED));
	}
}

Test(session_journal, a_record_that_says_something_else_by_now_is_not_replaced)
{
	struct vfiomig_journal journal = journal_of(VFIOMIG_JOURNAL_COMMITTED);
	struct vfiomig_error err = { 0 };

	cr_assert_eq(journal_file_expect(dir_fd, VFIOMIG_JOURNAL_PREPARED, &journal, &err), -ENOENT);
	write_state(VFIOMIG_JOURNAL_ABORTED);
	err = (struct vfiomig_error){ 0 };
	cr_assert_eq(journal_file_expect(dir_fd, VFIOMIG_JOURNAL_PREPARED, &journal, &err), -EALREADY);
	cr_assert_str_eq(err.name, "journal");
	cr_assert_not_null(strstr(err.text, "somebody else has written ABORTED"), "%s", err.text);
	cr_assert_eq(read_state(), VFIOMIG_JOURNAL_ABORTED);
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
