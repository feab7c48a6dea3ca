/* SPDX-License-Identifier: MIT */
/*
 * Fills slots from a saving data_fd. A slot is filled until it is full, or the device has no more (read returned 0 or
 * ENOMSG): short reads are normal and never end a packet. Owned by the device's thread.
 */
#ifndef IO_READER_H
#define IO_READER_H

#include <stddef.h>
#include <stdint.h>

#include "io/call.h"
#include "io/explain.h"

struct reader {
	int fd;			/* saving data_fd; the device's */
	int cancel_fd;		/* readable: give up; the session's */
	struct call_watch call; /* of each read */
	struct explain explain; /* what the device says of a result <= 0 */
	uint64_t at;		/* bytes of the stream read so far; after a failure, where it failed */
};

enum reader_stop {
	READER_FULL,	/* the buffer is full, the device may have more */
	READER_END,	/* the stream is over */
	READER_NOTHING, /* nothing for now (PRE_COPY) */
};

/*
 * Fill up to @bytes of @buffer; *@got tells how many, *@stop why it stopped. Returns 0, or
 *   -ECANCELED  cancel_fd became readable
 *   any other   the device's own error, reader->at says at which byte
 * EINTR is retried. Waits with poll(2) on {fd, cancel_fd}; a data_fd without .poll counts as ready.
 */
int reader_fill(struct reader *reader, void *buffer, size_t bytes, size_t *got, enum reader_stop *stop);

#endif
