/* SPDX-License-Identifier: MIT */
/*
 * All that can be asked of a simulated device, as one table of keys. Limits of calls become capacities of a pipe: what
 * a call can move at most is what the pipe holds.
 */
#include "device/sim_options.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>

#include "base/error.h"
#include "device/arcs.h"

enum { PAGE_BYTES = 4096, CAPACITY_MAX = 1 << 20, CAPACITY_ERROR = 64 << 10, CAPACITY_SLOW = 256 << 10 };

#define MS_MAX	   86400000
#define RATE_LEAST 1024

static const char *const switch_words[] = { "off", "on", NULL };
static const char *const unswitch_words[] = { "on", "off", NULL };
static const char *const precopy_words[] = { "off", "enomsg", "zero", NULL };
static const char *const personality_words[] = { "plain", "tiny", "short-end", "slow-load", NULL };
static const char *const config_words[] = { "0", "256", "4096", NULL };
/* At the index of each state; ERROR cannot be gone to. */
static const char *const state_words[] = { "none",	  "STOP",     "RUNNING",      "STOP_COPY", "RESUMING",
					   "RUNNING_P2P", "PRE_COPY", "PRE_COPY_P2P", NULL };

/* clang-format off */
#define AT(field)                    offsetof(struct sim_options, field)
#define NUMBER(key, field, from, to) { key, AT(field), SPEC_NUMBER, from, to, NULL }
#define BYTES(key, field, from, to)  { key, AT(field), SPEC_BYTES, from, to, NULL }
#define WORD(key, field, words)      { key, AT(field), SPEC_WORD, 0, 0, words }
#define ARC(key, state)              NUMBER(key, arc_ms[VFIOMIG_STATE_##state], 0, MS_MAX)
/* clang-format on */

static const struct spec_rule rules[] = {
	BYTES("bytes", bytes, 0, INT64_MAX),
	NUMBER("seed", seed, 0, UINT64_MAX - 1),
	BYTES("read-chunk", read_chunk, 1, INT64_MAX),
	BYTES("write-chunk", write_chunk, PAGE_BYTES, INT64_MAX),
	BYTES("read-rate", read_rate, RATE_LEAST, INT64_MAX),
	BYTES("write-rate", write_rate, RATE_LEAST, INT64_MAX),
	BYTES("read-error-at", read_error_at, 0, INT64_MAX),
	BYTES("write-error-at", write_error_at, 0, INT64_MAX),
	NUMBER("transition-ms", transition_ms, 0, MS_MAX),
	ARC("stop-ms", STOP),
	ARC("running-ms", RUNNING),
	ARC("stop-copy-ms", STOP_COPY),
	ARC("resuming-ms", RESUMING),
	ARC("running-p2p-ms", RUNNING_P2P),
	ARC("pre-copy-ms", PRE_COPY),
	ARC("pre-copy-p2p-ms", PRE_COPY_P2P),
	NUMBER("load-ms", load_ms, 0, MS_MAX),
	WORD("fail-state", fail_state, state_words),
	WORD("precopy", precopy, precopy_words),
	BYTES("precopy-bytes", precopy_bytes, 0, INT64_MAX),
	BYTES("initial-bytes", initial_bytes, 0, INT64_MAX),
	BYTES("dirty-rate", dirty_rate, 0, INT64_MAX),
	WORD("p2p", p2p, switch_words),
	WORD("personality", personality, personality_words),
	WORD("config-bytes", config, config_words),
	NUMBER("config-seed", config_seed, 0, UINT64_MAX - 1),
	WORD("config-layout", config_layout, config_layout_words),
	WORD("check-config", unchecked_config, unswitch_words),
};

static void set_defaults(struct sim_options *options)
{
	*options = (struct sim_options){
		.bytes = SIM_NEVER,
		.seed = 1,
		.read_error_at = SIM_NEVER,
		.write_error_at = SIM_NEVER,
		.load_ms = SIM_NEVER,
		.precopy = SIM_NEVER,
		.precopy_bytes = SIM_NEVER,
		.initial_bytes = SIM_NEVER,
		.p2p = 1,
		.config = 1,
		.config_seed = SIM_NEVER,
	};
	for (unsigned state = 0; state < VFIOMIG_STATE_COUNT; state++)
		options->arc_ms[state] = SIM_NEVER;
}

static int check_error_at(const struct sim_options *options, const struct spec *spec, const char *key, uint64_t at,
			  struct vfiomig_error *err)
{
	if (at == SIM_NEVER || at < options->bytes)
		return 0;
	return error_set(err, VFIOMIG_USAGE, EINVAL, "device-spec",
			 "device '%s': %s=%" PRIu64 " is behind the last of %" PRIu64 " bytes", spec->text, key, at,
			 options->bytes);
}

static int check_together(const struct sim_options *options, const struct spec *spec, struct vfiomig_error *err)
{
	int rc;

	if (spec->arg[0])
		return error_set(err, VFIOMIG_USAGE, EINVAL, "device-spec", "device '%s': '%s' is not key=value",
				 spec->text, spec->arg);
	if (options->personality == SIM_TINY && options->bytes > SIM_TINY_BYTES_MAX)
		return error_set(err, VFIOMIG_USAGE, EINVAL, "device-spec",
				 "device '%s': bytes=%" PRIu64 ": a tiny state has at most %d", spec->text,
				 options->bytes, SIM_TINY_BYTES_MAX);
	rc = check_error_at(options, spec, "read-error-at", options->read_error_at, err);
	return rc ? rc : check_error_at(options, spec, "write-error-at", options->write_error_at, err);
}

static int settle_precopy(struct sim_options *options, const struct spec *spec, struct vfiomig_error *err)
{
	if (options->precopy == SIM_NEVER)
		options->precopy = options->precopy_bytes == SIM_NEVER ? SIM_PRECOPY_OFF : SIM_PRECOPY_ENOMSG;
	if (options->precopy_bytes == SIM_NEVER)
		options->precopy_bytes = 0;
	if (options->initial_bytes == SIM_NEVER)
		options->initial_bytes = options->precopy_bytes;
	if (options->initial_bytes > options->precopy_bytes)
		return error_set(err, VFIOMIG_USAGE, EINVAL, "device-spec",
				 "device '%s': initial-bytes=%" PRIu64 " is more than precopy-bytes=%" PRIu64,
				 spec->text, options->initial_bytes, options->precopy_bytes);
	if (options->precopy_bytes > options->bytes)
		options->precopy_bytes = options->bytes;
	if (options->initial_bytes > options->precopy_bytes)
		options->initial_bytes = options->precopy_bytes;
	return 0;
}

int sim_options_read(struct sim_options *options, const struct spec *spec, struct vfiomig_error *err)
{
	int rc;

	set_defaults(options);
	rc = spec_apply(spec, rules, sizeof(rules) / sizeof(rules[0]), options, err);
	if (rc)
		return rc;
	if (options->bytes == SIM_NEVER)
		options->bytes = options->personality == SIM_TINY ? 320 : 64 << 20;
	if (options->config_seed == SIM_NEVER)
		options->config_seed = options->seed;
	rc = settle_precopy(options, spec, err);
	return rc ? rc : check_together(options, spec, err);
}

uint32_t sim_options_flags(const struct sim_options *options)
{
	return VFIOMIG_MIGRATION_STOP_COPY | (options->p2p ? (uint32_t)VFIOMIG_MIGRATION_P2P : 0) |
	       (options->precopy != SIM_PRECOPY_OFF ? (uint32_t)VFIOMIG_MIGRATION_PRE_COPY : 0);
}

uint32_t sim_options_config_bytes(const struct sim_options *options)
{
	static const uint32_t sizes[] = { 0, 256, 4096 };

	return sizes[options->config];
}

uint64_t sim_options_arc_ms(const struct sim_options *options, enum vfiomig_state from, enum vfiomig_state to)
{
	if (from == VFIOMIG_STATE_RESUMING && options->load_ms != SIM_NEVER)
		return options->load_ms;
	return options->arc_ms[to] != SIM_NEVER ? options->arc_ms[to] : options->transition_ms;
}

/* A pipe holds a power of two of bytes, at least a page. */
static int capacity(uint64_t bytes)
{
	int fits = PAGE_BYTES;

	while (fits < CAPACITY_MAX && (uint64_t)fits * 2 <= bytes)
		fits *= 2;
	return fits;
}

/* A rate is felt by the other end only if the pipe does not hide more than some 20 ms of it. */
static int capacity_for(uint64_t chunk, uint64_t rate)
{
	int by_chunk = capacity(chunk ? chunk : CAPACITY_MAX);
	int by_rate = capacity(rate ? rate / 50 : CAPACITY_MAX);

	return by_chunk < by_rate ? by_chunk : by_rate;
}

int sim_options_save_capacity(const struct sim_options *options)
{
	return capacity_for(options->read_chunk, options->read_rate);
}

int sim_options_load_capacity(const struct sim_options *options)
{
	int most = CAPACITY_MAX, wanted = capacity_for(options->write_chunk, options->write_rate);

	if (options->personality == SIM_SLOW_LOAD)
		most = CAPACITY_SLOW;
	if (options->personality == SIM_SHORT_END || options->write_error_at != SIM_NEVER)
		most = CAPACITY_ERROR; /* so that the writer feels it, and not only the state change */
	return wanted < most ? wanted : most;
}
