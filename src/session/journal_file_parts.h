/* SPDX-License-Identifier: MIT */
/* What journal_file.c and journal_spare.c share: names, bytes and sentences of the journal's files. Private to these two. */
#ifndef SESSION_JOURNAL_FILE_PARTS_H
#define SESSION_JOURNAL_FILE_PARTS_H

#include <stddef.h>
#include <sys/types.h>

#include "session/journal_file.h"

/* The name under which @journal is found. */
void journal_file_name(char out[JOURNAL_NAME_BYTES], const struct vfiomig_journal *journal);

/* A name of this process's own, "NAME.PID.tmp": by it the sweep knows whether its writer lives. */
void journal_file_temporary(char out[JOURNAL_TEMPORARY_BYTES], const char *name);

/* Sets @journal's time, and writes at most JOURNAL_BYTES_MAX. */
size_t journal_file_encode(uint8_t *out, struct vfiomig_journal *journal);

/* @bytes of them, from the file's begin on. 0, or -errno. */
int journal_file_fill(int fd, const uint8_t *from, size_t bytes);

/* -@errnum (VFIOMIG_PREFLIGHT, "journal"): the folder @dir is not one for a journal. */
int journal_file_refuse(struct vfiomig_error *err, const char *dir, int errnum);

#endif
