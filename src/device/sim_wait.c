/* SPDX-License-Identifier: MIT */
/* How the thread of a simulated device waits: for its pipe, for a moment, for its rate, and never longer than it lives. */
#include <errno.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "device/sim_stream.h"

/* Delay that a rate makes up for; a device that had nothing to do for longer does not save its time up. */
#define CATCH_UP_NS (5 * NS_PER_MS)

enum sim_wake sim_stream_wait(struct sim_stream *stream, short events)
{
	struct pollfd fds[] = {
		{ .fd = stream->quit_fd, .events = POLLIN },
		{ .fd = stream->own_fd, .events = events },
		{ .fd = stream->finish_fd, .events = POLLIN },
	};

	while (poll(fds, 3, -1) < 0)
		if (errno != EINTR)
			return SIM_QUIT;
	if (fds[0].revents)
		return SIM_QUIT;
	return fds[1].revents ? SIM_READY : SIM_FINISH;
}

bool sim_stream_sleep(struct sim_stream *stream, uint64_t due_ns)
{
	struct pollfd quit = { .fd = stream->quit_fd, .events = POLLIN };
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

bool sim_stream_pace(struct sim_stream *stream, uint64_t rate, uint64_t bytes)
{
	uint64_t now = clock_now_ns();

	if (!rate)
		return true;
	if (stream->due_ns + CATCH_UP_NS < now)
		stream->due_ns = now - CATCH_UP_NS;
	stream->due_ns += (uint64_t)((double)bytes / (double)rate * (double)NS_PER_S);
	return sim_stream_sleep(stream, stream->due_ns);
}

void sim_stream_end(struct sim_stream *stream, enum sim_end end)
{
	pthread_mutex_lock(&stream->lock);
	stream->end = end; /* before the close that makes the user ask */
	pthread_mutex_unlock(&stream->lock);
	close(stream->own_fd);
	stream->own_fd = -1;
}
