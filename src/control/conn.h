/* SPDX-License-Identifier: MIT */
/*
 * The control connection: whole frames in, whole frames out, never waiting, in memory taken once. Both ends begin with a
 * preface, so that a peer of another version is told apart from a stranger. Of one thread.
 */
#ifndef CONTROL_CONN_H
#define CONTROL_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include <vfiomig/error.h>

#include "control/stream.h"

struct control_conn;

struct control_config {
	int fd;	       /* connected, or of control_connect_start; the connection's from open on, also if that fails */
	bool accepted; /* came from control_accept, which has read the peer's preface */
	uint16_t peer_kind; /* accepted: what that preface said, enum preface_kind; 0: what is wanted */
	const struct control_stream_ops *stream; /* NULL: plain */
	void *stream_state;			 /* handed to the stream, whose it is */
	uint32_t (*limit)(uint16_t type);	 /* longest body of @type; UINT32_MAX: no such type, refused */
	size_t body_bytes_max;			 /* the greatest of all limits */
	size_t queue_bytes;			 /* for frames that the peer does not take yet, heads included */
	unsigned timeout_ms;			 /* TCP_USER_TIMEOUT */
	struct sockaddr_storage peer;		 /* for sentences; AF_UNSPEC: the socket is asked */
};

struct control_frame {
	uint16_t type;
	uint32_t bytes;
	const uint8_t *body;	/* the connection's, until the next control_poll */
	const uint8_t *session; /* 16 bytes, likewise */
};

/*
 * A non-blocking socket on its way to @peer, from @local unless that is NULL or AF_UNSPEC (any port of it).
 * The descriptor is the caller's. Errors of socket, bind and connect (VFIOMIG_FABRIC).
 */
int control_connect_start(const struct sockaddr_storage *peer, const struct sockaddr_storage *local,
			  struct vfiomig_error *err);

/* -ENOMEM (VFIOMIG_INTERNAL), *@out is NULL then and the descriptor closed. */
int control_open(struct control_conn **out, const struct control_config *config, struct vfiomig_error *err);

/*
 * From here on every frame that goes is of this session, and every one that comes must be, or of none (zeroes, as all are
 * before this call): what may come without a session is the caller's to judge.
 */
void control_set_session(struct control_conn *conn, const uint8_t session[16]);

/*
 * Queue a frame and send what can be sent. 0 or
 *   -ENOBUFS  the peer does not take them; nothing of this one is queued
 *   -EMSGSIZE longer than its type's limit, or no such type
 *   -EPIPE    the connection is lost; control_poll tells why
 */
int control_send(struct control_conn *conn, uint16_t type, const void *body, size_t bytes);

/*
 * Go on with connecting, sending and receiving. 1: @frame is filled in, ask again; 0: nothing more now; or, for good,
 *   -EPIPE           the peer has closed (VFIOMIG_FABRIC)
 *   -EPROTO          not a frame as it must be (VFIOMIG_PROTOCOL): "frame-too-long", "frame-type", "frame-version",
 *                    "frame-session", "peer-unknown"
 *   -EPROTONOSUPPORT the peer speaks another version (VFIOMIG_PREFLIGHT, "peer-version")
 *   -ETIMEDOUT       the peer acknowledges nothing any more (VFIOMIG_TIMEOUT)
 *   -EACCES          one end does not take the other for what it must be (VFIOMIG_AUTH): "authentication",
 *                    "peer-plain", "peer-wants-proof", "peer-user"; no frame of this peer was read
 *   -EBUSY           it has another session (VFIOMIG_PREFLIGHT)
 *   -ECONNREFUSED and other errnos of connect and recv (VFIOMIG_FABRIC)
 * All frames that came before an end are handed out before it is told.
 */
int control_poll(struct control_conn *conn, struct control_frame *frame, struct vfiomig_error *err);

/* For poll(2). The descriptor stays the connection's. */
int control_fd(const struct control_conn *conn);
short control_events(const struct control_conn *conn);

/* Both prefaces are through, and where the stream authenticates, the peer has proved itself. */
bool control_ready(const struct control_conn *conn);
/*
 * What shows that @lane belongs to @session over this connection: only its two ends can make it, and for no other session
 * or lane is it the same. Once ready. Zero where the stream proves nothing; 0 or -EIO.
 */
int control_prove(struct control_conn *conn, const uint8_t session[16], unsigned lane, uint8_t proof[32]);
/* A key for the packets of @session that only the two ends have. Once ready; 0, -EIO, or -ENOTSUP: the stream has no secret. */
int control_payload_key(struct control_conn *conn, const uint8_t session[16], uint8_t key[32]);
/* Everything sent so far is the kernel's. */
bool control_drained(const struct control_conn *conn);

/* What is queued still goes if it can go at once. NULL is fine. */
void control_close(struct control_conn *conn);

#endif
