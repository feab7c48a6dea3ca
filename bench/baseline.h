/* SPDX-License-Identifier: MIT */
/* What the library is measured beside: the same devices without it, each a part of the way or another way to go it. */
#ifndef BENCH_BASELINE_H
#define BENCH_BASELINE_H

#include <stdbool.h>
#include <stddef.h>

#include "memory_device.h"

enum baseline {
	BASELINE_READ,
	BASELINE_LOAD,
	BASELINE_MEMCPY,
	BASELINE_BARE,
	BASELINE_SEQUENTIAL,
	BASELINES,
};

struct baseline_kind {
	const char *name;     /* "read", ... */
	const char *measures; /* what its time is, in a sentence */
	bool loads;	      /* afterwards the destination's devices hold what the source's do */
	int (*run)(struct memory_device *from, struct memory_device *to, unsigned devices, size_t piece_bytes,
		   struct moment *cost);
};

/* By enum baseline. run: 0 or negative errno, *@cost as `measures` says; at least one device, and all of them run before. */
extern const struct baseline_kind baseline_kinds[BASELINES];

#endif
