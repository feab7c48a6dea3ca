/* SPDX-License-Identifier: MIT */
/*
 * What the library is measured against: the least that carries a stream over TCP. One thread reads and sends, another
 * receives and writes, piece by piece over one connection; no order to restore, no checksum, no commit.
 */
#ifndef BENCH_BARE_H
#define BENCH_BARE_H

#include <stddef.h>
#include <stdint.h>

#include "memory_device.h"

/*
 * Copy the stream of @from into that of @to; *@cost is the time, and the CPU time, from before the first read until after the last write.
 * The connection, the buffers and the threads are made before. 0 or negative errno.
 */
int bare_copy(const struct memory_device *from, const struct memory_device *to, size_t piece_bytes,
	      struct moment *cost);

#endif
