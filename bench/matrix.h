/* SPDX-License-Identifier: MIT */
/* What is varied: a list of values per dimension, and the cells that are their product. */
#ifndef BENCH_MATRIX_H
#define BENCH_MATRIX_H

#include <argp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "baseline.h"
#include "library.h"

enum dimension {
	DIMENSION_DEVICES,
	DIMENSION_BYTES,
	DIMENSION_QPS,
	DIMENSION_TRANSPORT,
	DIMENSION_LOADER,
	DIMENSION_SLOT_BYTES,
	DIMENSION_SLOTS,
	DIMENSION_GATE,
	DIMENSION_STATES,
	DIMENSION_INTEGRITY,
	DIMENSION_PAYLOAD,
	DIMENSIONS
};

enum { MATRIX_VALUES_MAX = 16, MATRIX_CELLS_MAX = 256 };

/* A cell's value of a dimension that its kind knows nothing of. */
#define MATRIX_NONE UINT64_MAX

struct matrix_values {
	unsigned count;
	uint64_t value[MATRIX_VALUES_MAX]; /* a number, or the index of a word */
};

struct matrix {
	struct matrix_values dimension[DIMENSIONS];
	bool beside[BASELINES]; /* baselines that are measured in the same run */
	bool beside_write;	/* every cell also with --loader write */
};

/* What is measured: the library, or a baseline. */
struct matrix_cell {
	bool library;
	enum baseline baseline; /* if not */
	uint64_t value[DIMENSIONS];
};

/* The names of a dimension: that of its option, and "slot_bytes" for JSON. */
const char *matrix_option(enum dimension dimension);
const char *matrix_key(enum dimension dimension);

/* One value of each dimension, all baselines. */
void matrix_defaults(struct matrix *matrix);

/* Take @text, values with commas between, for @dimension, or end the program with a sentence. */
void matrix_read(struct matrix *matrix, enum dimension dimension, const char *text, struct argp_state *state);

/* As matrix_read, for --baselines: names of baseline_kinds, "write", "all" or "none". */
void matrix_read_baselines(struct matrix *matrix, const char *text, struct argp_state *state);

/*
 * The cells, the library's first, each once; @cells has room for MATRIX_CELLS_MAX. *@count is how many there are, of which *@library
 * are of the product; false: they are more than that.
 */
bool matrix_cells(const struct matrix *matrix, struct matrix_cell *cells, unsigned *count, unsigned *library);

/* "library", or the baseline's name. */
const char *matrix_cell_kind(const struct matrix_cell *cell);

/* The value as it is written on the command line, "-" for MATRIX_NONE; NULL as @text is fine if it is a word. */
const char *matrix_value_text(enum dimension dimension, uint64_t value, char *text, size_t bytes);

/* Is the dimension one of words, and not of numbers? */
bool matrix_has_words(enum dimension dimension);

/* A library cell as options; address and peer timeout stay the caller's. */
void matrix_cell_options(const struct matrix_cell *cell, struct library_options *options);

#endif
