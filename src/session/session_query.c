/* SPDX-License-Identifier: MIT */
/*
 * A source in doubt connects anew and asks what became of its session: answered from the journal, whatever else is going on here, and
 * by a later process too. Who connects for another reason while a session is on is told that it is busy. Control thread.
 */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "session/session.h"

enum {
	SILENT_MS = 500, /* a visitor that says nothing keeps its place so long */
	FRAMES_PER_VISIT = 8,
};

/*
 * PREPARED by a process that is gone: nothing can run it any more, since COMMITTED comes before any device. The tombstone is written
 * before that is said, for it must stay true.
 */
static void bury(struct vfiomig_session *session, struct vfiomig_journal *journal)
{
	if (journal->state != VFIOMIG_JOURNAL_PREPARED || journal->held)
		return;
	journal->state = VFIOMIG_JOURNAL_ABORTED;
	if (journal_file_write(session->journal_fd, journal, NULL))
		journal->state = VFIOMIG_JOURNAL_PREPARED;
}

static void answer(struct vfiomig_session *session, struct control_conn *conn, const uint8_t id[16])
{
	struct message_answer answer = { 0 };
	struct vfiomig_journal journal;
	uint8_t body[MESSAGE_ANSWER_BYTES];
	uint8_t own[16];

	memcpy(own, id, sizeof(own));
	journal_file_lock(session->journal_fd);
	if (!journal_file_read(session->journal_fd, own, VFIOMIG_DESTINATION, &journal)) {
		bury(session, &journal);
		answer = (struct message_answer){ .state = (uint8_t)journal.state,
						  .held = journal.held,
						  .degraded = journal.degraded };
	}
	journal_file_unlock(session->journal_fd);
	control_set_session(conn, own);
	control_send(conn, MESSAGE_ANSWER, body, message_encode_answer(body, &answer));
	session_log_line(session, VFIOMIG_LOG_INFO, "a source in doubt asked about its session: %s",
			 vfiomig_journal_state_name((enum vfiomig_journal_state)answer.state));
}

static void turn_away(struct vfiomig_session *session, struct control_conn *conn)
{
	struct message_failure busy = { 0 };

	error_set(&busy.error, VFIOMIG_PREFLIGHT, EBUSY, "busy", "the destination is busy with another session");
	control_send(conn, MESSAGE_ABORT, session->frame, message_encode_failure(session->frame, &busy));
	control_close(conn);
}

void session_take_visitor(struct vfiomig_session *session, struct control_conn *conn, const struct control_frame *frame)
{
	struct session_visitor *place = &session->visitor[0];

	for (unsigned i = 0; i < VISITORS_MAX; i++)
		if (!session->visitor[i].conn || session->visitor[i].heard_ns < place->heard_ns)
			place = &session->visitor[i];
	if (place->conn)
		turn_away(session, place->conn); /* the one that was silent longest */
	*place = (struct session_visitor){ .conn = conn, .heard_ns = clock_now_ns() };
	if (frame)
		answer(session, conn, frame->session);
}

static void hear(struct vfiomig_session *session, struct session_visitor *visitor)
{
	struct control_frame frame;
	int rc = 1;

	for (unsigned i = 0; i < FRAMES_PER_VISIT && rc == 1; i++) {
		rc = control_poll(visitor->conn, &frame, NULL);
		if (rc == 1 && frame.type != MESSAGE_QUERY)
			break;
		if (rc == 1)
			answer(session, visitor->conn, frame.session);
	}
	if (rc == 0 && clock_now_ns() - visitor->heard_ns < SILENT_MS * NS_PER_MS)
		return;
	if (rc < 0)
		control_close(visitor->conn);
	else
		turn_away(session, visitor->conn);
	visitor->conn = NULL;
	visitor->heard_ns = 0;
}

void session_hear_visitors(struct vfiomig_session *session)
{
	for (unsigned i = 0; i < VISITORS_MAX; i++)
		if (session->visitor[i].conn)
			hear(session, &session->visitor[i]);
}
