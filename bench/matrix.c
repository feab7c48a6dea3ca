/* SPDX-License-Identifier: MIT */
/* See matrix.h. */
#include "matrix.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "arguments.h"

static const char *const transport_words[] = { "auto", "rdma", "tcp", NULL }; /* by enum vfiomig_transport */
static const char *const loader_words[] = { "auto", "uring", "write", NULL }; /* by enum vfiomig_loader */
static const char *const gate_words[] = { "off", "on", NULL };
static const char *const states_words[] = { "parallel", "serial", NULL };
static const char *const integrity_words[] = { "crc32c", "none", NULL }; /* by enum vfiomig_integrity */

static const char *const payload_words[] = { "clear", "aead", NULL };

static const struct rule {
	const char *option, *key;
	uint64_t min, max;	  /* of a number */
	const char *const *words; /* or what it can be */
	uint64_t initial;
	bool baselines; /* means something to baselines, too */
} rules[DIMENSIONS] = {
	[DIMENSION_DEVICES] = { "devices", "devices", 1, VFIOMIG_DEVICES_MAX, NULL, 1, true },
	[DIMENSION_BYTES] = { "bytes", "bytes", 0, (uint64_t)1 << 40, NULL, 1 << 20, true },
	[DIMENSION_QPS] = { "qps", "qps", 1, VFIOMIG_LANES_MAX, NULL, 8, false },
	[DIMENSION_TRANSPORT] = { "transport", "transport", 0, 0, transport_words, VFIOMIG_TRANSPORT_TCP, false },
	[DIMENSION_LOADER] = { "loader", "loader", 0, 0, loader_words, VFIOMIG_LOADER_AUTO, false },
	[DIMENSION_SLOT_BYTES] = { "slot-bytes", "slot_bytes", VFIOMIG_SLOT_BYTES_MIN, VFIOMIG_SLOT_BYTES_MAX, NULL,
				   1 << 20, true },
	[DIMENSION_SLOTS] = { "slots", "slots", VFIOMIG_SLOTS_MIN, VFIOMIG_SLOTS_MAX, NULL, 16, false },
	[DIMENSION_GATE] = { "gate", "gate", 0, 0, gate_words, 0, false },
	[DIMENSION_STATES] = { "states", "states", 0, 0, states_words, 0, false },
	[DIMENSION_INTEGRITY] = { "integrity", "integrity", 0, 0, integrity_words, VFIOMIG_INTEGRITY_CRC32C, false },
	[DIMENSION_PAYLOAD] = { "payload", "payload", 0, 0, payload_words, 0, false },
};

const char *matrix_option(enum dimension dimension)
{
	return rules[dimension].option;
}

const char *matrix_key(enum dimension dimension)
{
	return rules[dimension].key;
}

bool matrix_has_words(enum dimension dimension)
{
	return rules[dimension].words;
}

void matrix_defaults(struct matrix *matrix)
{
	*matrix = (struct matrix){ .beside_write = true };
	for (unsigned i = 0; i < DIMENSIONS; i++)
		matrix->dimension[i] = (struct matrix_values){ .count = 1, .value = { rules[i].initial } };
	for (unsigned i = 0; i < BASELINES; i++)
		matrix->beside[i] = true;
}

static void append(struct matrix_values *values, uint64_t value, const char *option, const char *word,
		   struct argp_state *state)
{
	for (unsigned i = 0; i < values->count; i++)
		if (values->value[i] == value)
			argp_error(state, "--%s: %s is in the list twice", option, word);
	if (values->count == MATRIX_VALUES_MAX)
		argp_error(state, "--%s: at most %d values in a list", option, MATRIX_VALUES_MAX);
	else
		values->value[values->count++] = value;
}

void matrix_read(struct matrix *matrix, enum dimension dimension, const char *text, struct argp_state *state)
{
	const struct rule *rule = &rules[dimension];
	struct matrix_values *values = &matrix->dimension[dimension];
	char word[ARGUMENT_BYTES_MAX];

	values->count = 0;
	do {
		uint64_t value;

		text = argument_item(state, rule->option, text, word);
		value = rule->words ? argument_choice(state, rule->option, word, rule->words)
				    : argument_number(state, rule->option, word, rule->min, rule->max);
		append(values, value, rule->option, word, state);
	} while (text);
}

void matrix_read_baselines(struct matrix *matrix, const char *text, struct argp_state *state)
{
	static const char *words[BASELINES + 4] = { NULL };
	enum { WRITE = BASELINES, ALL, NONE };
	char word[ARGUMENT_BYTES_MAX];

	for (unsigned i = 0; i < BASELINES; i++) {
		words[i] = baseline_kinds[i].name;
		matrix->beside[i] = false;
	}
	matrix->beside_write = false;
	words[WRITE] = "write";
	words[ALL] = "all";
	words[NONE] = "none";
	do {
		unsigned choice;

		text = argument_item(state, "baselines", text, word);
		choice = argument_choice(state, "baselines", word, words);
		for (unsigned i = 0; i < BASELINES; i++)
			matrix->beside[i] = matrix->beside[i] || choice == i || choice == ALL;
		matrix->beside_write = matrix->beside_write || choice == WRITE || choice == ALL;
	} while (text);
}

static bool is_same(const struct matrix_cell *a, const struct matrix_cell *b)
{
	return a->library == b->library && (a->library || a->baseline == b->baseline) &&
	       !memcmp(a->value, b->value, sizeof(a->value));
}

/* False: there is no room for it. */
static bool add(struct matrix_cell *cells, unsigned *count, const struct matrix_cell *cell)
{
	for (unsigned i = 0; i < *count; i++)
		if (is_same(&cells[i], cell))
			return true;
	if (*count == MATRIX_CELLS_MAX)
		return false;
	cells[(*count)++] = *cell;
	return true;
}

/* The @number-th cell of the product; the last dimension changes fastest. */
static struct matrix_cell cell_at(const struct matrix *matrix, uint64_t number)
{
	struct matrix_cell cell = { .library = true };

	for (unsigned i = DIMENSIONS; i-- > 0;) {
		const struct matrix_values *values = &matrix->dimension[i];

		cell.value[i] = values->value[number % values->count];
		number /= values->count;
	}
	return cell;
}

static bool add_baselines(const struct matrix *matrix, struct matrix_cell *cells, unsigned *count, unsigned at)
{
	struct matrix_cell cell = cells[at];
	bool fits = true;

	if (matrix->beside_write) {
		cell.value[DIMENSION_LOADER] = VFIOMIG_LOADER_WRITE;
		fits = add(cells, count, &cell);
	}
	cell.library = false;
	for (unsigned i = 0; i < DIMENSIONS; i++)
		if (!rules[i].baselines)
			cell.value[i] = MATRIX_NONE;
	for (unsigned i = 0; i < BASELINES; i++) {
		cell.baseline = (enum baseline)i;
		if (matrix->beside[i])
			fits = fits && add(cells, count, &cell);
	}
	return fits;
}

bool matrix_cells(const struct matrix *matrix, struct matrix_cell *cells, unsigned *count, unsigned *library)
{
	uint64_t product = 1;
	bool fits = true;

	*count = 0;
	for (unsigned i = 0; i < DIMENSIONS; i++)
		product *= matrix->dimension[i].count;
	for (uint64_t i = 0; fits && i < product; i++) {
		struct matrix_cell cell = cell_at(matrix, i);

		fits = add(cells, count, &cell);
	}
	*library = *count;
	for (unsigned i = 0; fits && i < *library; i++)
		fits = add_baselines(matrix, cells, count, i);
	return fits;
}

const char *matrix_cell_kind(const struct matrix_cell *cell)
{
	return cell->library ? "library" : baseline_kinds[cell->baseline].name;
}

const char *matrix_value_text(enum dimension dimension, uint64_t value, char *text, size_t bytes)
{
	static const char suffixes[] = "\0KMG";
	unsigned step = 0;

	if (value == MATRIX_NONE)
		return "-";
	if (rules[dimension].words)
		return rules[dimension].words[value];
	while (value && value % 1024 == 0 && step < 3) {
		value /= 1024;
		step++;
	}
	snprintf(text, bytes, "%" PRIu64 "%.1s", value, &suffixes[step]);
	return text;
}

void matrix_cell_options(const struct matrix_cell *cell, struct library_options *options)
{
	options->lanes = (unsigned)cell->value[DIMENSION_QPS];
	options->slots = (unsigned)cell->value[DIMENSION_SLOTS];
	options->slot_bytes = cell->value[DIMENSION_SLOT_BYTES];
	options->transport = (enum vfiomig_transport)cell->value[DIMENSION_TRANSPORT];
	options->loader = (enum vfiomig_loader)cell->value[DIMENSION_LOADER];
	options->integrity = (enum vfiomig_integrity)cell->value[DIMENSION_INTEGRITY];
	options->sealed = cell->value[DIMENSION_PAYLOAD];
	options->gate = cell->value[DIMENSION_GATE];
	options->serial_states = cell->value[DIMENSION_STATES];
}
