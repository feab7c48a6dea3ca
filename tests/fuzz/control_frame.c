/* SPDX-License-Identifier: MIT */
/*
 * What a peer could write on the control connection, in pieces of any length: the framing hands out whole messages within
 * their limits or breaks for good, and a body that decodes comes out of encoding as it decodes again. The first byte is
 * the length of the pieces. The socket is only there because a connection has one.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/conn.h"
#include "fuzz.h"
#include "fuzz_messages.h"
#include "wire/message.h"

struct peer {
	struct fuzz_input input;
	size_t piece;
};

static ssize_t peer_read(struct control_stream *stream, void *to, size_t bytes)
{
	struct peer *peer = stream->state;
	size_t count = bytes < peer->piece ? bytes : peer->piece;

	if (count > peer->input.left)
		count = peer->input.left;
	if (count > 0)
		memcpy(to, peer->input.at, count);
	peer->input.at += count;
	peer->input.left -= count;
	return (ssize_t)count;
}

static ssize_t peer_write(struct control_stream *stream, const void *from, size_t bytes)
{
	(void)stream;
	(void)from;
	return (ssize_t)bytes;
}

static short peer_events(const struct control_stream *stream, int writing)
{
	(void)stream;
	return writing ? POLLIN | POLLOUT : POLLIN;
}

static void read_all(struct control_conn *conn)
{
	struct vfiomig_error err = { 0 }, again = { 0 };
	struct control_frame frame;
	int rc;

	while ((rc = control_poll(conn, &frame, &err)) > 0) {
		FUZZ_CHECK(frame.bytes <= message_bytes_max(frame.type));
		fuzz_message(frame.type, frame.body, frame.bytes);
	}
	FUZZ_CHECK(rc == -EPIPE || rc == -EPROTO);
	FUZZ_CHECK(err.code == (rc == -EPIPE ? VFIOMIG_FABRIC : VFIOMIG_PROTOCOL) && err.text[0]);
	FUZZ_CHECK(control_poll(conn, &frame, &again) == rc && !strcmp(err.text, again.text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static const struct control_stream_ops ops = { peer_read, peer_write, peer_events, NULL };
	struct peer peer = { .input = { data, bytes } };
	struct control_config config = { .accepted = true,
					 .stream = &ops,
					 .stream_state = &peer,
					 .limit = message_bytes_max,
					 .body_bytes_max = MESSAGE_BYTES_MAX,
					 .queue_bytes = 4096,
					 .timeout_ms = 1000 };
	struct control_conn *conn;
	int fds[2];

	peer.piece = 1u + fuzz_take(&peer.input);
	if (peer.piece == 256)
		peer.piece = MESSAGE_BYTES_MAX;
	FUZZ_CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
	config.fd = fds[0];
	FUZZ_CHECK(control_open(&conn, &config, NULL) == 0);
	read_all(conn);
	control_close(conn);
	close(fds[1]);
	return 0;
}
