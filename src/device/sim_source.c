/* SPDX-License-Identifier: MIT */
/* The thread that gives a simulated device's state: makes content, puts it into the pipe, and ends where it is told to. */
#include <errno.h>

#include "base/clock.h"
#include "device/sim_stream.h"

/* How often a device that dirties its state has something new: seldom enough to cost nothing. */
#define DIRTY_STEP_NS (10 * NS_PER_MS)

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/*
 * A read gives what the pipe holds, and a pipe cannot hold less than a page: a smaller limit is kept by filling it only
 * when it is empty, which for a pipe of one page is what POLLOUT means.
 */
static uint64_t piece_bytes(const struct sim_options *options)
{
	uint64_t piece = DATA_PIPE_PIECE_BYTES;

	if (options->read_rate)
		piece = (uint64_t)sim_options_save_capacity(options);
	return options->read_chunk ? least(piece, options->read_chunk) : piece;
}

/* Give the stream from where it stands up to @stop. false: quit. */
static bool give(struct sim_stream *stream, uint64_t stop)
{
	uint64_t piece = piece_bytes(stream->options), at = stream->pipe.bytes;

	while (at < stop) {
		uint64_t skip = at % CONTENT_BLOCK_BYTES;
		uint64_t bytes = least(DATA_PIPE_PIECE_BYTES - skip, stop - at);
		uint64_t blocks = (skip + bytes + CONTENT_BLOCK_BYTES - 1) / CONTENT_BLOCK_BYTES;

		content_make(stream->content, at / CONTENT_BLOCK_BYTES, blocks, stream->buffer);
		if (!data_pipe_put(&stream->pipe, stream->buffer + skip, bytes, piece, stream->options->read_rate))
			return false;
		at += bytes;
	}
	return true;
}

/* What PRE_COPY can give by now. */
static uint64_t precopy_ready(const struct sim_stream *stream)
{
	const struct sim_options *options = stream->options;
	double since_ns = (double)(clock_now_ns() - stream->begun_ns);
	double dirty = since_ns / (double)NS_PER_S * (double)options->dirty_rate;
	uint64_t rest = options->precopy_bytes - options->initial_bytes;

	if (!options->dirty_rate || dirty >= (double)rest)
		return options->precopy_bytes;
	return options->initial_bytes + (uint64_t)dirty;
}

/* Nothing for now: the reader is told so until there is more than it has had. false: quit, or the pipe is lost. */
static bool await_dirty(struct sim_stream *stream)
{
	uint64_t ready;
	int rc;

	data_pipe_end(&stream->pipe, DATA_PIPE_PAUSED, 0);
	do {
		if (!data_pipe_sleep(&stream->pipe, clock_now_ns() + DIRTY_STEP_NS))
			return false;
		ready = precopy_ready(stream);
	} while (ready <= stream->pipe.bytes);
	rc = data_pipe_resume(&stream->pipe);
	if (rc)
		data_pipe_end(&stream->pipe, DATA_PIPE_FAILED, -rc);
	pthread_mutex_lock(&stream->pipe.lock);
	stream->ready = ready; /* after the pipe is open: who is told of it can read it */
	pthread_mutex_unlock(&stream->pipe.lock);
	return !rc;
}

void sim_source_run(struct sim_stream *stream)
{
	const struct sim_options *options = stream->options;
	bool precopy = stream->pipe.use == DATA_PIPE_PRECOPY;
	uint64_t last = precopy ? options->precopy_bytes : options->bytes, stop;

	do {
		stop = least(precopy ? stream->ready : last, options->read_error_at);
		if (!give(stream, stop))
			return;
	} while (stop != options->read_error_at && stop != last && await_dirty(stream));
	if (stop == options->read_error_at)
		data_pipe_end(&stream->pipe, DATA_PIPE_FAILED, EIO);
	else if (stop == last)
		data_pipe_end(&stream->pipe, precopy ? DATA_PIPE_PAUSED : DATA_PIPE_COMPLETE, 0);
}
