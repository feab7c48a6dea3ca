/* SPDX-License-Identifier: MIT */
/* One migration through the library, both ends in this process, over TCP on loopback. */
#ifndef BENCH_LIBRARY_H
#define BENCH_LIBRARY_H

#include <stddef.h>
#include <stdint.h>

#include "memory_device.h"

struct library_options {
	unsigned lanes, slots;
	size_t slot_bytes;
	enum vfiomig_loader loader;
};

/*
 * Migrate @from into @to; *@cost is the time, and the CPU time, from the source device's entry of STOP_COPY, before its first byte is read,
 * until the destination device is told to leave RESUMING, after its last byte is written. 0 or negative errno with @err.
 */
int library_copy(struct memory_device *from, struct memory_device *to, const struct library_options *options,
		 enum vfiomig_integrity integrity, struct moment *cost, struct vfiomig_error *err);

#endif
