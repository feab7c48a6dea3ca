/* SPDX-License-Identifier: MIT */
/* A folder of a test's own for the journal's files, and one session's record in it. */
#ifndef UNIT_SESSION_JOURNAL_RIG_H
#define UNIT_SESSION_JOURNAL_RIG_H

#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "session/journal_file.h"

static char folder[] = "/tmp/vfiomig-journal-XXXXXX";
static int dir_fd = -1;

static inline void make_folder(void)
{
	cr_assert_not_null(mkdtemp(folder));
	dir_fd = journal_file_dir(folder, NULL);
	cr_assert_geq(dir_fd, 0);
}

static inline int entries(void)
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

static inline void remove_folder(void)
{
	char command[96];

	snprintf(command, sizeof(command), "rm -r %s", folder);
	cr_assert_eq(system(command), 0);
	close(dir_fd);
}

static enum vfiomig_role role = VFIOMIG_DESTINATION; /* of all records of a test */

static inline struct vfiomig_journal journal_of(enum vfiomig_journal_state state)
{
	struct vfiomig_journal journal = { .role = role, .state = state, .hold_ms = 0, .devices = 1 };

	memset(journal.session, 0xa5, sizeof(journal.session));
	journal_file_hold(&journal);
	return journal;
}

static inline void write_state(enum vfiomig_journal_state state)
{
	struct vfiomig_journal journal = journal_of(state);

	cr_assert_eq(journal_file_write(dir_fd, &journal, NULL), 0);
}

static inline int read_state(void)
{
	struct vfiomig_journal own = journal_of(VFIOMIG_JOURNAL_NONE), journal;
	int rc = journal_file_read(dir_fd, own.session, role, &journal);

	return rc ? rc : (int)journal.state;
}

static inline pid_t write_as_another(enum vfiomig_journal_state state)
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

#endif
