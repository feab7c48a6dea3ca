/* SPDX-License-Identifier: MIT */
/* What `downtime` measured, for people: a row per cell, and a column per dimension that differs between them. */
#include <stdio.h>
#include <string.h>

#include "downtime.h"

enum { VALUE_WIDTH = 10, TEXT_BYTES = 32 };

static bool differs(const struct downtime *bench, enum dimension dimension)
{
	uint64_t first = bench->cell[0].what.value[dimension];

	for (unsigned i = 1; i < bench->cells; i++) {
		uint64_t value = bench->cell[i].what.value[dimension];

		if (value != first && value != MATRIX_NONE)
			return true;
	}
	return false;
}

static void print_value(const struct matrix_cell *what, enum dimension dimension)
{
	char text[TEXT_BYTES];

	printf(" %-*s", VALUE_WIDTH, matrix_value_text(dimension, what->value[dimension], text, sizeof(text)));
}

static void print_head(const struct downtime *bench)
{
	const struct input *input = &bench->options.input;
	char text[TEXT_BYTES];

	printf("input %s", input->text);
	for (unsigned i = 0; i < DIMENSIONS; i++)
		if (!differs(bench, (enum dimension)i))
			printf(", %s %s", matrix_option((enum dimension)i),
			       matrix_value_text((enum dimension)i, bench->cell[0].what.value[i], text, sizeof(text)));
	printf("\n%u rounds after %u warm-ups", bench->options.rounds, bench->options.warmups);
	if (*input->source_options || *input->destination_options)
		printf("; source %s; destination %s", *input->source_options ? input->source_options : "-",
		       *input->destination_options ? input->destination_options : "-");
	printf("\n\n  %-11s", "ms");
	for (unsigned i = 0; i < DIMENSIONS; i++)
		if (differs(bench, (enum dimension)i))
			printf(" %-*s", VALUE_WIDTH, matrix_option((enum dimension)i));
	printf(" %9s %9s %9s %9s %9s %7s %6s\n", "MIN", "P25", "P50", "P95", "MAX", "RATIO", "FAILED");
}

static void print_row(const struct downtime *bench, const struct cell *cell)
{
	static const double shares[] = { 0, 0.25, 0.5, 0.95, 1 };
	struct samples times, ratios;

	cell_samples(cell, cell_time_us, &times);
	cell_ratios(cell, &bench->cell[0], &ratios);
	printf("  %-11s", matrix_cell_kind(&cell->what));
	for (unsigned i = 0; i < DIMENSIONS; i++)
		if (differs(bench, (enum dimension)i))
			print_value(&cell->what, (enum dimension)i);
	for (unsigned i = 0; i < sizeof(shares) / sizeof(*shares); i++)
		if (times.count)
			printf(" %9.3f", samples_quantile(&times, shares[i]) / 1e3);
		else
			printf(" %9s", "-");
	if (ratios.count)
		printf(" %7.3f", samples_quantile(&ratios, 0.5));
	else
		printf(" %7s", "-");
	printf(" %6u\n", cell->failed + cell->failed_warmups);
}

/* The median of each span on the first cell's critical path: where its time goes. */
static void print_path(const struct cell *cell)
{
	struct samples samples;

	cell_path(cell, (enum vfiomig_span)0, &samples);
	if (!samples.count)
		return;
	puts("\nwhere the first row's time goes, medians of its critical path, ms:");
	for (unsigned span = 0; span < VFIOMIG_SPAN_COUNT; span++) {
		cell_path(cell, (enum vfiomig_span)span, &samples);
		if (samples_quantile(&samples, 0.5) > 0)
			printf("  %-18s %9.3f\n", vfiomig_span_name((enum vfiomig_span)span),
			       samples_quantile(&samples, 0.5) / 1e3);
	}
}

static void print_meanings(const struct downtime *bench)
{
	bool told[BASELINES] = { false };

	puts("\nlibrary: downtime, from the first device's leaving RUNNING until the source hears that all run; RATIO "
	     "is to "
	     "the first row in the same round");
	for (unsigned i = 0; i < bench->cells; i++) {
		const struct matrix_cell *what = &bench->cell[i].what;

		if (what->library || told[what->baseline])
			continue;
		told[what->baseline] = true;
		printf("%s: %s\n", baseline_kinds[what->baseline].name, baseline_kinds[what->baseline].measures);
	}
}

void downtime_print(const struct downtime *bench)
{
	print_head(bench);
	for (unsigned i = 0; i < bench->cells; i++)
		print_row(bench, &bench->cell[i]);
	print_path(&bench->cell[0]);
	print_meanings(bench);
}
