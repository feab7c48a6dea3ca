/* SPDX-License-Identifier: MIT */
/* A simulated device's stream: where it begins, what is left of it, and whether what was loaded is right. */
#include "device/sim_stream.h"

#include <errno.h>
#include <inttypes.h>

#include "base/clock.h"
#include "base/error.h"

static void *run(void *context)
{
	struct sim_stream *stream = context;

	if (stream->pipe.use == DATA_PIPE_LOAD)
		sim_sink_run(stream);
	else
		sim_source_run(stream);
	return NULL;
}

void sim_stream_init(struct sim_stream *stream, const struct sim_options *options, const struct content *content,
		     uint8_t *buffer)
{
	*stream = (struct sim_stream){ .options = options, .content = content, .buffer = buffer };
	data_pipe_init(&stream->pipe, run, stream);
}

int sim_stream_open(struct sim_stream *stream, enum data_pipe_use use, struct vfiomig_error *err)
{
	const struct sim_options *options = stream->options;
	bool loads = use == DATA_PIPE_LOAD;
	struct data_pipe_shape shape = {
		.capacity = loads ? sim_options_load_capacity(options) : sim_options_save_capacity(options),
		.packets = loads && options->personality == SIM_TINY,
	};

	stream->wrong = false;
	stream->begun_ns = clock_now_ns();
	stream->ready = options->dirty_rate ? options->initial_bytes : options->precopy_bytes;
	return data_pipe_open(&stream->pipe, use, shape, err);
}

int sim_stream_verdict(const struct sim_stream *stream, struct vfiomig_error *err)
{
	const struct data_pipe *pipe = &stream->pipe;
	uint64_t whole = stream->options->bytes;

	if (pipe->end == DATA_PIPE_FAILED && pipe->failure == EIO)
		return error_set(err, VFIOMIG_DEVICE, EIO, "load-failed", "the write of byte %" PRIu64 " failed",
				 pipe->bytes);
	if (pipe->end == DATA_PIPE_FAILED)
		return error_set(err, VFIOMIG_DEVICE, EINVAL, "load-split",
				 "the %" PRIu64 " bytes of the state must come by one write, and byte %" PRIu64
				 " did not come with the first",
				 whole, pipe->bytes);
	if (stream->wrong && stream->wrong_at >= whole)
		return error_set(err, VFIOMIG_DEVICE, EINVAL, "load-long",
				 "the stream goes on with byte %" PRIu64 ", but the state has %" PRIu64 " bytes",
				 stream->wrong_at, whole);
	if (stream->wrong)
		return error_set(err, VFIOMIG_DEVICE, EINVAL, "load-wrong",
				 "byte %" PRIu64 " of the state is wrong: 0x%02x, not 0x%02x", stream->wrong_at,
				 stream->wrong_seen, stream->wrong_expected);
	if (pipe->bytes < whole)
		return error_set(err, VFIOMIG_DEVICE, EINVAL, "load-short",
				 "the stream ends before byte %" PRIu64 ", but the state has %" PRIu64 " bytes",
				 pipe->bytes, whole);
	return 0;
}

static uint64_t beyond(uint64_t end, uint64_t from)
{
	return end > from ? end - from : 0;
}

void sim_stream_pending(struct sim_stream *stream, struct vfiomig_pending *pending)
{
	const struct sim_options *options = stream->options;
	enum data_pipe_use use = stream->pipe.use;
	bool saves = use == DATA_PIPE_PRECOPY || use == DATA_PIPE_SAVE;
	uint64_t read = saves ? data_pipe_moved(&stream->pipe) : 0, ready;

	pending->stop_copy_known = true;
	pending->stop_copy_bytes = options->bytes - read;
	if (use != DATA_PIPE_PRECOPY)
		return;
	pthread_mutex_lock(&stream->pipe.lock);
	ready = stream->ready;
	pthread_mutex_unlock(&stream->pipe.lock);
	pending->precopy_known = true;
	pending->initial_bytes = beyond(options->initial_bytes, read);
	pending->dirty_bytes = beyond(ready, read) - pending->initial_bytes;
}
