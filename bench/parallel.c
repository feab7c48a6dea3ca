/* SPDX-License-Identifier: MIT */
/* See parallel.h. */
#include "parallel.h"

#include <errno.h>

enum call { CALL_WAIT, CALL_GO, CALL_LEAVE };

struct start_line {
	pthread_mutex_t lock;
	pthread_cond_t called;
	enum call call;
};

static enum call wait_for_call(struct start_line *line)
{
	enum call call;

	pthread_mutex_lock(&line->lock);
	while (line->call == CALL_WAIT)
		pthread_cond_wait(&line->called, &line->lock);
	call = line->call;
	pthread_mutex_unlock(&line->lock);
	return call;
}

static void call_all(struct start_line *line, enum call call)
{
	pthread_mutex_lock(&line->lock);
	line->call = call;
	pthread_cond_broadcast(&line->called);
	pthread_mutex_unlock(&line->lock);
}

static void *run(void *context)
{
	struct job *job = context;

	if (wait_for_call(job->line) == CALL_LEAVE)
		return NULL;
	job->start = moment_now();
	job->rc = job->run(job->context);
	job->end = moment_now();
	return NULL;
}

static int sum_up(const struct job *jobs, unsigned count, struct moment *cost)
{
	struct moment start = jobs[0].start, end = jobs[0].end;
	int rc = 0;

	for (unsigned i = 0; i < count; i++) {
		if (jobs[i].start.wall_ns < start.wall_ns)
			start = jobs[i].start;
		if (jobs[i].end.wall_ns > end.wall_ns)
			end = jobs[i].end;
		rc = rc ? rc : jobs[i].rc;
	}
	*cost = moment_since(start, end);
	return rc;
}

int parallel_run(struct job *jobs, unsigned count, struct moment *cost)
{
	struct start_line line = { .lock = PTHREAD_MUTEX_INITIALIZER, .called = PTHREAD_COND_INITIALIZER };
	unsigned made = 0;

	while (made < count) {
		jobs[made].line = &line;
		if (pthread_create(&jobs[made].thread, NULL, run, &jobs[made]))
			break;
		made++;
	}
	call_all(&line, made == count ? CALL_GO : CALL_LEAVE);
	for (unsigned i = 0; i < made; i++)
		pthread_join(jobs[i].thread, NULL);
	return made == count ? sum_up(jobs, count, cost) : -EAGAIN;
}
