/* SPDX-License-Identifier: MIT */
/* A session's own record: what core wants journalled becomes a file before core hears that it is one. Control thread. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "control/address.h"
#include "session/session.h"
#include "wire/journal.h"

/* A probe and a recording commit nothing; and where the caller commits, its own protocol is what binds. */
static bool needs_none(const struct vfiomig_session *session)
{
	return session->record || session->options.flags & VFIOMIG_PROBE || session_commits_externally(session);
}

static void describe(const struct vfiomig_session *session, struct vfiomig_journal *journal)
{
	journal->size = sizeof(*journal);
	memcpy(journal->session, session->id, sizeof(journal->session));
	journal->role = session->role;
	journal->hold_ms = session->options.hold_ms;
	journal->devices = session->devices;
	address_format(&session->remote, journal->peer);
	for (unsigned d = 0; d < session->devices; d++) {
		const struct vfiomig_device *device = session->device[d].device;

		snprintf(journal->device[d].name, sizeof(journal->device[d].name), "%s", device->name);
		snprintf(journal->device[d].spec, sizeof(journal->device[d].spec), "%.127s", device->spec);
	}
}

/* One spare for each record of the straight road; a tombstone takes the place of one of them. */
int session_journal_ready(struct vfiomig_session *session, struct vfiomig_error *err)
{
	unsigned records = session->role == VFIOMIG_SOURCE ? 2 : 3;

	if (!session->journal)
		return 0;
	describe(session, session->journal);
	return journal_spares_make(&session->spares, session->journal_fd, session->journal, records, err);
}

int session_journal_open(struct vfiomig_session *session, const char *dir, struct vfiomig_error *err)
{
	if (needs_none(session))
		return 0;
	session->journal = calloc(1, sizeof(*session->journal));
	if (!session->journal)
		return error_set(err, VFIOMIG_INTERNAL, ENOMEM, NULL, "no memory for the journal");
	session->journal_fd = journal_file_dir(dir, err);
	if (session->journal_fd < 0)
		return session->journal_fd;
	journal_file_hold(session->journal);
	journal_file_sweep(session->journal_fd);
	if (session->role == VFIOMIG_SOURCE)
		return session_journal_ready(session, err);
	return journal_file_try(session->journal_fd, err); /* who comes, and as what, is not known yet */
}

/* By now the caller has the result, and needs no record of where the devices are. */
void session_journal_close(struct vfiomig_session *session)
{
	if (session->journal && session->journal->state == VFIOMIG_JOURNAL_RETIRED)
		session_journal_forget(session);
	if (session->journal_fd >= 0) {
		journal_spares_close(&session->spares, session->journal_fd);
		close(session->journal_fd);
	}
	free(session->journal);
}

static enum vfiomig_journal_state state_of(enum core_fact fact)
{
	switch (fact) {
	case FACT_PREPARED:
		return VFIOMIG_JOURNAL_PREPARED;
	case FACT_COMMITTED:
		return VFIOMIG_JOURNAL_COMMITTED;
	case FACT_RUNNING:
		return VFIOMIG_JOURNAL_RUNNING;
	default:
		return VFIOMIG_JOURNAL_ABORTED;
	}
}

/* @recorded: this session has a record there already. */
static int check(const struct vfiomig_session *session, bool recorded, struct vfiomig_error *err)
{
	const struct vfiomig_journal *own = session->journal;
	struct vfiomig_journal found;

	if (session->role == VFIOMIG_SOURCE || !own ||
	    journal_file_read(session->journal_fd, session->id, VFIOMIG_DESTINATION, &found))
		return 0;
	if (recorded && own->pid == found.pid && own->pid_start == found.pid_start)
		return 0;
	return error_set(err, VFIOMIG_PROTOCOL, EEXIST, "session-known",
			 "the source came with the number of another session, which the journal knows as %s",
			 journal_state_name(found.state));
}

int session_journal_check(struct vfiomig_session *session, struct vfiomig_error *err)
{
	return check(session, session->journal && session->journal->state != VFIOMIG_JOURNAL_NONE, err);
}

/* What fails with a spare may succeed without: somebody may have cleaned the folder. */
static int write_record(struct vfiomig_session *session, struct vfiomig_error *err)
{
	if (!journal_spares_publish(&session->spares, session->journal_fd, session->journal))
		return 0;
	return journal_file_write(session->journal_fd, session->journal, err);
}

/* A destination's COMMITTED follows its own PREPARED: what somebody has buried meanwhile stays so, for the source was told. */
static int put_locked(struct vfiomig_session *session, enum vfiomig_journal_state before, struct vfiomig_error *err)
{
	struct vfiomig_journal *journal = session->journal;
	int rc;

	if (journal->role == VFIOMIG_DESTINATION && journal->state == VFIOMIG_JOURNAL_COMMITTED) {
		rc = journal_file_expect(session->journal_fd, VFIOMIG_JOURNAL_PREPARED, journal, err);
	} else {
		rc = check(session, before != VFIOMIG_JOURNAL_NONE, err);
		if (rc)
			journal->state = before; /* the record there is not ours, nor ever to be removed by us */
	}
	return rc ? rc : write_record(session, err);
}

static int put(struct vfiomig_session *session, enum core_fact fact, struct vfiomig_error *err)
{
	struct vfiomig_journal *journal = session->journal;
	enum vfiomig_journal_state before = journal->state;
	int rc;

	journal->state = state_of(fact);
	journal->degraded = fact == FACT_RUNNING && session->core.outcome.code == VFIOMIG_DEGRADED;
	journal_spares_fill(&session->spares, journal);
	journal_file_lock(session->journal_fd);
	rc = put_locked(session, before, err);
	journal_file_unlock(session->journal_fd);
	return rc;
}

void session_journal_put(struct vfiomig_session *session, enum core_fact fact)
{
	bool answered = fact == FACT_PREPARED || fact == FACT_COMMITTED;
	struct vfiomig_error err = { 0 };
	int rc = put(session, fact, &err);

	if (answered && rc)
		session_post(session, &(struct core_event){ .kind = CORE_UNWRITTEN }, &err);
	else if (answered)
		session_post_fact(session, fact);
	else if (rc)
		session_log_line(session, VFIOMIG_LOG_ERROR, "%s", err.text);
}

void session_journal_forget(struct vfiomig_session *session)
{
	if (!session->journal || session->journal->state == VFIOMIG_JOURNAL_NONE)
		return;
	journal_file_lock(session->journal_fd);
	journal_file_remove(session->journal_fd, session->id, session->role);
	journal_file_unlock(session->journal_fd);
	session->journal->state = VFIOMIG_JOURNAL_NONE;
}

static void name_doubt(struct vfiomig_session *session)
{
	struct vfiomig_error *outcome = &session->core.outcome;
	size_t length;

	pthread_mutex_lock(&session->snapshot_lock);
	length = strlen(outcome->text);
	if (session->ask.said[0])
		snprintf(outcome->text + length, sizeof(outcome->text) - length, "; asked, %s", session->ask.said);
	pthread_mutex_unlock(&session->snapshot_lock);
}

/*
 * The destination runs. If this process dies before its caller has been told, who holds the devices reads the journal: no record would
 * mean that nothing was committed, and that they may go on. Where it cannot be written COMMITTED stays, which is doubt, not harm.
 */
static void retire(struct vfiomig_session *session)
{
	struct vfiomig_journal *journal = session->journal;
	struct vfiomig_error err = { 0 };
	int rc;

	if (!journal || journal->state == VFIOMIG_JOURNAL_NONE)
		return;
	journal->state = VFIOMIG_JOURNAL_RETIRED;
	journal_spares_fill(&session->spares, journal);
	journal_file_lock(session->journal_fd);
	rc = write_record(session, &err);
	journal_file_unlock(session->journal_fd);
	if (rc)
		session_log_line(session, VFIOMIG_LOG_WARNING, "%s", err.text);
}

static void finish_source(struct vfiomig_session *session)
{
	if (session->core.outcome.code == VFIOMIG_IN_DOUBT)
		name_doubt(session);
	else if (session->core.phase == PHASE_DONE)
		retire(session);
	else
		session_journal_forget(session);
}

/* A destination's tombstone stays, and its RUNNING goes when the source is known to have DONE. */
void session_journal_finish(struct vfiomig_session *session)
{
	if (session->role == VFIOMIG_SOURCE)
		finish_source(session);
	journal_spares_drop(&session->spares, session->journal_fd);
}

const char *vfiomig_journal_state_name(enum vfiomig_journal_state state)
{
	return journal_state_name(state);
}

int vfiomig_journal_list(const char *dir, void (*each)(void *context, const struct vfiomig_journal *journal),
			 void (*broken)(void *context, const char *file), void *context, struct vfiomig_error *err)
{
	int rc, fd = journal_file_dir(dir, err);

	if (fd < 0)
		return fd;
	rc = journal_file_list(fd, each, broken, context, err);
	close(fd);
	return rc;
}

/* What @journal may become by a person's word. 0, -EBUSY or -EALREADY. */
static int judge(const struct vfiomig_journal *journal, enum vfiomig_decision decision,
		 enum vfiomig_journal_state *state)
{
	bool source = journal->role == VFIOMIG_SOURCE, resume = decision == VFIOMIG_RESUME_SOURCE;

	*state = resume ? VFIOMIG_JOURNAL_ABORTED : source ? VFIOMIG_JOURNAL_RETIRED : VFIOMIG_JOURNAL_DONE;
	if (journal->state == *state)
		return 0; /* said twice */
	if (!source && journal->held && journal->state <= VFIOMIG_JOURNAL_COMMITTED)
		return -EBUSY;
	if (!source && journal->state == VFIOMIG_JOURNAL_RUNNING)
		return resume ? -EALREADY : 0;
	return journal->state <= VFIOMIG_JOURNAL_COMMITTED ? 0 : -EALREADY;
}

static int resolve(int dir_fd, const uint8_t session[16], enum vfiomig_decision decision,
		   struct vfiomig_journal *journal, struct vfiomig_error *err)
{
	enum vfiomig_journal_state state;
	int rc = journal_file_read(dir_fd, session, VFIOMIG_SOURCE, journal);

	if (rc == -ENOENT)
		rc = journal_file_read(dir_fd, session, VFIOMIG_DESTINATION, journal);
	if (rc == -ENOENT)
		return error_set(err, VFIOMIG_PREFLIGHT, ENOENT, "no-record",
				 "the journal has no record of that session");
	if (rc)
		return error_set(err, VFIOMIG_PREFLIGHT, -rc, "record", "the record of that session cannot be read: %s",
				 strerror(-rc));
	rc = judge(journal, decision, &state);
	if (rc == -EBUSY)
		return error_set(err, VFIOMIG_PREFLIGHT, EBUSY, "not-in-doubt",
				 "process %u still works on that session and will end it by itself", journal->pid);
	if (rc)
		return error_set(err, VFIOMIG_PREFLIGHT, EALREADY, "not-in-doubt",
				 "that session is not in doubt: its record says %s, and the other side may have acted "
				 "on it",
				 journal_state_name(journal->state));
	journal->state = state;
	return journal_file_write(dir_fd, journal, err);
}

int vfiomig_journal_resolve(const char *dir, const uint8_t session[16], enum vfiomig_decision decision,
			    struct vfiomig_journal *journal, struct vfiomig_error *err)
{
	int rc, fd = journal_file_dir(dir, err);

	if (fd < 0)
		return fd;
	journal_file_lock(fd);
	rc = resolve(fd, session, decision, journal, err);
	journal_file_unlock(fd); /* a child that was forked meanwhile has the descriptor too */
	close(fd);
	return rc;
}
