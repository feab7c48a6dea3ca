/* SPDX-License-Identifier: MIT */
/* The samples of a "vfiomig-bench/1" file: one series per cell of `downtime` or variant of `throughput`. */
#ifndef BENCH_SERIES_H
#define BENCH_SERIES_H

#include <jansson.h>

#include "samples.h"

struct series {
	json_t *parameters; /* what it is: two series of the same are compared; flat, "kind" among them; own */
	struct samples samples_us;
	unsigned failed; /* runs that gave no sample */
};

struct series_file {
	char command[16];
	unsigned count;
	struct series *series; /* own */
};

/* Read it. Returns 0, or -1 and what is wrong in @sentence; fini either way. */
int series_file_read(struct series_file *file, const char *path, char *sentence, size_t bytes);
void series_file_fini(struct series_file *file);

/* The series of @file with @parameters, or NULL. */
const struct series *series_file_find(const struct series_file *file, const json_t *parameters);

#endif
