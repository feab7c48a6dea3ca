/* SPDX-License-Identifier: MIT */
/* What `downtime` measured, for programs: every sample by its round, and every failure. */
#include <string.h>

#include "downtime.h"
#include "json_file.h"

/* null where the round failed, or where the figure is not known. */
static json_t *by_round(const struct cell *cell, cell_figure *figure)
{
	json_t *array = json_array();

	for (unsigned i = 0; i < cell->rounds; i++) {
		const struct cell_record *record = &cell->records[i];
		bool known = record->ok && figure(record) >= 0;

		json_array_append_new(array, known ? json_real(figure(record)) : json_null());
	}
	return array;
}

static json_t *parameters(const struct downtime_options *options, const struct matrix_cell *what)
{
	json_t *object = json_object();

	for (unsigned i = 0; i < DIMENSIONS; i++) {
		uint64_t value = what->value[i];
		json_t *json = json_null();

		if (value != MATRIX_NONE && matrix_has_words((enum dimension)i))
			json = json_string(matrix_value_text((enum dimension)i, value, NULL, 0));
		else if (value != MATRIX_NONE)
			json = json_integer((json_int_t)value);
		json_object_set_new(object, matrix_key((enum dimension)i), json);
	}
	json_object_set_new(object, "input", json_string(options->input.text));
	json_object_set_new(object, "source_options", json_string(options->input.source_options));
	json_object_set_new(object, "destination_options", json_string(options->input.destination_options));
	return object;
}

static json_t *failures(const struct cell *cell)
{
	json_t *array = json_array();

	for (unsigned i = 0; i < cell->failed + cell->failed_warmups; i++)
		json_array_append_new(array, json_pack("{si sb ss}", "round", (int)cell->failures[i].round, "warmup",
						       (int)cell->failures[i].warmup, "error", cell->failures[i].text));
	return array;
}

/* Medians of the critical path by span, and how often each span was the bottleneck; nothing where the library gave no budget. */
static void add_budget(json_t *object, const struct cell *cell)
{
	json_t *path = json_object(), *named = json_object();
	struct samples samples = { 0 };

	for (unsigned span = 0; span <= VFIOMIG_SPAN_COUNT; span++) {
		unsigned times = cell_bottlenecks(cell, (enum vfiomig_span)span);
		const char *name = span < VFIOMIG_SPAN_COUNT ? vfiomig_span_name((enum vfiomig_span)span) : "not known";

		if (span < VFIOMIG_SPAN_COUNT)
			cell_path(cell, (enum vfiomig_span)span, &samples);
		if (span < VFIOMIG_SPAN_COUNT && samples_quantile(&samples, 1) > 0)
			json_object_set_new(path, name, json_real(samples_quantile(&samples, 0.5)));
		if (times)
			json_object_set_new(named, name, json_integer(times));
	}
	if (samples.count) {
		json_object_set_new(object, "budgets", json_integer(samples.count));
		json_object_set(object, "path_median_us", path);
		json_object_set_new(object, "path_misfit_us_max", json_real(cell_path_misfit_us(cell)));
		json_object_set(object, "bottlenecks", named);
	}
	json_decref(path);
	json_decref(named);
}

static json_t *cell_object(const struct downtime *bench, const struct cell *cell)
{
	struct samples times, ratios;
	json_t *object = json_pack("{ss so}", "kind", matrix_cell_kind(&cell->what), "parameters",
				   parameters(&bench->options, &cell->what));

	cell_samples(cell, cell_time_us, &times);
	cell_ratios(cell, &bench->cell[0], &ratios);
	json_object_update_new(object,
			       json_pack("{sb si so so so}", "of_matrix", cell < &bench->cell[bench->of_matrix],
					 "succeeded", (int)times.count, "samples_us", by_round(cell, cell_time_us),
					 "samples_cpu_us", by_round(cell, cell_cpu_us), "failures", failures(cell)));
	if (times.count)
		json_object_set_new(object, "median_us", json_real(samples_quantile(&times, 0.5)));
	if (ratios.count)
		json_object_set_new(object, "median_ratio", json_real(samples_quantile(&ratios, 0.5)));
	if (!cell->what.library) {
		json_object_set_new(object, "measures", json_string(baseline_kinds[cell->what.baseline].measures));
		return object;
	}
	json_object_set_new(object, "samples_devices_us", by_round(cell, cell_devices_us));
	json_object_set_new(object, "transport_used", json_string(cell->transport));
	json_object_set_new(object, "loader_used", json_string(cell->loader));
	add_budget(object, cell);
	return object;
}

int downtime_write(const struct downtime *bench)
{
	json_t *object = json_file_begin("downtime"), *cells = json_array();

	for (unsigned i = 0; i < bench->cells; i++)
		json_array_append_new(cells, cell_object(bench, &bench->cell[i]));
	json_object_update_new(object, json_pack("{si si ss so}", "rounds", (int)bench->options.rounds, "warmups",
						 (int)bench->options.warmups, "address", bench->options.address,
						 "cells", cells));
	return json_file_end(object, bench->options.json);
}
