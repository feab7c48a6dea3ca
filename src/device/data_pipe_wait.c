/* SPDX-License-Identifier: MIT */
/*
 * What the thread behind a data_fd does with its end: waits, for the pipe, for a moment, for its rate, and never longer than
 * it lives; puts, ends and resumes.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "device/data_pipe.h"

/* Delay that a rate makes up for; a device that had nothing to do for longer does not save its time up. */
#define CATCH_UP_NS (5 * NS_PER_MS)

enum data_pipe_wake data_pipe_wait(struct data_pipe *pipe, short events)
{
	struct pollfd fds[] = {
		{ .fd = pipe->quit_fd, .events = POLLIN },
		{ .fd = pipe->own_fd, .events = events },
		{ .fd = pipe->finish_fd, .events = POLLIN },
	};

	while (poll(fds, 3, -1) < 0)
		if (errno != EINTR)
			return DATA_PIPE_QUIT;
	if (fds[0].revents)
		return DATA_PIPE_QUIT;
	return fds[1].revents ? DATA_PIPE_READY : DATA_PIPE_FINISH;
}

bool data_pipe_sleep(struct data_pipe *pipe, uint64_t due_ns)
{
	struct pollfd quit = { .fd = pipe->quit_fd, .events = POLLIN };
	uint64_t now = clock_now_ns();

	while (now < due_ns) {
		struct timespec left = { .tv_sec = (time_t)((due_ns - now) / NS_PER_S),
					 .tv_nsec = (long)((due_ns - now) % NS_PER_S) };

		if (ppoll(&quit, 1, &left, NULL) > 0)
			return false;
		now = clock_now_ns();
	}
	return true;
}

bool data_pipe_pace(struct data_pipe *pipe, uint64_t rate, uint64_t bytes)
{
	uint64_t now = clock_now_ns();

	if (!rate)
		return true;
	if (pipe->due_ns + CATCH_UP_NS < now)
		pipe->due_ns = now - CATCH_UP_NS;
	pipe->due_ns += (uint64_t)((double)bytes / (double)rate * (double)NS_PER_S);
	return data_pipe_sleep(pipe, pipe->due_ns);
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Returns the bytes put, or a negative errno. */
static ssize_t put_once(struct data_pipe *pipe, const uint8_t *from, uint64_t bytes)
{
	ssize_t put;

	pthread_mutex_lock(&pipe->lock); /* over the write: see data_pipe_moved */
	put = write(pipe->own_fd, from, bytes);
	if (put > 0)
		pipe->bytes += (uint64_t)put;
	else if (put < 0)
		put = -errno;
	pthread_mutex_unlock(&pipe->lock);
	return put;
}

bool data_pipe_put(struct data_pipe *pipe, const uint8_t *from, uint64_t bytes, uint64_t piece, uint64_t rate)
{
	while (bytes) {
		ssize_t put;

		if (data_pipe_wait(pipe, POLLOUT) != DATA_PIPE_READY)
			return false;
		put = put_once(pipe, from, least(bytes, piece));
		if (put == -EAGAIN || put == -EINTR)
			continue;
		if (put < 0)
			return false;
		from += put;
		bytes -= (uint64_t)put;
		if (!data_pipe_pace(pipe, rate, (uint64_t)put))
			return false;
	}
	return true;
}

void data_pipe_end(struct data_pipe *pipe, enum data_pipe_end end, int failure)
{
	pthread_mutex_lock(&pipe->lock);
	pipe->end = end; /* before the close that makes the user ask */
	pipe->failure = failure;
	pthread_mutex_unlock(&pipe->lock);
	if (pipe->own_fd >= 0)
		close(pipe->own_fd);
	pipe->own_fd = -1;
}

/* A pipe whose writers are all gone gets a new one by its name in /proc; its reader notices nothing but that there is more. */
int data_pipe_resume(struct data_pipe *pipe)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", pipe->data_fd);
	pipe->own_fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	if (pipe->own_fd < 0)
		return -errno;
	pthread_mutex_lock(&pipe->lock);
	pipe->end = DATA_PIPE_OPEN;
	pthread_mutex_unlock(&pipe->lock);
	return 0;
}
