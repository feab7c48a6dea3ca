/* SPDX-License-Identifier: MIT */
/*
 * A source that has sent COMMIT and hears nothing: it calls the destination's address again and again and asks for the record. Core is
 * not told of the loss, only of an answer: that the destination runs (DONE), or that it never will (ABORT). Silence, "I do not know that
 * session" and everything else leave the devices stopped until core's patience ends in doubt. A decision in the own record counts as an
 * answer. Control thread.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "session/session.h"

enum { CALL_MS = 2000, PAUSE_MS = 250 };

static bool waits_for_answer(const struct vfiomig_session *session)
{
	return session->role == VFIOMIG_SOURCE && session->journal && session->core.phase == PHASE_COMMIT;
}

bool session_ask(struct vfiomig_session *session)
{
	if (!waits_for_answer(session))
		return false;
	if (!session->ask.on)
		session_log_line(session, VFIOMIG_LOG_WARNING,
				 "the destination's answer to COMMIT does not come: it is asked what became of it");
	session->ask.on = true;
	return true;
}

static void hang_up(struct session_ask *ask, unsigned pause_ms)
{
	control_close(ask->conn);
	ask->conn = NULL;
	ask->sent = false;
	ask->next_ns = clock_now_ns() + pause_ms * NS_PER_MS;
}

static void call(struct vfiomig_session *session)
{
	struct session_ask *ask = &session->ask;
	int fd = control_connect_start(&session->remote, NULL, NULL);

	if (fd < 0 || session_open_conn(session, fd, 0, &ask->conn, NULL)) {
		ask->conn = NULL;
		hang_up(ask, PAUSE_MS);
		return;
	}
	control_set_session(ask->conn, session->id);
	ask->next_ns = clock_now_ns() + CALL_MS * NS_PER_MS;
}

static void runs_there(struct vfiomig_session *session, bool degraded)
{
	struct core_event event = { .kind = CORE_MESSAGE, .message = MESSAGE_DONE };
	struct vfiomig_error err = { 0 };

	if (degraded) {
		error_set(&err, VFIOMIG_DEGRADED, 0, "degraded",
			  "the destination's record says that it runs without "
			  "all of its devices");
		event.error = &err;
	}
	session_step(session, &event);
}

static void never_ran(struct vfiomig_session *session, const char *who)
{
	struct vfiomig_error err = { 0 };

	error_set(&err, VFIOMIG_FABRIC, ECONNRESET, "never-ran",
		  "the connection was lost after COMMIT, and %s that the destination never ran", who);
	session_step(session, &(struct core_event){ .kind = CORE_ABORT, .error = &err });
}

/* It is asked again and again; only what is new is worth a line. */
static void note(struct vfiomig_session *session, const struct message_answer *answer)
{
	const char *name = vfiomig_journal_state_name((enum vfiomig_journal_state)answer->state);
	struct session_ask *ask = &session->ask;
	char said[sizeof(ask->said)];

	if (answer->state == VFIOMIG_JOURNAL_NONE)
		snprintf(said, sizeof(said), "the destination does not know this session");
	else
		snprintf(said, sizeof(said), "the destination's record says %s, and its process %s", name,
			 answer->held ? "lives" : "is gone");
	if (strcmp(said, ask->said) != 0)
		session_log_line(session, VFIOMIG_LOG_INFO, "asked: %s", said);
	memcpy(ask->said, said, sizeof(said));
}

static void judge(struct vfiomig_session *session, const struct message_answer *answer)
{
	note(session, answer);
	switch (answer->state) {
	case VFIOMIG_JOURNAL_RUNNING:
	case VFIOMIG_JOURNAL_DONE:
		runs_there(session, answer->degraded);
		break;
	case VFIOMIG_JOURNAL_ABORTED:
		never_ran(session, "its record says");
		break;
	default: /* it may run, now or later: only its own word can change that */
		break;
	}
}

/* A person's, by vfiomig_journal_resolve. */
static bool obey(struct vfiomig_session *session)
{
	struct vfiomig_journal journal;

	if (journal_file_read(session->journal_fd, session->id, VFIOMIG_SOURCE, &journal))
		return false;
	if (journal.state == VFIOMIG_JOURNAL_ABORTED)
		never_ran(session, "it was decided here");
	else if (journal.state == VFIOMIG_JOURNAL_RETIRED)
		runs_there(session, false);
	else
		return false;
	return true;
}

static void hear(struct vfiomig_session *session)
{
	struct session_ask *ask = &session->ask;
	struct message_answer answer;
	struct control_frame frame;
	int rc = control_poll(ask->conn, &frame, NULL);

	if (!ask->sent && control_ready(ask->conn)) {
		control_send(ask->conn, MESSAGE_QUERY, NULL, 0);
		ask->sent = true;
	}
	if (rc == 1 && frame.type == MESSAGE_ANSWER && !message_decode_answer(&answer, frame.body, frame.bytes)) {
		hang_up(ask, PAUSE_MS);
		judge(session, &answer);
	} else if (rc || clock_now_ns() >= ask->next_ns) {
		hang_up(ask, PAUSE_MS);
	}
}

void session_hear_answer(struct vfiomig_session *session)
{
	struct session_ask *ask = &session->ask;
	uint64_t silence_ns = session->options.peer_timeout_ms * NS_PER_MS, now = clock_now_ns();

	if (waits_for_answer(session) && !ask->on && now > session->core.heard_ns + silence_ns)
		session_ask(session); /* the connection may be dead, and nobody says so */
	if (!ask->on)
		return;
	if (!waits_for_answer(session)) {
		hang_up(ask, 0);
		ask->on = false;
	} else if (ask->conn) {
		hear(session);
	} else if (now >= ask->next_ns && !obey(session)) {
		call(session);
	}
}

/* To go on asking is of no use to a user who has had enough: the doubt is told now. */
static void stop_asking(struct vfiomig_session *session)
{
	struct vfiomig_error err = { 0 };

	error_set(&err, VFIOMIG_CANCELLED, ECANCELED, NULL, "the asking was cancelled");
	session_step(session, &(struct core_event){ .kind = CORE_LOST, .error = &err });
}

void session_hear_cancel(struct vfiomig_session *session)
{
	bool source = session->role == VFIOMIG_SOURCE;

	session_step(session, &(struct core_event){ .kind = CORE_TICK }); /* a commit that is owed comes before it */
	if (core_finished(&session->core) || !core_too_late(&session->core))
		session_step(session, &(struct core_event){ .kind = CORE_CANCEL });
	else if (source && (session->core.external || (session->ask.on && waits_for_answer(session))))
		stop_asking(session);
	else
		session_log_line(session, VFIOMIG_LOG_WARNING, "too late to cancel: COMMIT is %s",
				 source ? "on its way, and the destination's answer decides"
					: "here, and the devices are started");
}
