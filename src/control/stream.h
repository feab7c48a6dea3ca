/* SPDX-License-Identifier: MIT */
/*
 * What carries the frames of a control connection: plain TCP, or something that encrypts. A stream never waits, and it
 * begins only after both prefaces, which always go in the clear.
 */
#ifndef CONTROL_STREAM_H
#define CONTROL_STREAM_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct control_stream;

struct control_stream_ops {
	uint16_t preface_kind; /* enum preface_kind of wire/hello.h: what both ends must have said */
	/*
	 * Before the first byte: 0 once the peer has proved itself, -EAGAIN (poll for events), or a negative errno.
	 * NULL: there is nothing to prove.
	 */
	int (*handshake)(struct control_stream *stream);
	/*
	 * Bytes moved, or -EAGAIN, or another negative errno. A read of 0 is the peer's orderly end. -EACCES, here and
	 * from handshake: one end does not take the other for what it must be; @why tells.
	 */
	ssize_t (*read)(struct control_stream *stream, void *to, size_t bytes);
	ssize_t (*write)(struct control_stream *stream, const void *from, size_t bytes);
	/* What to poll(2) for in order to go on with the handshake or read, and also to write if @writing. */
	short (*events)(const struct control_stream *stream, int writing);
	/*
	 * What only the two ends of this very stream can make out of @about. Once it has begun; 0 or a negative errno.
	 * NULL: nothing can be proved.
	 */
	int (*prove)(struct control_stream *stream, const void *about, size_t bytes, uint8_t proof[32]);
	/* A key that only they have, of its own for each @context. Errors, and NULL, as of prove. */
	int (*key)(struct control_stream *stream, const void *context, size_t bytes, uint8_t key[32]);
	/* Frees @state; the descriptor is not the stream's. May be NULL. */
	void (*close)(struct control_stream *stream);
};

struct control_stream {
	const struct control_stream_ops *ops;
	int fd;	       /* the connection's */
	void *state;   /* the stream's own, freed by its close */
	char why[256]; /* of -EACCES, to follow the peer's name: "could not prove ..." */
};

extern const struct control_stream_ops control_stream_plain;

#endif
