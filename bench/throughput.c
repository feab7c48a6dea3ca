/* SPDX-License-Identifier: MIT */
/*
 * Rounds of up to four: the bare loop, the library without payload checksum, with it, and with sealed packets; the order rotates, so that no
 * variant always comes after the same other. The ratio of a round is the library's rate over the bare loop's of that round.
 */
#include "throughput.h"

#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arguments.h"
#include "bare.h"
#include "json_file.h"
#include "library.h"
#include "memory_device.h"
#include "samples.h"

enum variant { VARIANT_BARE, VARIANT_NONE, VARIANT_CRC32C, VARIANT_AEAD, VARIANTS };

static const char *const variant_names[VARIANTS] = { "bare", "none", "crc32c", "aead" };
static const char *const loader_words[] = { "auto", "uring", "write", NULL }; /* by enum vfiomig_loader */
static const double aims[VARIANTS] = { 0, 0.95, 0.85, 0 };		      /* 0: none */

struct throughput_options {
	uint64_t bytes;
	unsigned rounds, warmups;
	struct library_options library;
	bool skips[VARIANTS];
	const char *json; /* path, or NULL */
};

/* What was measured; a struct of its own since it is large. */
struct throughput {
	const struct throughput_options *options;
	struct memory_device from, to;
	struct samples time_us[VARIANTS], ratio[VARIANTS], cpu_us[VARIANTS];
};

enum {
	KEY_ROUNDS = 'r',
	KEY_QPS = 'q',
	KEY_WARMUPS = 0x100,
	KEY_SLOTS,
	KEY_SLOT_BYTES,
	KEY_INTEGRITY,
	KEY_PAYLOAD,
	KEY_LOADER,
	KEY_JSON
};

static const struct argp_option throughput_argp_options[] = {
	{ "bytes", 'b', "N", 0, "Size of the stream (1G)", 0 },
	{ "rounds", KEY_ROUNDS, "N", 0, "Measured rounds (15)", 0 },
	{ "warmups", KEY_WARMUPS, "N", 0, "Rounds before them that do not count (3)", 0 },
	{ "qps", KEY_QPS, "N", 0, "Lanes of the library, 1 to 64 (8)", 0 },
	{ "slots", KEY_SLOTS, "N", 0, "Slots of the library (4: like the bare loop's buffer they fit into a cache)",
	  0 },
	{ "slot-bytes", KEY_SLOT_BYTES, "N", 0, "Payload of a slot, and piece of the bare loop (1M)", 0 },
	{ "integrity", KEY_INTEGRITY, "both|none|crc32c", 0, "What the library checks (both, one after the other)", 0 },
	{ "payload", KEY_PAYLOAD, "clear|aead|both", 0,
	  "The library's packets as they are, sealed, or one after the other (clear)", 0 },
	{ "loader", KEY_LOADER, "auto|uring|write", 0, "The library's loader (auto)", 0 },
	{ "json", KEY_JSON, "FILE", 0, "Write every sample to FILE (-: stdout)", 0 },
	{ 0 },
};

/* Each of the two options takes away variants, in whatever order they are given. */
static void choose_integrity(struct throughput_options *options, unsigned choice)
{
	options->skips[VARIANT_NONE] |= choice == 2;
	options->skips[VARIANT_CRC32C] |= choice == 1;
}

static void choose_payload(struct throughput_options *options, unsigned choice)
{
	options->skips[VARIANT_NONE] |= choice == 1;
	options->skips[VARIANT_CRC32C] |= choice == 1;
	options->skips[VARIANT_AEAD] = choice == 0;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	static const char *const integrities[] = { "both", "none", "crc32c", NULL };
	static const char *const payloads[] = { "clear", "aead", "both", NULL };
	struct throughput_options *options = state->input;
	struct library_options *library = &options->library;

	switch (key) {
	case 'b':
		options->bytes = argument_number(state, "bytes", arg, 1, (uint64_t)1 << 40);
		return 0;
	case KEY_ROUNDS:
		options->rounds = (unsigned)argument_number(state, "rounds", arg, 1, SAMPLES_MAX);
		return 0;
	case KEY_WARMUPS:
		options->warmups = (unsigned)argument_number(state, "warmups", arg, 0, SAMPLES_MAX);
		return 0;
	case KEY_QPS:
		library->lanes = (unsigned)argument_number(state, "qps", arg, 1, VFIOMIG_LANES_MAX);
		return 0;
	case KEY_SLOTS:
		library->slots = (unsigned)argument_number(state, "slots", arg, VFIOMIG_SLOTS_MIN, VFIOMIG_SLOTS_MAX);
		return 0;
	case KEY_SLOT_BYTES:
		library->slot_bytes =
			argument_number(state, "slot-bytes", arg, VFIOMIG_SLOT_BYTES_MIN, VFIOMIG_SLOT_BYTES_MAX);
		return 0;
	case KEY_INTEGRITY:
		choose_integrity(options, argument_choice(state, "integrity", arg, integrities));
		return 0;
	case KEY_PAYLOAD:
		choose_payload(options, argument_choice(state, "payload", arg, payloads));
		return 0;
	case KEY_LOADER:
		library->loader = (enum vfiomig_loader)argument_choice(state, "loader", arg, loader_words);
		return 0;
	case KEY_JSON:
		options->json = arg;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "%s: it takes options only", arg);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp throughput_argp = {
	throughput_argp_options,
	parse,
	NULL,
	"Migrate a stream in memory over TCP on loopback, beside a bare copy loop (read, send, receive, write) of the "
	"same piece "
	"size over one connection."
	"\vMeasured is the time in which the stream flows: for the bare loop from before its first read until after "
	"its last "
	"write; for the library from the source device's entry of STOP_COPY until its peer is told to leave RESUMING, "
	"which "
	"includes the token and the end of the stream. Connections, buffers and threads are made before, in both. What "
	"arrived "
	"is compared with what was sent after every round.",
	NULL,
	NULL,
	NULL,
};

/* From the source device's entry of STOP_COPY until its peer is told to leave RESUMING. */
static int migrate(struct throughput *bench, enum variant variant, struct moment *cost, struct vfiomig_error *err)
{
	struct memory_device *memory[] = { &bench->from, &bench->to };
	struct vfiomig_device *devices[] = { NULL, NULL };
	struct library_options options = bench->options->library;
	struct library_outcome outcome;
	int rc = 0;

	for (int i = 0; !rc && i < 2; i++) {
		rc = memory_device_enter(memory[i], VFIOMIG_STATE_RUNNING);
		if (!rc)
			rc = vfiomig_device_wrap(&devices[i], &memory_device_ops, memory[i], NULL, VFIOMIG_GATE_AUTO,
						 err);
	}
	options.integrity = variant == VARIANT_NONE ? VFIOMIG_INTEGRITY_NONE : VFIOMIG_INTEGRITY_CRC32C;
	options.sealed = variant == VARIANT_AEAD;
	if (!rc)
		rc = library_migrate(&devices[0], &devices[1], 1, &options, &outcome, err);
	*cost = moment_since(bench->from.started, bench->to.loaded);
	vfiomig_device_close(devices[0]);
	vfiomig_device_close(devices[1]);
	return rc;
}

static int measure(struct throughput *bench, enum variant variant, struct moment *cost)
{
	const struct throughput_options *options = bench->options;
	struct vfiomig_error err = { 0 };
	int rc = memory_device_spoil(&bench->to);

	if (!rc && variant == VARIANT_BARE)
		rc = bare_copy(&bench->from, &bench->to, 1, options->library.slot_bytes, cost);
	else if (!rc)
		rc = migrate(bench, variant, cost, &err);
	if (!rc)
		rc = memory_device_compare(&bench->from, &bench->to);
	if (rc)
		fprintf(stderr, "vfiomig-bench: %s: %s\n", variant_names[variant],
			err.text[0] ? err.text : strerror(-rc));
	return rc;
}

/* Round @round of all variants, of which the first one moves on by one from round to round. */
static int run_round(struct throughput *bench, unsigned round, bool counts)
{
	struct moment cost[VARIANTS] = { 0 };

	for (unsigned i = 0; i < VARIANTS; i++) {
		enum variant variant = (enum variant)((round + i) % VARIANTS);
		int rc = bench->options->skips[variant] ? 0 : measure(bench, variant, &cost[variant]);

		if (rc)
			return rc;
	}
	for (unsigned i = 0; counts && i < VARIANTS; i++) {
		if (bench->options->skips[i])
			continue;
		samples_add(&bench->time_us[i], (double)cost[i].wall_ns / 1e3);
		samples_add(&bench->ratio[i], (double)cost[VARIANT_BARE].wall_ns / (double)cost[i].wall_ns);
		samples_add(&bench->cpu_us[i], (double)cost[i].cpu_ns / 1e3);
	}
	return 0;
}

static void print(const struct throughput *bench)
{
	const struct throughput_options *options = bench->options;

	printf("%" PRIu64 " bytes over TCP loopback, pieces of %zu bytes, %u lanes, %u slots, %u rounds after %u "
	       "warm-ups\n\n",
	       options->bytes, options->library.slot_bytes, options->library.lanes, options->library.slots,
	       options->rounds, options->warmups);
	printf("  %-26s %9s %9s %8s %17s %6s\n", "", "MEDIAN", "CPU s/GB", "RATIO", "QUARTILES", "AIM");
	for (unsigned i = 0; i < VARIANTS; i++) {
		const struct samples *ratio = &bench->ratio[i];
		double rate = (double)options->bytes / samples_quantile(&bench->time_us[i], 0.5) / 1e3;
		char label[32];

		if (options->skips[i])
			continue;
		snprintf(label, sizeof(label), i == VARIANT_BARE ? "bare copy loop" : "library, %s %s",
			 i == VARIANT_AEAD ? "payload" : "integrity", variant_names[i]);
		printf("  %-26s %4.2f GB/s %9.2f", label, rate,
		       samples_quantile(&bench->cpu_us[i], 0.5) * 1e3 / (double)options->bytes);
		if (i != VARIANT_BARE)
			printf(" %8.3f    %6.3f - %.3f", samples_quantile(ratio, 0.5), samples_quantile(ratio, 0.25),
			       samples_quantile(ratio, 0.75));
		if (aims[i] > 0)
			printf(" %6.2f", aims[i]);
		putchar('\n');
	}
}

static json_t *variant_object(const struct throughput *bench, unsigned variant)
{
	const struct samples *time_us = &bench->time_us[variant], *ratio = &bench->ratio[variant];

	return json_pack("{ss sf sf so so so}", "name", variant_names[variant], "median_us",
			 samples_quantile(time_us, 0.5), "median_ratio", samples_quantile(ratio, 0.5), "samples_us",
			 json_samples(time_us), "ratios", json_samples(ratio), "samples_cpu_us",
			 json_samples(&bench->cpu_us[variant]));
}

static int write_json(const struct throughput *bench)
{
	const struct throughput_options *options = bench->options;
	json_t *variants = json_array(), *object = json_file_begin("throughput");

	for (unsigned i = 0; i < VARIANTS; i++)
		if (!options->skips[i])
			json_array_append_new(variants, variant_object(bench, i));
	json_object_update_new(object,
			       json_pack("{sI sI si si ss si si so}", "bytes", (json_int_t)options->bytes, "slot_bytes",
					 (json_int_t)options->library.slot_bytes, "lanes", (int)options->library.lanes,
					 "slots", (int)options->library.slots, "loader",
					 loader_words[options->library.loader], "rounds", (int)options->rounds,
					 "warmups", (int)options->warmups, "variants", variants));
	return json_file_end(object, options->json);
}

static int run(struct throughput *bench)
{
	const struct throughput_options *options = bench->options;
	int rc = memory_device_init(&bench->from, options->bytes, 1);

	if (!rc)
		rc = memory_device_init(&bench->to, options->bytes, 2);
	if (rc)
		fprintf(stderr, "vfiomig-bench: no memory for two streams of %" PRIu64 " bytes: %s\n", options->bytes,
			strerror(-rc));
	for (unsigned i = 0; !rc && i < options->warmups + options->rounds; i++)
		rc = run_round(bench, i, i >= options->warmups);
	return rc;
}

int throughput_main(int argc, char **argv)
{
	struct throughput_options options = {
		.bytes = 1u << 30,
		.rounds = 15,
		.warmups = 3,
		.library = { .transport = VFIOMIG_TRANSPORT_TCP,
			     .lanes = 8,
			     .slots = 4,
			     .slot_bytes = 1 << 20,
			     .address = "127.0.0.1" },
		.skips = { [VARIANT_AEAD] = true },
	};
	struct throughput *bench = calloc(1, sizeof(*bench));
	int rc;

	if (!bench)
		return VFIOMIG_INTERNAL;
	argp_parse(&throughput_argp, argc, argv, 0, NULL, &options);
	*bench = (struct throughput){ .options = &options, .from.fd = -1, .to.fd = -1 };
	rc = run(bench);
	if (!rc && (!options.json || strcmp(options.json, "-")))
		print(bench);
	if (!rc && options.json)
		rc = write_json(bench);
	memory_device_fini(&bench->from);
	memory_device_fini(&bench->to);
	free(bench);
	return rc ? VFIOMIG_INTERNAL : VFIOMIG_OK;
}
