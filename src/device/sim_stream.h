/* SPDX-License-Identifier: MIT */
/*
 * One data transfer session of a simulated device: a pipe, of which the user has one end as data_fd, and the device's
 * own thread at the other. Started, ended and asked by the device's caller; only what is under the lock is shared.
 */
#ifndef DEVICE_SIM_STREAM_H
#define DEVICE_SIM_STREAM_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "device/sim_content.h"
#include "device/sim_options.h"

enum { SIM_BUFFER_BYTES = 256 << 10 }; /* fits a core's second-level cache */

enum sim_phase { SIM_IDLE, SIM_SAVE_PRECOPY, SIM_SAVE, SIM_LOAD };

/* Why the thread closed its end. */
enum sim_end {
	SIM_END_NONE,
	SIM_END_COMPLETE, /* saving: all is out; loading: short-end takes no more */
	SIM_END_PAUSE,	  /* all that PRE_COPY gives is out */
	SIM_END_ERROR,	  /* the byte that fails */
	SIM_END_SPLIT,	  /* a tiny state came in pieces */
};

struct sim_stream {
	const struct sim_options *options; /* the device's, as is content */
	const struct content *content;
	uint8_t *buffer; /* the device's: SIM_BUFFER_BYTES and a block, the thread's while it runs */
	enum sim_phase phase;
	int data_fd;   /* the user's end, blocking; owned; -1: none */
	int own_fd;    /* the thread's end, non-blocking; owned, closed by the thread when it has ended the stream */
	int quit_fd;   /* eventfd, owned: readable when the thread must leave at once */
	int finish_fd; /* eventfd, owned: readable when nothing more will be written */
	bool running;  /* there is a thread to join */
	pthread_t thread;
	uint64_t due_ns; /* the thread's: when its rate allows the next byte */

	pthread_mutex_t lock; /* for all below */
	enum sim_end end;
	uint64_t bytes; /* put into the pipe (saving) or taken out of it (loading) */
	bool wrong;
	uint64_t wrong_at;
	uint8_t wrong_seen, wrong_expected;
};

void sim_stream_init(struct sim_stream *stream, const struct sim_options *options, const struct content *content,
		     uint8_t *buffer);

/* Start a session. -EMFILE, -ENFILE, -EAGAIN (no thread), -ENOMEM (all VFIOMIG_DEVICE); nothing is left open then. */
int sim_stream_open(struct sim_stream *stream, enum sim_phase phase, struct vfiomig_error *err);

/* PRE_COPY -> STOP_COPY: the same data_fd goes on where its reader stands. Errors as of open. */
int sim_stream_go_on(struct sim_stream *stream, struct vfiomig_error *err);

/* Nothing more will be written: wait until the device has taken all that was. */
void sim_stream_finish(struct sim_stream *stream);

/* Bytes that the user has written so far. */
uint64_t sim_stream_written(struct sim_stream *stream);

/* After finish: is what was loaded the state? -EIO, -EINVAL and a sentence that names the byte. */
int sim_stream_verdict(const struct sim_stream *stream, struct vfiomig_error *err);

/* What a result <= 0 of a read or write on data_fd means: see vfiomig_device_ops.explain. */
int sim_stream_explain(struct sim_stream *stream, ssize_t result, uint64_t *at);

/* End the thread at once, whatever it waits for, and close all. A closed one is fine. */
void sim_stream_close(struct sim_stream *stream);

void sim_stream_fini(struct sim_stream *stream);

/* For the threads: */

enum sim_wake { SIM_READY, SIM_FINISH, SIM_QUIT };

/* Wait until own_fd has @events, or is asked to finish or to quit; own_fd's events go before finish. */
enum sim_wake sim_stream_wait(struct sim_stream *stream, short events);

/* Sleep until @due_ns of the monotonic clock. false: quit. */
bool sim_stream_sleep(struct sim_stream *stream, uint64_t due_ns);

/* Sleep until @bytes more are due by @rate (0: at once). false: quit. */
bool sim_stream_pace(struct sim_stream *stream, uint64_t rate, uint64_t bytes);

/* Say why, and close own_fd: the user's next call feels it. */
void sim_stream_end(struct sim_stream *stream, enum sim_end end);

void *sim_source_run(void *stream);
void *sim_sink_run(void *stream);

#endif
