/* SPDX-License-Identifier: MIT */
/* The budget for people: the critical path piece by piece, then what held each device's stream. See budget.h. */
#include "budget.h"

#include <string.h>

#include "table.h"
#include "units.h"

enum { BAR_COLUMNS = 40 };

struct text {
	char text[BAR_COLUMNS + 1];
};

static struct units share_text(double share)
{
	struct units out;

	snprintf(out.text, sizeof(out.text), "%.0f %%", share * 100);
	return out;
}

/* What took any time at all has a mark. */
static struct text bar(double share)
{
	int columns = (int)(share * BAR_COLUMNS + 0.5);
	struct text out = { "" };

	columns = columns > BAR_COLUMNS ? BAR_COLUMNS : columns;
	memset(out.text, '#', (size_t)(columns < 1 ? share > 0 : columns));
	return out;
}

static void path(const struct migration *migration, FILE *out)
{
	const struct vfiomig_budget *budget = &migration->budget;
	struct units device = migration_device_label(migration, budget->path_device);
	struct units error = units_time((budget->clock_error_ns + 999) / 1000);
	struct table table;

	fputs("\nwhere the downtime went", out);
	if (budget->devices > 1)
		fprintf(out, ", along device %s, which was ready last", device.text);
	fprintf(out, " (clocks agree within %s)\n\n", error.text);
	table_init(&table, "llrrl");
	table_row(&table, "SPAN", "AT", "TIME", "SHARE", "");
	for (unsigned i = 0; i < budget->path_pieces; i++) {
		const struct vfiomig_path_piece *piece = &budget->path[i];
		uint64_t ns = piece->end_ns - piece->begin_ns;
		double share = budget->downtime_ns ? (double)ns / (double)budget->downtime_ns : 0;

		table_row(&table, vfiomig_span_name(piece->span), budget_side(piece->span), units_time(ns / 1000).text,
			  share_text(share).text, bar(share).text);
	}
	table_print(&table, out, 2);
	table_fini(&table);
}

static void stream_row(struct table *table, const struct migration *migration, unsigned i)
{
	const struct vfiomig_device_budget *device = &migration->budget.device[i];
	int64_t streaming_ns = device->streaming_end_ns - device->streaming_begin_ns;
	bool known = device->bottleneck != VFIOMIG_SPAN_COUNT;

	table_row(table, migration_device_label(migration, i).text, units_bytes(device->precopy_bytes).text,
		  units_time(device->precopy_ns / 1000).text, units_bytes(device->stop_copy_bytes).text,
		  units_time(streaming_ns > 0 ? (uint64_t)streaming_ns / 1000 : 0).text,
		  known ? share_text(device->read_share).text : "-", known ? share_text(device->wire_share).text : "-",
		  known ? share_text(device->load_share).text : "-",
		  known ? vfiomig_span_name(device->bottleneck) : "not known");
}

static void streams(const struct migration *migration, FILE *out)
{
	struct table table;

	table_init(&table, "lrrrrrrrl");
	table_row(&table, "DEVICE", "PRE-COPY", "IN", "STOP-COPY", "IN", "READ", "WIRE", "LOAD", "SLOWEST");
	for (unsigned i = 0; i < migration->budget.devices; i++)
		stream_row(&table, migration, i);
	fputc('\n', out);
	table_print(&table, out, 2);
	table_fini(&table);
}

void budget_print(const struct migration *migration, FILE *out)
{
	/* One side alone knows half of it. */
	if (!migration->has_budget || !migration->budget.both_sides)
		return;
	if (migration->budget.path_pieces)
		path(migration, out);
	streams(migration, out);
}
