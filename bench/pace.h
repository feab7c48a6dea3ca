/* SPDX-License-Identifier: MIT */
/*
 * A stream that takes its time: a pipe, and a thread at its other end that moves bytes between it and a file no faster than
 * a device would. The pipe holds some 20 ms of the rate, so that whoever reads or writes it feels the rate.
 */
#ifndef BENCH_PACE_H
#define BENCH_PACE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* The least rate: below it the pipe's least capacity, a page, would be more than 20 ms. */
#define PACE_RATE_MIN ((uint64_t)256 << 10)

struct pace {
	bool runs;	/* the rest counts only then */
	bool gives;	/* from the file into the pipe; else from the pipe into the file */
	int data_fd;	/* the user's end; owned */
	int own_fd;	/* the thread's end; owned, closed by the thread when it ends */
	int file;	/* the caller's, read or written from its offset 0 on */
	uint64_t rate;	/* bytes per second */
	uint64_t bytes; /* moved so far: the thread's until pace_end */
	int error;	/* negative errno of the file; as bytes */
	pthread_t thread;
};

/* Start a stream. 0 or negative errno, with nothing left open. */
int pace_begin(struct pace *pace, int file, bool gives, uint64_t rate);

/* End it: a taking one takes what the pipe holds, at its rate. The thread's error, or 0; bytes says how many it moved. */
int pace_end(struct pace *pace);

#endif
