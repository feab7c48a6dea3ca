/* SPDX-License-Identifier: MIT */
/* See json_file.h. */
#include "json_file.h"

#include <stdio.h>
#include <string.h>

#include <vfiomig/vfiomig.h>

json_t *json_file_begin(const char *command)
{
	return json_pack("{ss ss ss}", "schema", "vfiomig-bench/1", "command", command, "version", vfiomig_version());
}

json_t *json_samples(const struct samples *samples)
{
	json_t *array = json_array();

	for (unsigned i = 0; i < samples->count; i++)
		json_array_append_new(array, json_real(samples->values[i]));
	return array;
}

int json_file_end(json_t *object, const char *path)
{
	int rc;

	if (!strcmp(path, "-"))
		rc = json_dumpf(object, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(12)) || putchar('\n') < 0 ||
		     fflush(stdout);
	else
		rc = json_dump_file(object, path, JSON_INDENT(2) | JSON_REAL_PRECISION(12));
	json_decref(object);
	if (rc)
		fprintf(stderr, "vfiomig-bench: the samples could not be written to %s\n", path);
	return rc ? -1 : 0;
}
