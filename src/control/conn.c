/* SPDX-License-Identifier: MIT */
/*
 * One connection's life: connecting, exchanging prefaces, frames, broken. It breaks once; the reason is kept, and told
 * at every poll from then on. A failure to send is held back until all that had come before is handed out: the peer's last
 * words usually say why it went.
 */
#include "control/conn.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "control/address.h"
#include "control/frame.h"
#include "control/queue.h"

enum conn_state { CONN_CONNECTING = 0, CONN_PREFACE, CONN_OPEN, CONN_BROKEN };

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

static void conn_tune(const struct control_conn *conn)
{
	const int on = 1;

	/* On a socket that is not TCP these mean nothing, and nothing is lost. */
	(void)setsockopt(conn->stream.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(conn->stream.fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &conn->config.timeout_ms,
			 sizeof(conn->config.timeout_ms));
}

static void conn_name_peer(struct control_conn *conn)
{
	struct sockaddr_storage peer = conn->config.peer;
	socklen_t bytes = sizeof(peer);

	if (peer.ss_family == AF_UNSPEC)
		(void)getpeername(conn->stream.fd, (struct sockaddr *)&peer, &bytes);
	address_format(&peer, conn->peer);
}

int control_open(struct control_conn **out, const struct control_config *config, struct vfiomig_error *err)
{
	struct control_conn *conn = calloc(1, sizeof(*conn));

	*out = NULL;
	if (conn) {
		conn->config = *config;
		conn->stream.ops = config->stream ? config->stream : &control_stream_plain;
		conn->stream.fd = config->fd;
		conn->stream.state = config->stream_state;
		conn->body = malloc(config->body_bytes_max ? config->body_bytes_max : 1);
	}
	if (!conn || !conn->body || queue_init(&conn->queue, config->queue_bytes)) {
		if (conn)
			control_close(conn);
		else
			close(config->fd);
		return error_set(err, VFIOMIG_INTERNAL, ENOMEM, NULL, "no memory for a control connection");
	}
	conn_tune(conn);
	conn_name_peer(conn);
	*out = conn;
	return 0;
}

/* What a peer sends that does not know the session yet: a heartbeat, or why it will have none. */
static const uint8_t no_session[HELLO_SESSION_BYTES];

static bool session_is(const uint8_t a[HELLO_SESSION_BYTES], const uint8_t b[HELLO_SESSION_BYTES])
{
	return memcmp(a, b, HELLO_SESSION_BYTES) == 0;
}

void control_set_session(struct control_conn *conn, const uint8_t session[16])
{
	memcpy(conn->session, session, sizeof(conn->session));
	conn->has_session = true;
}

__attribute__((format(printf, 5, 6))) static int conn_fail(struct control_conn *conn, enum vfiomig_code code,
							   int errnum, const char *name, const char *format, ...)
{
	char text[sizeof(conn->error.text)];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	conn->state = CONN_BROKEN;
	conn->result = error_set(&conn->error, code, errnum, name, "%s", text);
	return conn->result;
}

/* An errno of the socket, or of the stream. */
static int conn_lost(struct control_conn *conn, int errnum)
{
	if (errnum == ETIMEDOUT)
		return conn_fail(conn, VFIOMIG_TIMEOUT, ETIMEDOUT, "peer-silent", "%s has answered nothing for %u ms",
				 conn->peer, conn->config.timeout_ms);
	if (errnum == EPIPE || errnum == ECONNRESET)
		return conn_fail(conn, VFIOMIG_FABRIC, EPIPE, "peer-closed", "%s closed the control connection%s",
				 conn->peer, conn->got_bytes ? " in the middle of a message" : "");
	return conn_fail(conn, VFIOMIG_FABRIC, errnum, "control-lost", "the control connection to %s was lost: %s",
			 conn->peer, strerror(errnum));
}

static int conn_connect(struct control_conn *conn)
{
	struct pollfd fd = { .fd = conn->stream.fd, .events = POLLOUT };
	socklen_t bytes = sizeof(int);
	int errnum = 0;

	if (poll(&fd, 1, 0) <= 0)
		return 0;
	if (getsockopt(fd.fd, SOL_SOCKET, SO_ERROR, &errnum, &bytes))
		errnum = errno;
	if (errnum)
		return conn_fail(conn, VFIOMIG_FABRIC, errnum, "connect", "cannot connect to %s: %s", conn->peer,
				 strerror(errnum));
	conn->state = CONN_PREFACE;
	return 0;
}

static int preface_judge(struct control_conn *conn)
{
	struct preface preface;
	int result = preface_decode(&preface, conn->preface);

	if (result == -EPROTONOSUPPORT)
		return conn_fail(conn, VFIOMIG_PREFLIGHT, EPROTONOSUPPORT, "peer-version",
				 "%s speaks version %u of the protocol, this side version %d: install the same on both",
				 conn->peer, preface.version, WIRE_VERSION);
	if (result || preface.kind != PREFACE_CONTROL)
		return conn_fail(conn, VFIOMIG_PROTOCOL, EPROTO, "peer-unknown",
				 "what answers at %s is not rdma-vfiomig", conn->peer);
	return 0;
}

static int preface_send(struct control_conn *conn)
{
	const struct preface ours = { .version = WIRE_VERSION, .kind = PREFACE_CONTROL };
	uint8_t bytes[PREFACE_BYTES];
	ssize_t sent;

	preface_encode(bytes, &ours);
	sent = send(conn->stream.fd, bytes + conn->preface_sent_bytes, PREFACE_BYTES - conn->preface_sent_bytes,
		    MSG_DONTWAIT | MSG_NOSIGNAL);
	if (sent >= 0)
		conn->preface_sent_bytes += (size_t)sent;
	return sent >= 0 || errno == EAGAIN || errno == EINTR ? 0 : conn_lost(conn, errno);
}

static int preface_receive(struct control_conn *conn)
{
	ssize_t got = recv(conn->stream.fd, conn->preface + conn->preface_got_bytes,
			   PREFACE_BYTES - conn->preface_got_bytes, MSG_DONTWAIT);

	if (got == 0)
		return conn_lost(conn, EPIPE);
	if (got < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : conn_lost(conn, errno);
	conn->preface_got_bytes += (size_t)got;
	return conn->preface_got_bytes < PREFACE_BYTES ? 0 : preface_judge(conn);
}

static int conn_exchange_prefaces(struct control_conn *conn)
{
	int result = 0;

	if (conn->preface_sent_bytes < PREFACE_BYTES)
		result = preface_send(conn);
	if (result == 0 && !conn->config.accepted && conn->preface_got_bytes < PREFACE_BYTES)
		result = preface_receive(conn);
	if (result == 0 && conn->preface_sent_bytes == PREFACE_BYTES &&
	    (conn->config.accepted || conn->preface_got_bytes == PREFACE_BYTES))
		conn->state = CONN_OPEN;
	return result;
}

/* Send what is queued; a failure is only noted. */
static void conn_flush(struct control_conn *conn)
{
	while (conn->state == CONN_OPEN && conn->send_errnum == 0) {
		const uint8_t *from;
		size_t bytes = queue_peek(&conn->queue, &from);
		ssize_t sent;

		if (bytes == 0)
			return;
		sent = conn->stream.ops->write(&conn->stream, from, bytes);
		if (sent == -EAGAIN)
			return;
		if (sent < 0)
			conn->send_errnum = (int)-sent;
		else
			queue_drop(&conn->queue, (size_t)sent);
	}
}

int control_send(struct control_conn *conn, uint16_t type, const void *body, size_t bytes)
{
	struct frame_head head = { .bytes = (uint32_t)bytes, .version = WIRE_VERSION, .type = type };
	uint32_t limit = conn->config.limit(type);
	uint8_t head_bytes[FRAME_HEAD_BYTES];

	if (limit == UINT32_MAX || bytes > limit)
		return -EMSGSIZE;
	if (conn->state == CONN_BROKEN || conn->send_errnum)
		return -EPIPE;
	if (queue_room(&conn->queue) < sizeof(head_bytes) + bytes)
		return -ENOBUFS;
	memcpy(head.session, conn->session, sizeof(head.session));
	frame_head_encode(head_bytes, &head);
	queue_put(&conn->queue, head_bytes, sizeof(head_bytes));
	queue_put(&conn->queue, body, bytes);
	conn_flush(conn);
	return 0;
}

/* The head is here: may its body come? Judged before a byte of the body is taken. */
static int frame_judge(struct control_conn *conn)
{
	const struct frame_head *head = &conn->head;
	uint32_t limit = conn->config.limit(head->type);

	if (head->version != WIRE_VERSION)
		return conn_fail(conn, VFIOMIG_PROTOCOL, EPROTO, "frame-version",
				 "%s sent a message of version %u amid those of version %d", conn->peer, head->version,
				 WIRE_VERSION);
	if (limit == UINT32_MAX)
		return conn_fail(conn, VFIOMIG_PROTOCOL, EPROTO, "frame-type",
				 "%s sent a message of type %u, which does not exist", conn->peer, head->type);
	if (head->bytes > limit || head->bytes > conn->config.body_bytes_max)
		return conn_fail(conn, VFIOMIG_PROTOCOL, EPROTO, "frame-too-long",
				 "%s announced a message of type %u with %u bytes; it may have %u", conn->peer,
				 head->type, head->bytes, limit);
	if (conn->has_session && !session_is(head->session, conn->session) && !session_is(head->session, no_session))
		return conn_fail(conn, VFIOMIG_PROTOCOL, EPROTO, "frame-session",
				 "%s sent a message of another session", conn->peer);
	return 0;
}

/* 1: bytes came; 0: none now; negative: the end. */
static int frame_fill(struct control_conn *conn)
{
	bool in_head = conn->got_bytes < FRAME_HEAD_BYTES;
	size_t had = in_head ? conn->got_bytes : conn->got_bytes - FRAME_HEAD_BYTES;
	uint8_t *to = in_head ? conn->head_bytes : conn->body;
	size_t whole = in_head ? (size_t)FRAME_HEAD_BYTES : conn->head.bytes;
	ssize_t got = conn->stream.ops->read(&conn->stream, to + had, whole - had);

	if (got == -EAGAIN)
		return conn->send_errnum ? conn_lost(conn, conn->send_errnum) : 0;
	if (got <= 0)
		return conn_lost(conn, got == 0 ? EPIPE : (int)-got);
	conn->got_bytes += (size_t)got;
	if (conn->got_bytes != FRAME_HEAD_BYTES || !in_head)
		return 1;
	frame_head_decode(&conn->head, conn->head_bytes);
	return frame_judge(conn) ? conn->result : 1;
}

static bool frame_whole(const struct control_conn *conn)
{
	return conn->got_bytes >= FRAME_HEAD_BYTES && conn->got_bytes == FRAME_HEAD_BYTES + conn->head.bytes;
}

static int conn_receive(struct control_conn *conn, struct control_frame *frame)
{
	int result = 1;

	if (frame_whole(conn))
		conn->got_bytes = 0; /* the one that was handed out last */
	while (result == 1 && !frame_whole(conn))
		result = frame_fill(conn);
	if (result == 1)
		*frame = (struct control_frame){ .type = conn->head.type,
						 .bytes = conn->head.bytes,
						 .body = conn->body,
						 .session = conn->head.session };
	return result;
}

int control_poll(struct control_conn *conn, struct control_frame *frame, struct vfiomig_error *err)
{
	int result = 0;

	if (conn->state == CONN_CONNECTING)
		result = conn_connect(conn);
	if (conn->state == CONN_PREFACE)
		result = conn_exchange_prefaces(conn);
	if (conn->state == CONN_OPEN) {
		conn_flush(conn);
		result = conn_receive(conn, frame);
	}
	if (conn->state == CONN_BROKEN)
		result = error_set(err, conn->error.code, -conn->result, conn->error.name, "%s", conn->error.text);
	return result;
}

int control_fd(const struct control_conn *conn)
{
	return conn->stream.fd;
}

short control_events(const struct control_conn *conn)
{
	if (conn->state == CONN_CONNECTING)
		return POLLOUT;
	if (conn->state == CONN_PREFACE)
		return conn->preface_sent_bytes < PREFACE_BYTES ? POLLIN | POLLOUT : POLLIN;
	return conn->stream.ops->events(&conn->stream, !control_drained(conn) && !conn->send_errnum);
}

bool control_ready(const struct control_conn *conn)
{
	return conn->state == CONN_OPEN;
}

bool control_drained(const struct control_conn *conn)
{
	return queue_empty(&conn->queue);
}

void control_shutdown(struct control_conn *conn)
{
	shutdown(conn->stream.fd, SHUT_RDWR);
}

/*
 * A close with bytes unread makes the kernel send a reset, and a reset can overtake our last words at the peer. So end
 * the sending half first, and take what is there.
 */
void control_close(struct control_conn *conn)
{
	uint8_t waste[4096];

	if (!conn)
		return;
	conn_flush(conn);
	if (conn->stream.ops->close)
		conn->stream.ops->close(&conn->stream);
	shutdown(conn->stream.fd, SHUT_WR);
	for (unsigned i = 0; i < 16 && recv(conn->stream.fd, waste, sizeof(waste), MSG_DONTWAIT) > 0; i++)
		;
	close(conn->stream.fd);
	queue_fini(&conn->queue);
	free(conn->body);
	free(conn);
}
