/* SPDX-License-Identifier: MIT */
/*
 * The control connections that are not the session's own: callers before there is one, visitors while there is one, and a source's own
 * question after COMMIT. Part of session.h, whose other half this is; of the control thread.
 */
#ifndef SESSION_SESSION_CALLERS_H
#define SESSION_SESSION_CALLERS_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "control/conn.h"

struct vfiomig_session;

enum { VISITORS_MAX = 4, CALLERS_MAX = 8 };

/* Someone who has connected to a destination that has no session yet. */
struct session_caller {
	struct control_conn *conn; /* owned; NULL: the place is free */
	uint64_t since_ns;
	struct sockaddr_storage local, remote;
};

/* Destination: someone who connected while a session is on, or who asks about another one. */
struct session_visitor {
	struct control_conn *conn; /* NULL: the place is free */
	uint64_t heard_ns;
};

/* Source, whose answer to COMMIT does not come: it asks. */
struct session_ask {
	bool on;
	struct control_conn *conn;
	bool sent;
	uint64_t next_ns; /* when it gives up this call, or makes the next one */
	char said[120];	  /* the last answer, for the sentence at the end */
};

/*
 * session_callers.c: who connects before a destination has a session (a visitor after that). take owns the descriptor; pollfds fills at
 * most CALLERS_MAX and returns how many. Control thread.
 */
void session_take_caller(struct vfiomig_session *session, int fd, uint16_t peer_kind);
void session_hear_callers(struct vfiomig_session *session);
unsigned session_callers_pollfds(struct vfiomig_session *session, struct pollfd *fds);
void session_close_callers(struct vfiomig_session *session);

/* session_query.c: control thread. Who is not the source but asks about one, and who comes while there is one. */
void session_take_visitor(struct vfiomig_session *session, struct control_conn *conn,
			  const struct control_frame *frame);
void session_hear_visitors(struct vfiomig_session *session);
/* session_ask.c: control thread. Source after COMMIT: true if core must not take a lost connection for the end. */
bool session_ask(struct vfiomig_session *session);
/* The caller's cancel: to core while it is in time; said to be too late otherwise, or it ends the asking in doubt. */
void session_hear_cancel(struct vfiomig_session *session);
void session_hear_answer(struct vfiomig_session *session);

#endif
