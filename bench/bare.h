/* SPDX-License-Identifier: MIT */
/*
 * What the library is measured against: the least that carries streams over TCP. For each device, one thread reads and sends,
 * another receives and writes, piece by piece over one connection; no order to restore, no checksum, no commit.
 */
#ifndef BENCH_BARE_H
#define BENCH_BARE_H

#include <stddef.h>

#include "memory_device.h"

/*
 * Copy the streams of @devices devices from @from into those of @to; *@cost is the time, and the CPU time, from before the first
 * read until after the last byte was taken. Connections, buffers and threads are made before. 0 or negative errno.
 */
int bare_copy(struct memory_device *from, struct memory_device *to, unsigned devices, size_t piece_bytes,
	      struct moment *cost);

#endif
