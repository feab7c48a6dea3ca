/* SPDX-License-Identifier: MIT */
/*
 * The journal's files. A record is written to a temporary name and renamed, so that whoever dies at whatever instant leaves the old record or
 * the new one. It survives the death of its process, not the machine's: nothing is synced.
 */
#ifndef SESSION_JOURNAL_FILE_H
#define SESSION_JOURNAL_FILE_H

#include <stdbool.h>

#include <vfiomig/journal.h>

enum { JOURNAL_NAME_BYTES = 64, JOURNAL_TEMPORARY_BYTES = JOURNAL_NAME_BYTES + 32, JOURNAL_HOLD_MS_DEFAULT = 30000 };

/*
 * The folder @dir, or the default for NULL, made if need be (its parent must be there); a descriptor of the caller's. A folder that
 * others may write to is refused. -errno (VFIOMIG_PREFLIGHT, "journal").
 */
int journal_file_dir(const char *dir, struct vfiomig_error *err);

/* Could a record be written there now? Leaves nothing. -errno (VFIOMIG_PREFLIGHT, "journal"). */
int journal_file_try(int dir_fd, struct vfiomig_error *err);

/*
 * Who changes a record by what he has read of it, or removes it, holds the folder meanwhile: a decision must not replace the end that came
 * just before it. Waits for whoever has it, who does no more than that either.
 */
void journal_file_lock(int dir_fd);
void journal_file_unlock(int dir_fd);

/* This process holds the record. It asks /proc, so a session does it once, before anything stands still. */
void journal_file_hold(struct vfiomig_journal *journal);

/* Time is set here; the holder is whoever the record says. -errno (VFIOMIG_INTERNAL, "journal"): the old record is what it was. */
int journal_file_write(int dir_fd, struct vfiomig_journal *journal, struct vfiomig_error *err);

/*
 * Does the record of @journal's session and role say @expected? Asked with the journal locked, by who is about to replace it: somebody who
 * takes a living process for dead may have decided meanwhile. -EALREADY: it says something else; -ENOENT: it is gone
 * (VFIOMIG_INTERNAL, "journal").
 */
int journal_file_expect(int dir_fd, enum vfiomig_journal_state expected, const struct vfiomig_journal *journal,
			struct vfiomig_error *err);

/* ->held is set. -ENOENT: there is none; or as of journal_decode. */
int journal_file_read(int dir_fd, const uint8_t session[16], enum vfiomig_role role, struct vfiomig_journal *journal);

/* None there is fine. */
void journal_file_remove(int dir_fd, const uint8_t session[16], enum vfiomig_role role);

/* As vfiomig_journal_list. */
int journal_file_list(int dir_fd, void (*each)(void *context, const struct vfiomig_journal *journal),
		      void (*broken)(void *context, const char *file), void *context, struct vfiomig_error *err);

/*
 * What nobody asks for any more goes: tombstones, and what processes that died have left but for COMMITTED and RETIRED, older than twice
 * their hold time; and temporary names of writers that died.
 */
void journal_file_sweep(int dir_fd);

#endif
