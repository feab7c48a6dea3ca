/* SPDX-License-Identifier: MIT */
/* See samples.h. */
#include "samples.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void samples_add(struct samples *samples, double value)
{
	assert(samples->count < SAMPLES_MAX);
	samples->values[samples->count++] = value;
}

static int compare(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return (left > right) - (left < right);
}

double samples_quantile(const struct samples *samples, double share)
{
	double sorted[SAMPLES_MAX], at;
	unsigned below;

	if (!samples->count)
		return 0;
	memcpy(sorted, samples->values, samples->count * sizeof(*sorted));
	qsort(sorted, samples->count, sizeof(*sorted), compare);
	at = share * (samples->count - 1);
	below = (unsigned)at;
	if (below + 1 >= samples->count)
		return sorted[samples->count - 1];
	return sorted[below] + (at - below) * (sorted[below + 1] - sorted[below]);
}
