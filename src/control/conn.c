/* SPDX-License-Identifier: MIT */
/*
 * One connection's life: connecting, exchanging prefaces, frames, broken. It breaks once; the reason is kept, and told
 * at every poll from then on. A failure to send is held back until all that had come before is handed out: the peer's last
 * words usually say why it went.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/error.h"
#include "control/conn_parts.h"

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

/* What a connection would have closed. */
static void conn_give_up(const struct control_config *config)
{
	struct control_stream stream = { .fd = config->fd, .state = config->stream_state };

	if (config->stream && config->stream->close)
		config->stream->close(&stream);
	close(config->fd);
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
			conn_give_up(config);
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

	if (conn->state < CONN_OPEN)
		result = conn_set_up(conn);
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
	return conn->stream.ops->events(&conn->stream,
					conn->state == CONN_OPEN && !control_drained(conn) && !conn->send_errnum);
}

bool control_ready(const struct control_conn *conn)
{
	return conn->state == CONN_OPEN;
}

int control_prove(struct control_conn *conn, const uint8_t session[16], unsigned lane, uint8_t proof[32])
{
	uint8_t about[sizeof(conn->session) + sizeof(uint16_t)];

	memset(proof, 0, HELLO_PROOF_BYTES);
	if (!conn->stream.ops->prove)
		return 0;
	memcpy(about, session, sizeof(conn->session));
	put_be16(about + sizeof(conn->session), (uint16_t)lane);
	return conn->stream.ops->prove(&conn->stream, about, sizeof(about), proof);
}

int control_payload_key(struct control_conn *conn, const uint8_t session[16], uint8_t key[32])
{
	if (!conn->stream.ops->key)
		return -ENOTSUP;
	return conn->stream.ops->key(&conn->stream, session, sizeof(conn->session), key);
}

bool control_drained(const struct control_conn *conn)
{
	return queue_empty(&conn->queue);
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
