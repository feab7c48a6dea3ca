/* SPDX-License-Identifier: MIT */
/* The other host's clock against this one's, by the fastest of several round trips. Pure. */
#ifndef CORE_CLOCKS_H
#define CORE_CLOCKS_H

#include <stdint.h>

struct clocks {
	unsigned samples;
	int64_t offset_ns; /* the peer's clock less this one's */
	uint64_t error_ns; /* the offset is right within this: half of the round trip */
};

/* Asked at @sent_ns and heard at @heard_ns of this clock; the peer answered at @answered_ns of its own. */
void clocks_take(struct clocks *clocks, uint64_t sent_ns, uint64_t answered_ns, uint64_t heard_ns);

/*
 * One offset for the time between two measurements: their middle, with an error that covers both. One without samples does
 * not count.
 */
struct clocks clocks_between(const struct clocks *before, const struct clocks *after);

#endif
