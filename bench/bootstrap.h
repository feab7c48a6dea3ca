/* SPDX-License-Identifier: MIT */
/* How sure a ratio of two medians is. */
#ifndef BENCH_BOOTSTRAP_H
#define BENCH_BOOTSTRAP_H

#include "samples.h"

struct interval {
	double low, high;
};

/*
 * The 95 % percentile interval of median(@b) / median(@a): both are drawn from again and again, with replacement, by a fixed seed,
 * so that the same samples give the same interval. Neither is empty, and all of @a are above 0.
 */
struct interval bootstrap_ratio(const struct samples *a, const struct samples *b);

#endif
