/* SPDX-License-Identifier: MIT */
/* The far end of a pipe or socket, as a thread: takes what comes, in small and irregular bites, and keeps it. */
#ifndef SUPPORT_DRAIN_H
#define SUPPORT_DRAIN_H

#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <unistd.h>

#include "support/random.h"

struct drain {
	int fd;		 /* read end; the caller's */
	size_t bite;	 /* most bytes at once */
	uint8_t *to;	 /* room for what is expected, and then some; the caller's */
	size_t bytes;	 /* that room */
	size_t got;	 /* valid after drain_join */
	unsigned yields; /* between two bites: lets the writer run ahead, or fall behind */
	pthread_t thread;
};

static inline void *drain_run(void *argument)
{
	struct drain *drain = argument;
	struct random random = { .state = 7 };

	while (drain->got < drain->bytes) {
		size_t room = drain->bytes - drain->got, bite = 1 + random_below(&random, drain->bite);
		ssize_t n = read(drain->fd, drain->to + drain->got, bite < room ? bite : room);

		if (n <= 0)
			break;
		drain->got += (size_t)n;
		for (unsigned i = 0; i < drain->yields; i++)
			sched_yield();
	}
	return NULL;
}

static inline void drain_start(struct drain *drain)
{
	pthread_create(&drain->thread, NULL, drain_run, drain);
}

/* Waits for the end of the stream: the caller has closed the write end. */
static inline void drain_join(struct drain *drain)
{
	pthread_join(drain->thread, NULL);
}

#endif
