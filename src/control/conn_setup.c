/* SPDX-License-Identifier: MIT */
/* The way of a connection until frames may flow: connected, both prefaces through, the peer has proved who it is. */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/peer_user.h"
#include "control/conn_parts.h"

int conn_fail(struct control_conn *conn, enum vfiomig_code code, int errnum, const char *name, const char *format, ...)
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
int conn_lost(struct control_conn *conn, int errnum)
{
	if (errnum == ETIMEDOUT)
		return conn_fail(conn, VFIOMIG_TIMEOUT, ETIMEDOUT, "peer-silent", "%s has answered nothing for %u ms",
				 conn->peer, conn->config.timeout_ms);
	if (errnum == EACCES)
		return conn_fail(conn, VFIOMIG_AUTH, EACCES, "authentication", "%s %s", conn->peer, conn->stream.why);
	if (errnum == EPIPE || errnum == ECONNRESET)
		return conn_fail(conn, VFIOMIG_FABRIC, EPIPE, "peer-closed", "%s closed the control connection%s",
				 conn->peer,
				 conn->state == CONN_HANDSHAKE ? " in the middle of the TLS handshake"
				 : conn->got_bytes	       ? " in the middle of a message"
							       : "");
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
	if (!peer_user_trusted(fd.fd))
		return conn_fail(conn, VFIOMIG_AUTH, EACCES, "peer-user",
				 "who listens at %s is neither root nor this process's user", conn->peer);
	conn->state = CONN_PREFACE;
	return 0;
}

/* Both want TLS, or neither: a side that authenticates never falls back to what does not. */
static int kind_judge(struct control_conn *conn, uint16_t peer_kind)
{
	if (peer_kind == conn->stream.ops->preface_kind)
		return 0;
	if (peer_kind == PREFACE_CONTROL)
		return conn_fail(
			conn, VFIOMIG_AUTH, EACCES, "peer-plain",
			"%s has no key to prove who it is, and this side takes nobody without: give both the same",
			conn->peer);
	return conn_fail(conn, VFIOMIG_AUTH, EACCES, "peer-wants-proof",
			 "%s wants a proof of who this side is, and this side has no key: give both the same",
			 conn->peer);
}

static int preface_judge(struct control_conn *conn)
{
	struct preface preface;
	int result = preface_decode(&preface, conn->preface);

	if (result == -EPROTONOSUPPORT)
		return conn_fail(conn, VFIOMIG_PREFLIGHT, EPROTONOSUPPORT, "peer-version",
				 "%s speaks version %u of the protocol, this side version %d: install the same on both",
				 conn->peer, preface.version, WIRE_VERSION);
	if (result == 0 && preface.kind == PREFACE_BUSY)
		return conn_fail(conn, VFIOMIG_PREFLIGHT, EBUSY, "busy", "%s is busy with another session", conn->peer);
	if (result || (preface.kind != PREFACE_CONTROL && preface.kind != PREFACE_CONTROL_TLS))
		return conn_fail(conn, VFIOMIG_PROTOCOL, EPROTO, "peer-unknown",
				 "what answers at %s is not rdma-vfiomig", conn->peer);
	return kind_judge(conn, preface.kind);
}

static int preface_send(struct control_conn *conn)
{
	const struct preface ours = { .version = WIRE_VERSION, .kind = conn->stream.ops->preface_kind };
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
	if (result || conn->preface_sent_bytes < PREFACE_BYTES ||
	    (!conn->config.accepted && conn->preface_got_bytes < PREFACE_BYTES))
		return result;
	/* Judged after ours is out: the peer shall know what we want as well. */
	if (conn->config.accepted && conn->config.peer_kind)
		result = kind_judge(conn, conn->config.peer_kind);
	if (result == 0)
		conn->state = CONN_HANDSHAKE;
	return result;
}

static int conn_shake_hands(struct control_conn *conn)
{
	int result = conn->stream.ops->handshake ? conn->stream.ops->handshake(&conn->stream) : 0;

	if (result == -EAGAIN)
		return 0;
	if (result)
		return conn_lost(conn, -result);
	conn->state = CONN_OPEN;
	return 0;
}

int conn_set_up(struct control_conn *conn)
{
	int result = 0;

	if (conn->state == CONN_CONNECTING)
		result = conn_connect(conn);
	if (conn->state == CONN_PREFACE)
		result = conn_exchange_prefaces(conn);
	if (conn->state == CONN_HANDSHAKE)
		result = conn_shake_hands(conn);
	return result;
}
