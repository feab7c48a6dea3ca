/* SPDX-License-Identifier: MIT */
/*
 * What carries the frames of a control connection: plain TCP, or something that encrypts. A stream never waits, and it
 * begins only after both prefaces, which always go in the clear.
 */
#ifndef CONTROL_STREAM_H
#define CONTROL_STREAM_H

#include <stddef.h>
#include <sys/types.h>

struct control_stream;

struct control_stream_ops {
	/* Bytes moved, or -EAGAIN, or another negative errno. A read of 0 is the peer's orderly end. */
	ssize_t (*read)(struct control_stream *stream, void *to, size_t bytes);
	ssize_t (*write)(struct control_stream *stream, const void *from, size_t bytes);
	/* What to poll(2) for in order to read, and also to write if @writing. */
	short (*events)(const struct control_stream *stream, int writing);
	/* Frees @state; the descriptor is not the stream's. May be NULL. */
	void (*close)(struct control_stream *stream);
};

struct control_stream {
	const struct control_stream_ops *ops;
	int fd;	     /* the connection's */
	void *state; /* the stream's own, freed by its close */
};

extern const struct control_stream_ops control_stream_plain;

#endif
