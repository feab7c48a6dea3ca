/* SPDX-License-Identifier: MIT */
/*
 * All cells are measured in every round, and the round's first cell moves on by one from round to round, so that no cell always
 * comes after the same other and all share the machine's good and bad minutes. A ratio is one of two times of the same round.
 */
#include "downtime.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int lay_out(struct downtime *bench)
{
	static struct matrix_cell cells[MATRIX_CELLS_MAX];
	const struct downtime_options *options = &bench->options;
	unsigned count;
	int rc = 0;

	if (!matrix_cells(&options->matrix, cells, &count, &bench->of_matrix)) {
		fprintf(stderr,
			"vfiomig-bench: the lists and --baselines make more than the %d cells that are measured in one "
			"run\n",
			MATRIX_CELLS_MAX);
		return -1;
	}
	while (!rc && bench->cells < count) {
		rc = cell_init(&bench->cell[bench->cells], &cells[bench->cells], options->rounds);
		bench->cells++;
	}
	if (rc)
		fputs("vfiomig-bench: no memory for the samples\n", stderr);
	else
		fprintf(stderr,
			"vfiomig-bench: %u cells, %u of the matrix and %u beside it, in %u rounds after %u warm-ups\n",
			bench->cells, bench->of_matrix, bench->cells - bench->of_matrix, options->rounds,
			options->warmups);
	return rc;
}

static int run_round(struct downtime *bench, unsigned round)
{
	struct downtime_options *options = &bench->options;
	const struct cell_setting setting = { &options->input, options->address, options->peer_timeout_ms };
	bool warmup = round < options->warmups;

	for (unsigned i = 0; i < bench->cells; i++) {
		struct cell *cell = &bench->cell[(round + i) % bench->cells];

		if (cell_run(cell, &setting, warmup, warmup ? round : round - options->warmups)) {
			fputs("vfiomig-bench: no memory to keep a failure\n", stderr);
			return -1;
		}
	}
	return 0;
}

/* 0 if every run succeeded. */
static int tell_failures(const struct downtime *bench)
{
	unsigned failed = 0;
	const char *text = NULL;

	for (unsigned i = 0; i < bench->cells; i++) {
		const struct cell *cell = &bench->cell[i];

		failed += cell->failed + cell->failed_warmups;
		if (!text && cell->failures)
			text = cell->failures[0].text;
	}
	if (!failed)
		return 0;
	fprintf(stderr, "vfiomig-bench: %u of %u runs failed; the first one: %s\n", failed,
		bench->cells * (bench->options.rounds + bench->options.warmups), text);
	return -1;
}

/* Whether the devices can be had at all, before the first round: VFIOMIG_OK, or the code to end with after a sentence. */
static int try_devices(struct downtime *bench)
{
	const struct matrix_cell *what = &bench->cell[0].what;
	struct vfiomig_error err = { 0 };
	struct input_pairs pairs;
	int rc = input_open(&bench->options.input, (unsigned)what->value[DIMENSION_DEVICES],
			    what->value[DIMENSION_BYTES], &pairs, &err);

	input_close(&pairs);
	if (!rc)
		return VFIOMIG_OK;
	fprintf(stderr, "vfiomig-bench: %s\n", err.text);
	return err.code ? (int)err.code : VFIOMIG_INTERNAL;
}

/* The exit code. */
static int run(struct downtime *bench)
{
	const struct downtime_options *options = &bench->options;
	int code = try_devices(bench), rc = 0;

	if (code)
		return code;
	for (unsigned i = 0; !rc && i < options->warmups + options->rounds; i++)
		rc = run_round(bench, i);
	if (!rc && (!options->json || strcmp(options->json, "-")))
		downtime_print(bench);
	if (!rc && options->json)
		rc = downtime_write(bench);
	if (!rc)
		rc = tell_failures(bench);
	return rc ? VFIOMIG_INTERNAL : VFIOMIG_OK;
}

int downtime_main(int argc, char **argv)
{
	struct downtime *bench = calloc(1, sizeof(*bench));
	int code = VFIOMIG_USAGE;

	if (!bench)
		return VFIOMIG_INTERNAL;
	bench->options = (struct downtime_options){
		.rounds = 30, .warmups = 3, .address = "127.0.0.1", .input = { .text = "memory" }
	};
	matrix_defaults(&bench->options.matrix);
	argp_parse(&downtime_argp, argc, argv, 0, NULL, &bench->options);
	if (!lay_out(bench))
		code = run(bench);
	while (bench->cells)
		cell_fini(&bench->cell[--bench->cells]);
	memory_sets_fini(&bench->options.input.sets);
	free(bench);
	return code;
}
