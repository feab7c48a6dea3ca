/* SPDX-License-Identifier: MIT */
/* One data transfer session of a simulated device: what its thread gives or takes through a data_pipe. */
#ifndef DEVICE_SIM_STREAM_H
#define DEVICE_SIM_STREAM_H

#include "device/data_pipe.h"
#include "device/sim_content.h"
#include "device/sim_options.h"

/* Used by the device's caller; the thread has what it needs from here, and shares what is under the pipe's lock. */
struct sim_stream {
	struct data_pipe pipe;
	const struct sim_options *options; /* the device's, as is content */
	const struct content *content;
	uint8_t *buffer;   /* the device's: DATA_PIPE_PIECE_BYTES, the thread's while it runs */
	uint64_t begun_ns; /* when PRE_COPY began */

	uint64_t ready; /* under the lock, as all below; bytes of the stream that PRE_COPY gives by now */
	bool wrong;
	uint64_t wrong_at;
	uint8_t wrong_seen, wrong_expected;
};

void sim_stream_init(struct sim_stream *stream, const struct sim_options *options, const struct content *content,
		     uint8_t *buffer);

/* As data_pipe_open, with a pipe as the options want it. */
int sim_stream_open(struct sim_stream *stream, enum data_pipe_use use, struct vfiomig_error *err);

/* After data_pipe_finish: is what was loaded the state? -EIO, -EINVAL and a sentence that names the byte. */
int sim_stream_verdict(const struct sim_stream *stream, struct vfiomig_error *err);

/* What is still to be read. */
void sim_stream_pending(struct sim_stream *stream, struct vfiomig_pending *pending);

/* The threads; the argument is a struct sim_stream. */
void sim_source_run(struct sim_stream *stream);
void sim_sink_run(struct sim_stream *stream);

#endif
