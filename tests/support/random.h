/* SPDX-License-Identifier: MIT */
/* A seeded generator (xorshift64*): the same numbers on every machine, so that a printed seed is a whole test case. */
#ifndef SUPPORT_RANDOM_H
#define SUPPORT_RANDOM_H

#include <stddef.h>
#include <stdint.h>

struct random {
	uint64_t state; /* the seed; not 0 */
};

static inline uint64_t random_next(struct random *random)
{
	random->state ^= random->state >> 12;
	random->state ^= random->state << 25;
	random->state ^= random->state >> 27;
	return random->state * UINT64_C(2685821657736338717);
}

/* From 0 to @limit - 1. */
static inline size_t random_below(struct random *random, size_t limit)
{
	return (size_t)(random_next(random) >> 11) % limit;
}

static inline void random_fill(struct random *random, void *to, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		((uint8_t *)to)[i] = (uint8_t)(random_next(random) >> 33);
}

#endif
