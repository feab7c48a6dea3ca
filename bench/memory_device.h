/* SPDX-License-Identifier: MIT */
/*
 * A device whose stream is a file in memory: the fastest there can be, so that what is measured is the way between two
 * devices and not the devices. It can be told to take its time like a real one, and notes when things happened to it. The
 * library drives it by memory_device_ops; what the library is measured beside drives it by memory_device_enter.
 */
#ifndef BENCH_MEMORY_DEVICE_H
#define BENCH_MEMORY_DEVICE_H

#include <stdbool.h>
#include <stdint.h>

#include <vfiomig/vfiomig.h>

#include "moment.h"
#include "pace.h"

/* What takes time; all zero: nothing does, and it has a P2P state. */
struct memory_device_options {
	uint64_t transition_ms;		/* of each arc between two states */
	uint64_t load_ms;		/* of RESUMING -> STOP instead */
	uint64_t config_ms;		/* of a load of its config state; without, it has none */
	uint64_t read_rate, write_rate; /* bytes per second, 0: no limit */
	bool without_p2p;
};

struct memory_device {
	struct memory_device_options options;
	const struct vfiomig_device_info *like; /* what it says it is, or NULL: itself; the caller's */
	int fd;					/* memfd of `bytes` bytes, every page there; own */
	uint64_t bytes;
	enum vfiomig_state state;
	struct pace pace;
	uint64_t streamed;	/* bytes that the last stream moved, known once it has ended */
	uint64_t config_loaded; /* bytes of the last config state loaded */
	struct moment left;	/* exit of RUNNING: it ran until then */
	struct moment started;	/* entry of STOP_COPY: no byte was read before */
	struct moment loaded;	/* exit of RESUMING: every byte was written before */
	struct moment running;	/* entry of RUNNING: it runs from then on */
};

/* Fill it with @seed's bytes. 0 or negative errno; fini either way. */
int memory_device_init(struct memory_device *device, uint64_t bytes, uint64_t seed);
void memory_device_fini(struct memory_device *device);

/* All of its bytes, present, as *@memory (NULL if there are none), until unmap (NULL is fine). 0 or negative errno. */
int memory_device_map(const struct memory_device *device, void **memory);
void memory_device_unmap(const struct memory_device *device, void *memory);

/* Damage a word of every page, so that an equal content afterwards proves that it was written. 0 or negative errno. */
int memory_device_spoil(struct memory_device *device);

/* 0 if the two hold the same bytes, -EBADMSG if not, or another negative errno. */
int memory_device_compare(const struct memory_device *a, const struct memory_device *b);

/*
 * Be in @target at once: what streamed until then has ended, and all of it is taken; a state that streams begins at the first
 * byte. 0 or negative errno.
 */
int memory_device_enter(struct memory_device *device, enum vfiomig_state target);

/* As enter, but by the arcs between, and in their time. Also -EINVAL: there is no way. */
int memory_device_walk(struct memory_device *device, enum vfiomig_state target);

/* The stream's descriptor in STOP_COPY and RESUMING, else -1; the device's. */
int memory_device_data_fd(const struct memory_device *device);

extern const struct vfiomig_device_ops memory_device_ops;

#endif
