/* SPDX-License-Identifier: MIT */
/*
 * The data_fd of a device that is none of the kernel's: a real pipe, of which the user has one end and the device's own
 * thread the other, so that all code that moves state runs as it does on a kernel device. Started, ended and asked by the
 * device's caller; only what is under the lock is shared.
 */
#ifndef DEVICE_DATA_PIPE_H
#define DEVICE_DATA_PIPE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <vfiomig/error.h>

enum { DATA_PIPE_PIECE_BYTES = 256 << 10 }; /* that a thread makes at a time: fits a core's second-level cache */

enum data_pipe_use { DATA_PIPE_IDLE, DATA_PIPE_PRECOPY, DATA_PIPE_SAVE, DATA_PIPE_LOAD };

/* Why the thread closed its end: what a pipe cannot say (ENOMSG, EIO at byte N) is kept here. */
enum data_pipe_end {
	DATA_PIPE_OPEN,
	DATA_PIPE_COMPLETE, /* saving: all is out; loading: no more is taken */
	DATA_PIPE_PAUSED,   /* PRE_COPY has nothing now */
	DATA_PIPE_FAILED,   /* as failure says */
};

struct data_pipe {
	void *(*run)(void *context); /* the thread */
	void *context;		     /* its argument, and the device's own */
	enum data_pipe_use use;
	int data_fd;   /* the user's end, blocking; owned; -1: none */
	int own_fd;    /* the thread's end, non-blocking; owned, closed by the thread when it has ended the stream */
	int quit_fd;   /* eventfd, owned: readable when the thread must leave at once */
	int finish_fd; /* eventfd, owned: readable when nothing more will be written */
	bool running;  /* there is a thread to join */
	pthread_t thread;
	uint64_t due_ns; /* the thread's: when its rate allows the next byte */

	pthread_mutex_t lock; /* for all below, and for what the device shares with its thread */
	enum data_pipe_end end;
	int failure;	/* errno */
	uint64_t bytes; /* put into the pipe (saving) or taken out of it (loading) */
};

/* @run is called with @context, in a thread of its own in which all signals are blocked. */
void data_pipe_init(struct data_pipe *pipe, void *(*run)(void *context), void *context);

/* How much the pipe holds, and whether it keeps writes apart. */
struct data_pipe_shape {
	int capacity; /* bytes; more than the user's limit: slower, not wrong */
	bool packets;
};

/* Begin a stream. -EMFILE, -ENFILE, -EAGAIN (no thread), -ENOMEM (all VFIOMIG_DEVICE); nothing is left open then. */
int data_pipe_open(struct data_pipe *pipe, enum data_pipe_use use, struct data_pipe_shape shape,
		   struct vfiomig_error *err);

/* PRE_COPY -> STOP_COPY: the same data_fd goes on where its stream stands. Errors as of open; to be closed then. */
int data_pipe_go_on(struct data_pipe *pipe, struct vfiomig_error *err);

/* Nothing more will be written: wait until the device has taken all that was. */
void data_pipe_finish(struct data_pipe *pipe);

/* Bytes that the user has moved so far: written (loading) or read (saving). Takes the lock. */
uint64_t data_pipe_moved(struct data_pipe *pipe);

/* What a result <= 0 of a read or write on data_fd means: see vfiomig_device_ops.explain. */
int data_pipe_explain(struct data_pipe *pipe, ssize_t result, uint64_t *at);

/* End the thread at once, whatever it waits for, and close all. A closed one is fine. */
void data_pipe_close(struct data_pipe *pipe);

void data_pipe_fini(struct data_pipe *pipe);

/* For the threads: */

enum data_pipe_wake { DATA_PIPE_READY, DATA_PIPE_FINISH, DATA_PIPE_QUIT };

/* Wait until own_fd has @events, or is asked to finish or to quit; own_fd's events go before finish. */
enum data_pipe_wake data_pipe_wait(struct data_pipe *pipe, short events);

/* Sleep until @due_ns of the monotonic clock. false: quit. */
bool data_pipe_sleep(struct data_pipe *pipe, uint64_t due_ns);

/* Sleep until @bytes more are due by @rate (0: at once). false: quit. */
bool data_pipe_pace(struct data_pipe *pipe, uint64_t rate, uint64_t bytes);

/* Put all of @bytes, at most @piece at once and not faster than @rate. false: quit. */
bool data_pipe_put(struct data_pipe *pipe, const uint8_t *from, uint64_t bytes, uint64_t piece, uint64_t rate);

/* Say why, and close own_fd: the user's next call feels it. @failure: errno of DATA_PIPE_FAILED, else 0. */
void data_pipe_end(struct data_pipe *pipe, enum data_pipe_end end, int failure);

/* After DATA_PIPE_PAUSED: there is more. The user's descriptor stays the same. 0 or a negative errno. */
int data_pipe_resume(struct data_pipe *pipe);

#endif
