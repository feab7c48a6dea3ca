/* SPDX-License-Identifier: MIT */
/* Moments: two of them tell how long something took, and what of this process's CPU time. */
#ifndef BENCH_MOMENT_H
#define BENCH_MOMENT_H

#include <stdint.h>

enum { NS_PER_MS = 1000000, NS_PER_S = 1000000000 };

struct moment {
	uint64_t wall_ns; /* CLOCK_MONOTONIC */
	uint64_t cpu_ns;  /* of all threads of this process, the kernel's work for them included */
};

struct moment moment_now(void);
struct moment moment_since(struct moment start, struct moment end);

/* Sleep until @wall_ns of CLOCK_MONOTONIC; at once if that is over. */
void moment_sleep_until(uint64_t wall_ns);

#endif
