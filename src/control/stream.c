/* SPDX-License-Identifier: MIT */
/* The stream that adds nothing: bytes go as they are. */
#include "control/stream.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "wire/hello.h"

static ssize_t plain_read(struct control_stream *stream, void *to, size_t bytes)
{
	ssize_t got = recv(stream->fd, to, bytes, MSG_DONTWAIT);

	if (got < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	return got;
}

static ssize_t plain_write(struct control_stream *stream, const void *from, size_t bytes)
{
	ssize_t sent = send(stream->fd, from, bytes, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (sent < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	return sent;
}

static short plain_events(const struct control_stream *stream, int writing)
{
	(void)stream;
	return writing ? POLLIN | POLLOUT : POLLIN;
}

const struct control_stream_ops control_stream_plain = {
	.preface_kind = PREFACE_CONTROL,
	.read = plain_read,
	.write = plain_write,
	.events = plain_events,
};
