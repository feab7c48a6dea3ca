/* SPDX-License-Identifier: MIT */
/* See cell.h: one run of a cell. */
#include "cell.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the devices saw: from the first one's leaving RUNNING until the last one runs on the other side. */
static struct moment devices_cost(const struct memory_set *set, unsigned devices)
{
	struct moment start = set->from[0].left, end = set->to[0].running;

	for (unsigned d = 1; d < devices; d++) {
		if (set->from[d].left.wall_ns < start.wall_ns)
			start = set->from[d].left;
		if (set->to[d].running.wall_ns > end.wall_ns)
			end = set->to[d].running;
	}
	return moment_since(start, end);
}

static void keep_budget(struct cell_record *record, const struct vfiomig_budget *budget)
{
	record->has_budget = true;
	record->path_misfit_us = -(double)budget->downtime_ns / 1e3;
	record->bottleneck = budget->device[budget->path_device].bottleneck;
	for (unsigned i = 0; i < budget->path_pieces; i++) {
		const struct vfiomig_path_piece *piece = &budget->path[i];

		record->path_us[piece->span] += (double)(piece->end_ns - piece->begin_ns) / 1e3;
		record->path_misfit_us += (double)(piece->end_ns - piece->begin_ns) / 1e3;
	}
}

static int run_library(struct cell *cell, const struct cell_setting *setting, struct cell_record *record,
		       struct vfiomig_error *err)
{
	struct library_options options = { .address = setting->address, .peer_timeout_ms = setting->peer_timeout_ms };
	struct library_outcome outcome;
	struct input_pairs pairs;
	int rc = input_open(setting->input, (unsigned)cell->what.value[DIMENSION_DEVICES],
			    cell->what.value[DIMENSION_BYTES], &pairs, err);

	matrix_cell_options(&cell->what, &options);
	if (!rc)
		rc = library_migrate(pairs.from, pairs.to, pairs.count, &options, &outcome, err);
	if (!rc)
		rc = input_verify(setting->input, &pairs, &outcome, err);
	if (!rc) {
		*record =
			(struct cell_record){ .time_us = (double)outcome.downtime_us, .cpu_us = -1, .devices_us = -1 };
		snprintf(cell->transport, sizeof(cell->transport), "%s", outcome.transport);
		snprintf(cell->loader, sizeof(cell->loader), "%s", outcome.loader);
		if (outcome.has_budget)
			keep_budget(record, &outcome.budget);
	}
	if (!rc && setting->input->kind == INPUT_MEMORY) {
		struct moment cost = devices_cost(pairs.set, pairs.count);

		record->cpu_us = (double)cost.cpu_ns / 1e3;
		record->devices_us = (double)cost.wall_ns / 1e3;
	}
	input_close(&pairs);
	return rc;
}

static int run_baseline(const struct cell *cell, const struct cell_setting *setting, struct cell_record *record,
			struct vfiomig_error *err)
{
	const struct baseline_kind *kind = &baseline_kinds[cell->what.baseline];
	unsigned devices = (unsigned)cell->what.value[DIMENSION_DEVICES];
	struct memory_set *set = input_memory(setting->input, devices, cell->what.value[DIMENSION_BYTES], err);
	struct moment cost;
	int rc;

	if (!set)
		return -EIO;
	rc = kind->run(set->from, set->to, devices, cell->what.value[DIMENSION_SLOT_BYTES], &cost);
	if (rc) {
		snprintf(err->text, sizeof(err->text), "%s: %s", kind->name, strerror(-rc));
		return rc;
	}
	if (kind->loads)
		rc = input_compare(set, devices, err);
	*record = (struct cell_record){ .time_us = (double)cost.wall_ns / 1e3,
					.cpu_us = (double)cost.cpu_ns / 1e3,
					.devices_us = -1 };
	return rc;
}

static int keep_failure(struct cell *cell, bool warmup, unsigned round, const char *text)
{
	struct cell_failure *grown =
		realloc(cell->failures, (cell->failed + cell->failed_warmups + 1) * sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	cell->failures = grown;
	grown += cell->failed + cell->failed_warmups;
	*grown = (struct cell_failure){ .round = round, .warmup = warmup };
	snprintf(grown->text, sizeof(grown->text), "%s", text);
	if (warmup)
		cell->failed_warmups++;
	else
		cell->failed++;
	return 0;
}

int cell_run(struct cell *cell, const struct cell_setting *setting, bool warmup, unsigned round)
{
	struct vfiomig_error err = { 0 };
	struct cell_record record = { 0 };
	int rc = cell->what.library ? run_library(cell, setting, &record, &err)
				    : run_baseline(cell, setting, &record, &err);

	record.ok = !rc;
	if (!warmup)
		cell->records[cell->rounds++] = record;
	return rc ? keep_failure(cell, warmup, round, err.text[0] ? err.text : strerror(-rc)) : 0;
}
