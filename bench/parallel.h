/* SPDX-License-Identifier: MIT */
/* Jobs that begin at once, each on a thread of its own that was made before: what a round's clock runs over. */
#ifndef BENCH_PARALLEL_H
#define BENCH_PARALLEL_H

#include <pthread.h>

#include "moment.h"

struct start_line;

struct job {
	int (*run)(void *context); /* 0 or negative errno */
	void *context;
	int rc; /* what it returned */
	/* parallel.c's own: */
	struct start_line *line;
	pthread_t thread;
	struct moment start, end;
};

/*
 * Run @count jobs, at least one. *@cost is from the first one's start until the last one's end. 0, the first error among them in
 * their order, or -EAGAIN: no thread to be had, and none of them ran.
 */
int parallel_run(struct job *jobs, unsigned count, struct moment *cost);

#endif
