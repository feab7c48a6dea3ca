/* SPDX-License-Identifier: MIT */
/* The options of a simulated device. */
#ifndef DEVICE_SIM_OPTIONS_H
#define DEVICE_SIM_OPTIONS_H

#include <stdint.h>

#include <vfiomig/device.h>

#include "device/spec.h"

#define SIM_NEVER UINT64_MAX

/* By which of the two a driver would end PRE_COPY's data. A pipe can only give 0; explain says -ENOMSG for both, as vfio's. */
enum sim_precopy { SIM_PRECOPY_OFF, SIM_PRECOPY_ENOMSG, SIM_PRECOPY_ZERO };
enum sim_personality { SIM_PLAIN, SIM_TINY, SIM_SHORT_END, SIM_SLOW_LOAD };

enum { SIM_TINY_BYTES_MAX = 4096 };

/* Numbers, words (the enums above) and switches (1: on) alike are uint64_t: a rule of spec.h fills them. */
struct sim_options {
	uint64_t bytes; /* of the whole stream */
	uint64_t seed;
	uint64_t read_chunk, write_chunk;	/* most bytes that one call moves, 0: no limit */
	uint64_t read_rate, write_rate;		/* bytes per second, 0: no limit */
	uint64_t read_error_at, write_error_at; /* the first byte that fails with EIO, or SIM_NEVER */
	uint64_t transition_ms;			/* of each arc, where arc_ms says nothing else */
	uint64_t arc_ms[VFIOMIG_STATE_COUNT];	/* by the state that an arc leads to, or SIM_NEVER */
	uint64_t load_ms;			/* of RESUMING -> STOP, or SIM_NEVER */
	uint64_t fail_state;			/* arcs to it fail; VFIOMIG_STATE_ERROR: none does */
	uint64_t precopy;			/* enum sim_precopy */
	uint64_t precopy_bytes;			/* of bytes, how many PRE_COPY gives at most */
	uint64_t initial_bytes;			/* of those, how many it gives at once */
	uint64_t dirty_rate;			/* bytes per second, of the rest of those; 0: at once, too */
	uint64_t p2p;
	uint64_t personality;	   /* enum sim_personality */
	uint64_t config;	   /* index of the config space's size: 0, 256, 4096 */
	uint64_t config_seed;	   /* SIM_NEVER: seed */
	uint64_t config_layout;	   /* index of config_layout_words */
	uint64_t unchecked_config; /* check-config=off */
};

/* Defaults, then what @spec says. -EINVAL (VFIOMIG_USAGE). */
int sim_options_read(struct sim_options *options, const struct spec *spec, struct vfiomig_error *err);

/* VFIOMIG_MIGRATION_* */
uint32_t sim_options_flags(const struct sim_options *options);

/* Bytes of the config space. */
uint32_t sim_options_config_bytes(const struct sim_options *options);

/* How long the arc takes, ms. */
uint64_t sim_options_arc_ms(const struct sim_options *options, enum vfiomig_state from, enum vfiomig_state to);

/* The pipe's capacity that provokes the calls which the options ask for. */
int sim_options_save_capacity(const struct sim_options *options);
int sim_options_load_capacity(const struct sim_options *options);

#endif
