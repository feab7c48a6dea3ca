/* SPDX-License-Identifier: MIT */
/* `vfiomig-bench downtime`: a matrix of migrations, and what they are measured beside, round by round. */
#ifndef BENCH_DOWNTIME_H
#define BENCH_DOWNTIME_H

#include <argp.h>

#include "cell.h"

struct downtime_options {
	struct matrix matrix;
	struct input input;
	unsigned rounds, warmups;
	const char *address;
	unsigned peer_timeout_ms; /* 0: the library's default */
	const char *json;	  /* path, or NULL */
};

struct downtime {
	struct downtime_options options;
	unsigned cells, of_matrix; /* those of the matrix are the first */
	struct cell cell[MATRIX_CELLS_MAX];
};

/* Its input is a struct downtime_options with the defaults in it. */
extern const struct argp downtime_argp;

int downtime_main(int argc, char **argv);

/* The table, to stdout. */
void downtime_print(const struct downtime *bench);

/* All samples, to options.json. Returns 0, or -1 after a sentence on stderr. */
int downtime_write(const struct downtime *bench);

#endif
