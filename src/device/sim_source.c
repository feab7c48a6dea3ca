/* SPDX-License-Identifier: MIT */
/* The thread that gives a simulated device's state: makes content, puts it into the pipe, and ends where it is told to. */
#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "device/sim_stream.h"

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Where this phase stops, and why there. */
static uint64_t stop_at(const struct sim_stream *stream, enum sim_end *why)
{
	const struct sim_options *options = stream->options;
	uint64_t stop = stream->phase == SIM_SAVE_PRECOPY ? options->precopy_bytes : options->bytes;

	*why = stream->phase == SIM_SAVE_PRECOPY ? SIM_END_PAUSE : SIM_END_COMPLETE;
	if (options->read_error_at > stop || options->read_error_at == SIM_NEVER)
		return stop;
	*why = SIM_END_ERROR;
	return options->read_error_at;
}

/*
 * A read gives what the pipe holds, and a pipe cannot hold less than a page: a smaller limit is kept by filling it only
 * when it is empty, which for a pipe of one page is what POLLOUT means.
 */
static uint64_t piece_bytes(const struct sim_options *options)
{
	uint64_t piece = SIM_BUFFER_BYTES;

	if (options->read_rate)
		piece = (uint64_t)sim_options_save_capacity(options);
	return options->read_chunk ? least(piece, options->read_chunk) : piece;
}

/* Returns false if the thread has to leave. */
static bool push(struct sim_stream *stream, const uint8_t *from, uint64_t bytes, uint64_t piece)
{
	while (bytes) {
		ssize_t put;

		if (sim_stream_wait(stream, POLLOUT) != SIM_READY)
			return false;
		put = write(stream->own_fd, from, least(bytes, piece));
		if (put < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (put < 0)
			return false;
		pthread_mutex_lock(&stream->lock);
		stream->bytes += (uint64_t)put;
		pthread_mutex_unlock(&stream->lock);
		from += put;
		bytes -= (uint64_t)put;
		if (!sim_stream_pace(stream, stream->options->read_rate, (uint64_t)put))
			return false;
	}
	return true;
}

void *sim_source_run(void *arg)
{
	struct sim_stream *stream = arg;
	uint64_t at = stream->bytes, piece = piece_bytes(stream->options), stop;
	enum sim_end why;

	stop = stop_at(stream, &why);
	while (at < stop) {
		uint64_t skip = at % CONTENT_BLOCK_BYTES;
		uint64_t bytes = least(SIM_BUFFER_BYTES - skip, stop - at);
		uint64_t blocks = (skip + bytes + CONTENT_BLOCK_BYTES - 1) / CONTENT_BLOCK_BYTES;

		content_make(stream->content, at / CONTENT_BLOCK_BYTES, blocks, stream->buffer);
		if (!push(stream, stream->buffer + skip, bytes, piece))
			return NULL;
		at += bytes;
	}
	sim_stream_end(stream, why);
	return NULL;
}
