/* SPDX-License-Identifier: MIT */
/*
 * Devices of either side, one set per size of stream: made once, since making memory present takes longer than most of what is
 * measured with it.
 */
#ifndef BENCH_MEMORY_SETS_H
#define BENCH_MEMORY_SETS_H

#include <stdint.h>

#include "memory_device.h"

enum { MEMORY_SETS_MAX = 16 };

struct memory_set {
	uint64_t bytes;			 /* of each stream */
	unsigned devices;		 /* of each side */
	struct memory_device *from, *to; /* own */
};

struct memory_sets {
	unsigned count;
	struct memory_set set[MEMORY_SETS_MAX];
	struct memory_device_options from, to; /* of the devices that are made from now on */
};

/* The set of @bytes, made if there is none, with at least @devices devices a side: NULL and errno if there is no memory for it. */
struct memory_set *memory_sets_get(struct memory_sets *sets, uint64_t bytes, unsigned devices);

/* The first @devices of either side as before a migration: running, and what the destination holds is damaged. 0 or negative errno. */
int memory_set_prepare(struct memory_set *set, unsigned devices);

/* After one: 0, or the negative errno of memory_device_compare with the number of the device in *@which. */
int memory_set_compare(const struct memory_set *set, unsigned devices, unsigned *which);

void memory_sets_fini(struct memory_sets *sets);

#endif
