/* SPDX-License-Identifier: MIT */
/*
 * How far a list of pieces has been written, and what goes next. Neighbouring slots of a device are contiguous, so that
 * several pieces often make one run of memory, and one call.
 */
#ifndef IO_PIECES_H
#define IO_PIECES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

/* Of one call: enough that the call's own cost is lost in the copy, and little enough that a cancel is soon heard. */
enum { PIECES_RUN_BYTES_MAX = 4 << 20 };

struct pieces {
	const struct iovec *next; /* the caller's, which outlives this */
	unsigned count;		  /* from next on */
	size_t taken;		  /* of next */
	bool split;		  /* false: a run is one whole piece, or what the device left over of it */
};

/* The bytes to write now, where they lie; length 0: all is written. */
struct iovec pieces_run(const struct pieces *pieces);

/* The device has taken @bytes of what pieces_run gave. */
void pieces_take(struct pieces *pieces, size_t bytes);

#endif
