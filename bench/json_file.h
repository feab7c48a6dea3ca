/* SPDX-License-Identifier: MIT */
/* What the commands' JSON has in common: "vfiomig-bench/1", every sample in it. */
#ifndef BENCH_JSON_FILE_H
#define BENCH_JSON_FILE_H

#include <jansson.h>

#include "samples.h"

/* {schema, command, version}; the caller's. */
json_t *json_file_begin(const char *command);

/* The caller's. */
json_t *json_samples(const struct samples *samples);

/* Write @object to @path (-: stdout) and drop it. Returns 0, or -1 after a sentence on stderr. */
int json_file_end(json_t *object, const char *path);

#endif
