/* SPDX-License-Identifier: MIT */
/* See bootstrap.h. */
#include "bootstrap.h"

#include <string.h>

enum { DRAWS = SAMPLES_MAX };

#define SEED 0x5eed0f7b1e0ca57u

/* xorshift64*: its upper bits are used. */
static uint64_t next(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545f4914f6cdd1du;
}

static double draw_median(const struct samples *from, uint64_t *state)
{
	struct samples drawn = { .count = 0 };

	for (unsigned i = 0; i < from->count; i++)
		samples_add(&drawn, from->values[(next(state) >> 32) * from->count >> 32]);
	return samples_quantile(&drawn, 0.5);
}

struct interval bootstrap_ratio(const struct samples *a, const struct samples *b)
{
	struct samples ratios = { .count = 0 };
	uint64_t state = SEED;

	for (unsigned i = 0; i < DRAWS; i++) {
		double below = draw_median(a, &state);

		samples_add(&ratios, draw_median(b, &state) / below);
	}
	return (struct interval){ samples_quantile(&ratios, 0.025), samples_quantile(&ratios, 0.975) };
}
