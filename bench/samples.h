/* SPDX-License-Identifier: MIT */
/* Times of rounds, all of them kept: a median without its samples cannot be questioned. */
#ifndef BENCH_SAMPLES_H
#define BENCH_SAMPLES_H

#include <stdint.h>

enum { SAMPLES_MAX = 1000 };

struct samples {
	unsigned count;
	double values[SAMPLES_MAX]; /* in the order in which they were taken */
};

void samples_add(struct samples *samples, double value);

/* The value at @share (0.5: the median) of the sorted ones, interpolated; 0 if there is none. */
double samples_quantile(const struct samples *samples, double share);

#endif
