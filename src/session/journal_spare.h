/* SPDX-License-Identifier: MIT */
/*
 * Files that lie ready for the records of a session: made, and their blocks taken, while its devices still run. What is left for the
 * moment at which they stand still is to write over one, and to rename it. Their names are those of a writer's temporaries, so a spare is
 * never taken for a record, and the sweep removes those of a process that died.
 */
#ifndef SESSION_JOURNAL_SPARE_H
#define SESSION_JOURNAL_SPARE_H

#include <stdbool.h>
#include <stddef.h>

#include "session/journal_file.h"

enum { JOURNAL_SPARES_MAX = 3 };

/* One session's. Zeroed: there are none. */
struct journal_spares {
	unsigned made, used; /* the first @used have become records */
	bool filled;	     /* the next one holds a record */
	size_t bytes;	     /* of each */
	int fd[JOURNAL_SPARES_MAX];
	char name[JOURNAL_SPARES_MAX][JOURNAL_TEMPORARY_BYTES];
};

/*
 * Makes @count of them in the folder @dir_fd, as long as @journal, which has its session, role and devices. -errno (VFIOMIG_PREFLIGHT,
 * "journal"): there are none then.
 */
int journal_spares_make(struct journal_spares *spares, int dir_fd, struct vfiomig_journal *journal, unsigned count,
			struct vfiomig_error *err);

/* Writes @journal into the next one, with the time. What fails is told by _publish. */
void journal_spares_fill(struct journal_spares *spares, struct vfiomig_journal *journal);

/*
 * What was filled last is @journal's record from now on. -ENOENT: nothing is filled, or somebody has removed the spare; another
 * -errno: it cannot be renamed. The old record is what it was then, and the spare is of no use any more.
 */
int journal_spares_publish(struct journal_spares *spares, int dir_fd, const struct vfiomig_journal *journal);

/* Those that were not used go: no record follows any more. */
void journal_spares_drop(struct journal_spares *spares, int dir_fd);

/* With them the descriptors of those that were: the file of a replaced record is freed with its last one, which takes its time. */
void journal_spares_close(struct journal_spares *spares, int dir_fd);

#endif
