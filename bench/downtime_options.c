/* SPDX-License-Identifier: MIT */
/* The command line of `downtime`. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "arguments.h"
#include "device_options.h"
#include "downtime.h"

enum {
	KEY_DIMENSION = 0x100, /* and as many more as there are dimensions */
	KEY_BASELINES = KEY_DIMENSION + DIMENSIONS,
	KEY_ROUNDS,
	KEY_WARMUPS,
	KEY_INPUT,
	KEY_DEVICE_OPTIONS,
	KEY_SOURCE_OPTIONS,
	KEY_DESTINATION_OPTIONS,
	KEY_ADDRESS,
	KEY_PEER_TIMEOUT,
	KEY_JSON
};

static const struct argp_option downtime_argp_options[] = {
	{ NULL, 0, NULL, 0, "What is varied, each a list with commas between; the cells are their product:", 1 },
	{ "devices", KEY_DIMENSION + DIMENSION_DEVICES, "N", 0, "Devices, 1 to 64 (1)", 1 },
	{ "bytes", KEY_DIMENSION + DIMENSION_BYTES, "N", 0, "Stream of each device (1M)", 1 },
	{ "qps", KEY_DIMENSION + DIMENSION_QPS, "N", 0, "Lanes, 1 to 64 (8)", 1 },
	{ "transport", KEY_DIMENSION + DIMENSION_TRANSPORT, "auto|rdma|tcp", 0, "What carries it (tcp)", 1 },
	{ "loader", KEY_DIMENSION + DIMENSION_LOADER, "auto|uring|write", 0, "What writes at the destination (auto)",
	  1 },
	{ "slot-bytes", KEY_DIMENSION + DIMENSION_SLOT_BYTES, "N", 0, "Payload of a slot, piece of the baselines (1M)",
	  1 },
	{ "slots", KEY_DIMENSION + DIMENSION_SLOTS, "N", 0, "Slots per device: the window (16)", 1 },
	{ "gate", KEY_DIMENSION + DIMENSION_GATE, "off|on", 0, "Config loads wait for the token (off)", 1 },
	{ "states", KEY_DIMENSION + DIMENSION_STATES, "parallel|serial", 0, "Transitions of several devices (parallel)",
	  1 },
	{ "integrity", KEY_DIMENSION + DIMENSION_INTEGRITY, "crc32c|none", 0, "What is checked (crc32c)", 1 },
	{ "payload", KEY_DIMENSION + DIMENSION_PAYLOAD, "clear|aead", 0,
	  "Packets as they are or sealed, with TLS on the control connection then (clear)", 1 },
	{ "baselines", KEY_BASELINES, "LIST", 0,
	  "Of read, load, memcpy, bare, sequential, write; or all, or none (all)", 2 },
	{ "rounds", KEY_ROUNDS, "N", 0, "Measured rounds (30)", 2 },
	{ "warmups", KEY_WARMUPS, "N", 0, "Rounds before them that do not count (3)", 2 },
	{ "input", KEY_INPUT, "memory|sim|file:PATH", 0,
	  "Devices: the bench's own in memory, the library's simulated ones, or a recording that is played into one in "
	  "memory; baselines but `write` need `memory` (memory)",
	  3 },
	{ "device-options", KEY_DEVICE_OPTIONS, "TEXT", 0,
	  "Of both sides' devices. Memory devices: " DEVICE_OPTIONS_HELP ". Simulated ones: as in sim:", 3 },
	{ "source-options", KEY_SOURCE_OPTIONS, "TEXT", 0, "More, of the source's devices", 3 },
	{ "destination-options", KEY_DESTINATION_OPTIONS, "TEXT", 0, "More, of the destination's devices", 3 },
	{ "address", KEY_ADDRESS, "HOST", 0, "Of this host, where the two ends meet (127.0.0.1)", 3 },
	{ "peer-timeout", KEY_PEER_TIMEOUT, "MS", 0, "Silence that ends a run (the library's: 1000)", 3 },
	{ "json", KEY_JSON, "FILE", 0, "Write every sample and every failure to FILE (-: stdout)", 4 },
	{ 0 },
};

static void append_options(char *options, size_t room, const char *text, const char *option, struct argp_state *state)
{
	size_t at = strlen(options);

	if (snprintf(options + at, room - at, "%s%s", at ? "," : "", text) >= (int)(room - at))
		argp_error(state, "--%s: more than %zu characters in all", option, room - 1);
}

static void read_input(struct input *input, const char *text, struct argp_state *state)
{
	if (!input_read(input, text))
		argp_error(state, "--input: '%s' is none of memory, sim, file:PATH", text);
}

/* Bytes of memory devices and of both sides' slots, at most at once. */
static uint64_t memory_bytes(const struct downtime_options *options)
{
	const struct matrix_values *dimension = options->matrix.dimension;
	uint64_t most[DIMENSIONS] = { 0 }, streams = 0;

	for (unsigned i = 0; i < DIMENSIONS; i++)
		for (unsigned v = 0; v < dimension[i].count; v++)
			if (dimension[i].value[v] > most[i])
				most[i] = dimension[i].value[v];
	for (unsigned v = 0; v < dimension[DIMENSION_BYTES].count; v++)
		streams += dimension[DIMENSION_BYTES].value[v];
	if (options->input.kind != INPUT_MEMORY)
		streams = 0;
	return 2 * most[DIMENSION_DEVICES] * (streams + most[DIMENSION_SLOTS] * most[DIMENSION_SLOT_BYTES]);
}

static void check_memory(const struct downtime_options *options, struct argp_state *state)
{
	uint64_t need = memory_bytes(options);
	uint64_t have = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);

	if (need > have)
		argp_error(state,
			   "both sides' devices and slots would need %" PRIu64
			   " MiB of memory, and this host has %" PRIu64 " MiB",
			   need >> 20, have >> 20);
}

/* What only fits together or not once all is read. */
static void check(struct downtime_options *options, struct argp_state *state)
{
	struct matrix_values *bytes = &options->matrix.dimension[DIMENSION_BYTES];
	const struct matrix_values *devices = &options->matrix.dimension[DIMENSION_DEVICES];
	char sentence[640];

	if (input_read_options(&options->input, sentence, sizeof(sentence)))
		argp_error(state, "device options: %s", sentence);
	if (options->input.kind == INPUT_FILE && (devices->count != 1 || devices->value[0] != 1))
		argp_error(state, "--input %s: a recording is of one device", options->input.text);
	if (options->input.kind == INPUT_FILE)
		*bytes = (struct matrix_values){ .count = 1, .value = { MATRIX_NONE } };
	for (unsigned i = 0; i < devices->count && options->input.kind == INPUT_MEMORY; i++)
		if (devices->value[i] > 1 &&
		    (options->input.sets.from.without_p2p || options->input.sets.to.without_p2p))
			argp_error(state, "p2p=off: several devices need their P2P states");
	for (unsigned i = 0; i < BASELINES && options->input.kind != INPUT_MEMORY; i++)
		options->matrix.beside[i] = false; /* only the library can drive them */
	check_memory(options, state);
}

/* Options of the run, not of the matrix. */
static error_t parse_run(struct downtime_options *options, int key, char *arg, struct argp_state *state)
{
	struct input *input = &options->input;

	switch (key) {
	case KEY_ROUNDS:
		options->rounds = (unsigned)argument_number(state, "rounds", arg, 1, SAMPLES_MAX);
		return 0;
	case KEY_WARMUPS:
		options->warmups = (unsigned)argument_number(state, "warmups", arg, 0, SAMPLES_MAX);
		return 0;
	case KEY_INPUT:
		read_input(input, arg, state);
		return 0;
	case KEY_DEVICE_OPTIONS:
		append_options(input->destination_options, sizeof(input->destination_options), arg, "device-options",
			       state);
		append_options(input->source_options, sizeof(input->source_options), arg, "device-options", state);
		return 0;
	case KEY_SOURCE_OPTIONS:
		append_options(input->source_options, sizeof(input->source_options), arg, "source-options", state);
		return 0;
	case KEY_DESTINATION_OPTIONS:
		append_options(input->destination_options, sizeof(input->destination_options), arg,
			       "destination-options", state);
		return 0;
	case KEY_ADDRESS:
		options->address = arg;
		return 0;
	case KEY_PEER_TIMEOUT:
		options->peer_timeout_ms = (unsigned)argument_number(state, "peer-timeout", arg, 1, 3600000);
		return 0;
	case KEY_JSON:
		options->json = arg;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct downtime_options *options = state->input;

	if (key >= KEY_DIMENSION && key < KEY_DIMENSION + DIMENSIONS) {
		matrix_read(&options->matrix, (enum dimension)(key - KEY_DIMENSION), arg, state);
		return 0;
	}
	switch (key) {
	case KEY_BASELINES:
		matrix_read_baselines(&options->matrix, arg, state);
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "%s: it takes options only", arg);
		return 0;
	case ARGP_KEY_END:
		check(options, state);
		return 0;
	default:
		return parse_run(options, key, arg, state);
	}
}

const struct argp downtime_argp = {
	downtime_argp_options,
	parse,
	NULL,
	"Migrate devices within this process, over loopback, and measure how long they stand still: a matrix of cells, "
	"each "
	"measured once in every round, beside ways to do without the library."
	"\vDowntime is the library's own figure: from the first source device's leaving RUNNING until the source hears "
	"that all "
	"of "
	"the destination's run. What each baseline's time is, is printed below the table; where it has no transitions, "
	"its time "
	"is a floor and not a migration. All use the same devices. Streams are compared after every run; a run that "
	"failed "
	"is "
	"counted, its sentence is kept, and the program ends with 1. Ratios are to the first cell's time in the same "
	"round.",
	NULL,
	NULL,
	NULL,
};
