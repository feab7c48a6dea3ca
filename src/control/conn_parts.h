/* SPDX-License-Identifier: MIT */
/* What the two halves of a control connection share: conn_setup.c until it is open, conn.c from then on. Theirs only. */
#ifndef CONTROL_CONN_PARTS_H
#define CONTROL_CONN_PARTS_H

#include "control/address.h"
#include "control/conn.h"
#include "control/frame.h"
#include "control/queue.h"

enum conn_state { CONN_CONNECTING = 0, CONN_PREFACE, CONN_HANDSHAKE, CONN_OPEN, CONN_BROKEN };

struct control_conn {
	struct control_config config;
	struct control_stream stream;
	enum conn_state state;
	char peer[ADDRESS_TEXT_BYTES];
	bool has_session;
	uint8_t session[HELLO_SESSION_BYTES];

	uint8_t preface[PREFACE_BYTES]; /* the peer's */
	size_t preface_got_bytes, preface_sent_bytes;

	uint8_t head_bytes[FRAME_HEAD_BYTES];
	struct frame_head head;
	uint8_t *body;	  /* owned */
	size_t got_bytes; /* of head and body together */

	struct queue queue;
	int send_errnum; /* why nothing can be sent any more */
	int result;	 /* once broken */
	struct vfiomig_error error;
};

/* Connecting, prefaces, handshake, as far as they go now: 0, or why it is broken. */
int conn_set_up(struct control_conn *conn);

/* It is broken for good. Returns -@errnum, which every poll returns from now on. */
int conn_fail(struct control_conn *conn, enum vfiomig_code code, int errnum, const char *name, const char *format, ...)
	__attribute__((format(printf, 5, 6)));
/* The same for an errno of the socket or of the stream. */
int conn_lost(struct control_conn *conn, int errnum);

#endif
