/* SPDX-License-Identifier: MIT */
/* This side's record of the session (session_journal.c), over the files of journal_file.h. Included by session.h. */
#ifndef SESSION_SESSION_JOURNAL_H
#define SESSION_SESSION_JOURNAL_H

#include "session/session.h"

/* Open before the threads are there, the others on the control thread. -errno as of journal_file.h. */
int session_journal_open(struct vfiomig_session *session, const char *dir, struct vfiomig_error *err);
/*
 * Destination: its number is the source's choice. -EEXIST (VFIOMIG_PROTOCOL, "session-known"): it is another session's, whose record must
 * stay, because it says whether that one has run.
 */
int session_journal_check(struct vfiomig_session *session, struct vfiomig_error *err);
/* The session's number and devices are known; nothing is stopped yet. The source's is part of open. */
int session_journal_ready(struct vfiomig_session *session, struct vfiomig_error *err);
/* PREPARED and COMMITTED are answered by an event. */
void session_journal_put(struct vfiomig_session *session, enum core_fact fact);
/* Destination: the source has DONE, so nobody will ask. Source: it is known how it ended. */
void session_journal_forget(struct vfiomig_session *session);
/* At the end: a doubt is named in the outcome; a source that retires says so until it is closed; everything else is forgotten. */
void session_journal_finish(struct vfiomig_session *session);
void session_journal_close(struct vfiomig_session *session);

#endif
