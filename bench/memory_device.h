/* SPDX-License-Identifier: MIT */
/*
 * A device whose stream is a file in memory: the fastest there can be, so that what is measured is the way between two
 * devices and not the devices. It notes when its stream began to flow and when all of it was loaded.
 */
#ifndef BENCH_MEMORY_DEVICE_H
#define BENCH_MEMORY_DEVICE_H

#include <stdint.h>

#include <vfiomig/vfiomig.h>

/* A moment, and what it has cost until then. */
struct moment {
	uint64_t wall_ns; /* CLOCK_MONOTONIC */
	uint64_t cpu_ns;  /* of all threads of this process, the kernel's work for them included */
};

struct moment moment_now(void);
struct moment moment_since(struct moment start, struct moment end);

struct memory_device {
	int fd; /* memfd of `bytes` bytes, every page there; own */
	uint64_t bytes;
	enum vfiomig_state state;
	struct moment started; /* entry of STOP_COPY: no byte was read before */
	struct moment loaded;  /* exit of RESUMING: every byte was written before */
};

/* Fill it with @seed's bytes. 0 or negative errno; fini either way. */
int memory_device_init(struct memory_device *device, uint64_t bytes, uint64_t seed);
void memory_device_fini(struct memory_device *device);

/* Damage a word of every page, so that an equal content afterwards proves that it was written. 0 or negative errno. */
int memory_device_spoil(struct memory_device *device);

/* 0 if the two hold the same bytes, -EBADMSG if not, or another negative errno. */
int memory_device_compare(const struct memory_device *a, const struct memory_device *b);

extern const struct vfiomig_device_ops memory_device_ops;

#endif
