/* SPDX-License-Identifier: MIT */
/* See moment.h. */
#include "moment.h"

#include <errno.h>
#include <time.h>

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

struct moment moment_now(void)
{
	return (struct moment){ clock_ns(CLOCK_MONOTONIC), clock_ns(CLOCK_PROCESS_CPUTIME_ID) };
}

struct moment moment_since(struct moment start, struct moment end)
{
	return (struct moment){ end.wall_ns - start.wall_ns, end.cpu_ns - start.cpu_ns };
}

void moment_sleep_until(uint64_t wall_ns)
{
	struct timespec due = { .tv_sec = (time_t)(wall_ns / NS_PER_S), .tv_nsec = (long)(wall_ns % NS_PER_S) };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL) == EINTR)
		;
}
