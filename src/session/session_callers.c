/* SPDX-License-Identifier: MIT */
/*
 * Before a destination has a session, everybody who connects is but a caller: a few at once, each with its own handshake and its own
 * deadline, so that one who says nothing holds up nobody. The first that has proved what it must and names a session is the source; the
 * others hear that it is busy. Until then nothing but connections' own buffers is taken for anybody. Control thread.
 */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "session/session.h"

enum { CALLER_MS = 5000, FRAMES_PER_CALL = 8 };

static bool takes_callers(const struct vfiomig_session *session)
{
	return session->role == VFIOMIG_DESTINATION && !session->conn && session->core.phase == PHASE_CONNECT;
}

static void hang_up(struct session_caller *caller)
{
	control_close(caller->conn);
	*caller = (struct session_caller){ 0 };
}

static void forget(struct vfiomig_session *session, struct session_caller *caller, const char *why)
{
	session_log_line(session, VFIOMIG_LOG_WARNING, "someone connected and was no source: %s", why);
	hang_up(caller);
}

static void refuse(struct vfiomig_session *session, struct session_caller *caller, const char *why)
{
	atomic_fetch_add(&session->refused, 1);
	session_log_line(session, VFIOMIG_LOG_WARNING, "refused, and waiting on: %s", why);
	hang_up(caller);
}

/* A free place, or that of the one who has been at it longest. */
static struct session_caller *place_of(struct vfiomig_session *session)
{
	struct session_caller *oldest = &session->caller[0];

	for (unsigned i = 0; i < CALLERS_MAX; i++) {
		if (!session->caller[i].conn)
			return &session->caller[i];
		if (session->caller[i].since_ns < oldest->since_ns)
			oldest = &session->caller[i];
	}
	forget(session, oldest, "others came, and it had been slow longest");
	return oldest;
}

void session_take_caller(struct vfiomig_session *session, int fd, uint16_t peer_kind)
{
	struct session_caller *caller = NULL, fresh = { .since_ns = clock_now_ns() };
	struct vfiomig_error err = { 0 };
	socklen_t bytes = sizeof(fresh.local);

	if (!takes_callers(session)) {
		if (peer_kind != PREFACE_CONTROL && !session->credentials)
			session_turn_away_unheard(fd);
		else if (!session_open_conn(session, fd, peer_kind, &fresh.conn, NULL))
			session_take_visitor(session, fresh.conn, NULL);
		return;
	}
	getsockname(fd, (struct sockaddr *)&fresh.local, &bytes);
	bytes = sizeof(fresh.remote);
	getpeername(fd, (struct sockaddr *)&fresh.remote, &bytes);
	caller = place_of(session);
	if (session_open_conn(session, fd, peer_kind, &fresh.conn, &err))
		session_log_line(session, VFIOMIG_LOG_WARNING, "someone connected and cannot be heard: %s", err.text);
	else
		*caller = fresh;
}

/* Whoever else is on the line has come too late. */
static void turn_others_away(struct vfiomig_session *session)
{
	for (unsigned i = 0; i < CALLERS_MAX; i++) {
		if (session->caller[i].conn)
			session_take_visitor(session, session->caller[i].conn, NULL);
		session->caller[i] = (struct session_caller){ 0 };
	}
}

/* Its first message names the session; from here on the connection is heard as any session's. */
static void admit(struct vfiomig_session *session, struct session_caller *caller, const struct control_frame *frame)
{
	session->conn = caller->conn;
	session->local = caller->local;
	session->remote = caller->remote;
	*caller = (struct session_caller){ 0 };
	pthread_mutex_lock(&session->snapshot_lock);
	memcpy(session->id, frame->session, sizeof(session->id));
	pthread_mutex_unlock(&session->snapshot_lock);
	session->id_known = true;
	control_set_session(session->conn, session->id);
	session_let_yank(session);
	turn_others_away(session);
	session_note_up(session);
	session_receive(session, frame);
}

static bool names_session(const struct control_frame *frame)
{
	static const uint8_t none[16];

	return memcmp(frame->session, none, sizeof(none)) != 0;
}

static void hear(struct vfiomig_session *session, struct session_caller *caller)
{
	struct vfiomig_error err = { 0 };
	struct control_frame frame;
	int rc = 1;

	for (unsigned i = 0; i < FRAMES_PER_CALL && rc == 1; i++) {
		rc = control_poll(caller->conn, &frame, &err);
		if (rc == 1 && frame.type == MESSAGE_QUERY) {
			session_take_visitor(session, caller->conn, &frame); /* no source of this session */
			*caller = (struct session_caller){ 0 };
			return;
		}
		if (rc == 1 && names_session(&frame)) {
			admit(session, caller, &frame);
			return;
		}
	}
	if (rc < 0 && err.code == VFIOMIG_AUTH)
		refuse(session, caller, err.text);
	else if (rc < 0)
		forget(session, caller, err.text);
	else if (clock_now_ns() - caller->since_ns > CALLER_MS * NS_PER_MS)
		forget(session, caller, "nothing came");
}

/* Who comes as a lane is judged on the fabric thread; here it is said, once per look. */
static void note_lanes(struct vfiomig_session *session)
{
	unsigned lanes;

	if (session->role != VFIOMIG_DESTINATION || !(session->core.facts & FACT_FABRIC_OPEN))
		return;
	lanes = atomic_load(&session->fabric->refused);
	if (lanes == session->refused_lanes)
		return;
	atomic_fetch_add(&session->refused, lanes - session->refused_lanes);
	session->refused_lanes = lanes;
	session_log_line(
		session, VFIOMIG_LOG_WARNING,
		"refused, and waiting on: someone came as a lane and did not show that it belongs to this session");
}

static void note_users(struct vfiomig_session *session)
{
	unsigned users = session->accept ? control_accept_refused(session->accept) : session->refused_users;

	if (users == session->refused_users)
		return;
	atomic_fetch_add(&session->refused, users - session->refused_users);
	session->refused_users = users;
	session_log_line(session, VFIOMIG_LOG_WARNING, "refused, and waiting on: a process of another user");
}

void session_hear_callers(struct vfiomig_session *session)
{
	note_users(session);
	note_lanes(session);
	for (unsigned i = 0; i < CALLERS_MAX && takes_callers(session); i++)
		if (session->caller[i].conn)
			hear(session, &session->caller[i]);
}

unsigned session_callers_pollfds(struct vfiomig_session *session, struct pollfd *fds)
{
	unsigned count = 0;

	for (unsigned i = 0; i < CALLERS_MAX && takes_callers(session); i++)
		if (session->caller[i].conn)
			fds[count++] = (struct pollfd){ .fd = control_fd(session->caller[i].conn),
							.events = control_events(session->caller[i].conn) };
	return count;
}

void session_close_callers(struct vfiomig_session *session)
{
	for (unsigned i = 0; i < CALLERS_MAX; i++)
		hang_up(&session->caller[i]);
}
