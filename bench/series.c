/* SPDX-License-Identifier: MIT */
/* See series.h. A file may come from anywhere, so nothing in it is believed before it was looked at. */
#include "series.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Where each command keeps its series, and which of the file's own fields say what they are, too. */
static const struct layout {
	const char *command, *array, *name;
	const char *shared[5];
} layouts[] = {
	{ "downtime", "cells", "kind", { NULL } },
	{ "throughput", "variants", "name", { "bytes", "slot_bytes", "lanes", "slots", "loader" } },
};

static int read_samples(struct series *series, const json_t *array)
{
	size_t i;
	json_t *value;

	if (!json_is_array(array))
		return -1;
	json_array_foreach(array, i, value)
	{
		if (json_is_null(value))
			continue;
		if (!json_is_number(value) || !(json_number_value(value) > 0) ||
		    series->samples_us.count == SAMPLES_MAX)
			return -1;
		samples_add(&series->samples_us, json_number_value(value));
	}
	return 0;
}

/* Takes what it says about itself into one flat object. */
static int read_series(struct series *series, const struct layout *layout, const json_t *root, const json_t *object)
{
	json_t *name = json_object_get(object, layout->name), *parameters = json_object_get(object, "parameters");

	series->parameters = json_object();
	series->failed = (unsigned)json_array_size(json_object_get(object, "failures"));
	if (!json_is_string(name) || (parameters && !json_is_object(parameters)))
		return -1;
	json_object_set(series->parameters, "kind", name);
	if (parameters)
		json_object_update(series->parameters, parameters);
	for (size_t i = 0; i < sizeof(layout->shared) / sizeof(*layout->shared) && layout->shared[i]; i++)
		json_object_set(series->parameters, layout->shared[i], json_object_get(root, layout->shared[i]));
	return read_samples(series, json_object_get(object, "samples_us"));
}

static int read_all(struct series_file *file, const struct layout *layout, const json_t *root, char *sentence,
		    size_t bytes)
{
	const json_t *array = json_object_get(root, layout->array);
	size_t count = json_array_size(array);

	file->series = calloc(count ? count : 1, sizeof(*file->series));
	if (!file->series || !count) {
		snprintf(sentence, bytes, "it has no \"%s\"", layout->array);
		return -1;
	}
	while (file->count < count) {
		struct series *series = &file->series[file->count++];
		const json_t *object = json_array_get(array, file->count - 1);
		const struct series *first;

		if (read_series(series, layout, root, object)) {
			snprintf(
				sentence, bytes,
				"number %u of its \"%s\" is not as `vfiomig-bench %s` writes them: a %s and at most %d "
				"samples_us above 0 are needed",
				file->count, layout->array, layout->command, layout->name, SAMPLES_MAX);
			return -1;
		}
		first = series_file_find(file, series->parameters);
		if (first != series) {
			snprintf(sentence, bytes, "numbers %u and %u of its \"%s\" have the same parameters",
				 (unsigned)(first - file->series) + 1, file->count, layout->array);
			return -1;
		}
	}
	return 0;
}

static int read_root(struct series_file *file, const json_t *root, char *sentence, size_t bytes)
{
	const char *schema = json_string_value(json_object_get(root, "schema"));
	const char *command = json_string_value(json_object_get(root, "command"));

	for (size_t i = 0; schema && command && i < sizeof(layouts) / sizeof(*layouts); i++) {
		if (strcmp(schema, "vfiomig-bench/1") || strcmp(command, layouts[i].command))
			continue;
		snprintf(file->command, sizeof(file->command), "%s", command);
		return read_all(file, &layouts[i], root, sentence, bytes);
	}
	snprintf(sentence, bytes, "it is not what `vfiomig-bench downtime` or `throughput` writes with --json");
	return -1;
}

int series_file_read(struct series_file *file, const char *path, char *sentence, size_t bytes)
{
	json_error_t error;
	json_t *root = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
	int rc;

	*file = (struct series_file){ .count = 0 };
	if (!root) {
		if (error.line > 0)
			snprintf(sentence, bytes, "line %d: %s", error.line, error.text);
		else
			snprintf(sentence, bytes, "%s", error.text);
		return -1;
	}
	rc = read_root(file, root, sentence, bytes);
	json_decref(root);
	return rc;
}

void series_file_fini(struct series_file *file)
{
	for (unsigned i = 0; i < file->count; i++)
		json_decref(file->series[i].parameters);
	free(file->series);
	*file = (struct series_file){ .count = 0 };
}

const struct series *series_file_find(const struct series_file *file, const json_t *parameters)
{
	for (unsigned i = 0; i < file->count; i++)
		if (json_equal(file->series[i].parameters, parameters))
			return &file->series[i];
	return NULL;
}
