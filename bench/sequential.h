/* SPDX-License-Identifier: MIT */
/*
 * What a migration over one channel does: one device after another, and for each read all, send all, load all, with nothing
 * overlapping. Transitions of devices, too, come one after another; the rule that no device leaves its P2P state before all
 * are there is kept.
 */
#ifndef BENCH_SEQUENTIAL_H
#define BENCH_SEQUENTIAL_H

#include <stddef.h>

#include "memory_device.h"

/*
 * *@cost is from the first device's leaving RUNNING until the last one runs. What need not be in there is not: the destination is
 * in RESUMING before, connection, buffers and threads are made before, and the source goes to STOP after. Config states are
 * not carried. 0 or negative errno.
 */
int sequential_copy(struct memory_device *from, struct memory_device *to, unsigned devices, size_t piece_bytes,
		    struct moment *cost);

#endif
