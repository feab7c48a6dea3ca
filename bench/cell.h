/* SPDX-License-Identifier: MIT */
/* A cell of the matrix with all that was measured of it: every round's record, and every failure with its sentence. */
#ifndef BENCH_CELL_H
#define BENCH_CELL_H

#include <stdbool.h>
#include <stdint.h>

#include "input.h"
#include "matrix.h"
#include "samples.h"

/* One measured round. Times in microseconds; a negative one is not known. */
struct cell_record {
	bool ok; /* false: it failed, and the rest is nothing */
	double time_us;
	double cpu_us;	   /* of both ends, from the first device's leaving RUNNING until the last one runs */
	double devices_us; /* library: the same span as the devices saw it */
	bool has_budget;
	double path_us[VFIOMIG_SPAN_COUNT]; /* of the critical path, by span */
	double path_misfit_us;		    /* the path's pieces less the downtime: they should fill it exactly */
	enum vfiomig_span bottleneck;
};

struct cell_failure {
	unsigned round; /* warm-ups are numbered from 0, measured rounds as well */
	bool warmup;
	char text[512];
};

struct cell {
	struct matrix_cell what;
	struct cell_record *records;   /* by round; own */
	unsigned rounds;	       /* measured so far */
	struct cell_failure *failures; /* own */
	unsigned failed, failed_warmups;
	char transport[8], loader[8]; /* what the library took; empty for baselines */
};

/* 0 or -ENOMEM, with room for @rounds; fini either way. */
int cell_init(struct cell *cell, const struct matrix_cell *what, unsigned rounds);
void cell_fini(struct cell *cell);

/* What does not change from run to run. */
struct cell_setting {
	struct input *input;
	const char *address;
	unsigned peer_timeout_ms;
};

/* Run it once, and keep what it gave; a warm-up leaves only its failure. 0 or -ENOMEM: a failure is no error here. */
int cell_run(struct cell *cell, const struct cell_setting *setting, bool warmup, unsigned round);

/* A figure of a record, or a negative number if it is not known. */
typedef double cell_figure(const struct cell_record *record);
cell_figure cell_time_us, cell_cpu_us, cell_devices_us;

/* The rounds that gave the figure. */
void cell_samples(const struct cell *cell, cell_figure *figure, struct samples *samples);

/* The cell's time over that of @first, of the rounds in which both succeeded. */
void cell_ratios(const struct cell *cell, const struct cell *first, struct samples *samples);

/* Of the rounds with a budget: time on the critical path, and how often the span was the bottleneck (COUNT: of none). */
void cell_path(const struct cell *cell, enum vfiomig_span span, struct samples *samples);
double cell_path_misfit_us(const struct cell *cell); /* the largest, without sign */
unsigned cell_bottlenecks(const struct cell *cell, enum vfiomig_span span);

#endif
