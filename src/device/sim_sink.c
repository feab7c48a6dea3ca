/* SPDX-License-Identifier: MIT */
/*
 * The thread that takes a simulated device's state: checks every byte as it comes. A mistake shows when RESUMING is left,
 * as on most devices; what fails a write on real ones closes the pipe instead.
 */
#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "base/clock.h"
#include "device/sim_stream.h"

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Is there a reason to take nothing more? Then it has ended. */
static bool ended(struct sim_stream *stream)
{
	const struct sim_options *options = stream->options;
	struct data_pipe *pipe = &stream->pipe;

	if (pipe->bytes == options->write_error_at)
		data_pipe_end(pipe, DATA_PIPE_FAILED, EIO);
	else if (options->personality == SIM_SHORT_END && pipe->bytes == options->bytes)
		data_pipe_end(pipe, DATA_PIPE_COMPLETE, 0);
	else if (options->personality == SIM_TINY && pipe->bytes && pipe->bytes < options->bytes)
		data_pipe_end(pipe, DATA_PIPE_FAILED, EINVAL); /* it came in pieces */
	return pipe->end != DATA_PIPE_OPEN;
}

/* How much may be taken at once: exactly up to the byte at which the thread ends, and little where it must pace. */
static uint64_t limit(const struct sim_stream *stream)
{
	const struct sim_options *options = stream->options;
	uint64_t bytes = DATA_PIPE_PIECE_BYTES;

	if (options->write_rate)
		bytes = least(bytes, (uint64_t)sim_options_load_capacity(options));
	if (options->write_error_at != SIM_NEVER)
		bytes = least(bytes, options->write_error_at - stream->pipe.bytes);
	if (options->personality == SIM_SHORT_END)
		bytes = least(bytes, options->bytes - stream->pipe.bytes);
	return bytes;
}

static void check(struct sim_stream *stream, uint64_t at, uint64_t bytes)
{
	uint64_t whole = stream->options->bytes, inside = at < whole ? least(bytes, whole - at) : 0;
	uint64_t right = content_check(stream->content, at, stream->buffer, inside, &stream->wrong_expected);

	if (right == bytes)
		return;
	stream->wrong = true;
	stream->wrong_at = at + right;
	stream->wrong_seen = stream->buffer[right];
}

/* Returns the bytes taken, 0 at the end, -EAGAIN if there is nothing now. */
static ssize_t take(struct sim_stream *stream)
{
	ssize_t taken;

	pthread_mutex_lock(&stream->pipe.lock); /* over the read: see data_pipe_moved */
	taken = read(stream->pipe.own_fd, stream->buffer, limit(stream));
	if (taken > 0)
		stream->pipe.bytes += (uint64_t)taken;
	else if (taken < 0)
		taken = errno == EINTR ? -EAGAIN : -errno;
	pthread_mutex_unlock(&stream->pipe.lock);
	return taken;
}

/* A load that happens inside write: 0 to 2 ms before anything is taken, another time each time. */
static bool load_slowly(struct sim_stream *stream)
{
	if (stream->options->personality != SIM_SLOW_LOAD)
		return true;
	return data_pipe_sleep(&stream->pipe, clock_now_ns() + content_mix(stream->pipe.bytes) % (2 * NS_PER_MS));
}

/* Returns false when there is nothing more to be done. */
static bool turn(struct sim_stream *stream)
{
	enum data_pipe_wake wake = data_pipe_wait(&stream->pipe, POLLIN);
	ssize_t taken;

	if (wake == DATA_PIPE_QUIT || !load_slowly(stream))
		return false;
	taken = take(stream);
	if (taken == -EAGAIN)
		return wake != DATA_PIPE_FINISH;
	if (taken <= 0)
		return false;
	if (!stream->wrong)
		check(stream, stream->pipe.bytes - (uint64_t)taken, (uint64_t)taken);
	return data_pipe_pace(&stream->pipe, stream->options->write_rate, (uint64_t)taken);
}

void sim_sink_run(struct sim_stream *stream)
{
	while (!ended(stream) && turn(stream))
		;
}
