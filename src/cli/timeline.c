/* SPDX-License-Identifier: MIT */
/* See timeline.h. */
#include "timeline.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "budget.h"
#include "estimate.h"
#include "html.h"
#include "terminal.h"
#include "timeline_chart.h"
#include "timeline_kind.h"
#include "timeline_numbers.h"
#include "timeline_style.h"

int timeline_open(struct timeline *timeline, const char *path, struct vfiomig_error *err)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666), rc;

	*timeline = (struct timeline){ .path = path, .created = fd >= 0 };
	if (fd < 0 && errno == EEXIST)
		fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd >= 0)
		timeline->file = fdopen(fd, "w");
	if (timeline->file)
		return 0;
	rc = -errno;
	if (fd >= 0)
		close(fd);
	if (timeline->created)
		unlink(path);
	*timeline = (struct timeline){ 0 };
	*err = (struct vfiomig_error){ .code = VFIOMIG_USAGE, .errnum = -rc, .name = "timeline" };
	snprintf(err->text, sizeof(err->text), "--timeline %.400s: it cannot be written: %s", path, strerror(-rc));
	return rc;
}

static void headline(const struct migration *migration, FILE *out)
{
	const struct vfiomig_budget *budget = &migration->budget;

	if (budget->downtime_ns)
		fprintf(out, "Downtime %s", units_time(budget->downtime_ns / 1000).text);
	else
		fputs(migration_is_recording(migration) ? "Recorded" : "Stopped, and not migrated", out);
}

/* What was slowest: of the whole, and of the part that streams. */
static void verdict(const struct migration *migration, FILE *out)
{
	const struct vfiomig_budget *budget = &migration->budget;
	enum vfiomig_span longest = budget_path_longest(budget);
	const struct vfiomig_device_budget *device = &budget->device[budget->path_device];
	uint64_t ns;

	if (longest == VFIOMIG_SPAN_COUNT || !budget->downtime_ns)
		return;
	ns = budget_path_ns(budget, longest);
	fprintf(out, "<p class=\"lead\">Most of it was <b>%s</b> at the %s: %s, %.0f %%.", vfiomig_span_name(longest),
		budget_side(longest), units_time(ns / 1000).text, (double)ns * 100 / (double)budget->downtime_ns);
	if (budget->devices > 1) {
		fprintf(out, " Of %u devices, <b>", budget->devices);
		html_text(out, migration_device_label(migration, budget->path_device).text);
		fputs("</b> was ready last.", out);
	}
	if (device->bottleneck != VFIOMIG_SPAN_COUNT)
		fprintf(out, " Its stream was held by <b>%s</b>.", vfiomig_span_name(device->bottleneck));
	fputs("</p>\n", out);
}

static void facts(const struct migration *migration, FILE *out)
{
	const struct vfiomig_stats *stats = &migration->stats;

	fprintf(out, "<p class=\"soft\">%u device%s, %s ", stats->devices, stats->devices == 1 ? "" : "s",
		units_bytes(stats->bytes).text);
	if (migration_is_recording(migration))
		html_text(out, stats->transport_reason);
	else
		fprintf(out, "over %u lane%s of %s, gate %s", stats->lanes, stats->lanes == 1 ? "" : "s",
			stats->transport ? stats->transport : "", stats->gate ? "on" : "off");
	if (migration->has_estimate)
		fprintf(out, ", downtime estimated before the stop: %s",
			estimate_range(migration->estimate.low_us, migration->estimate.high_us).text);
	fputs(".</p>\n", out);
	if (migration->result.error.code != VFIOMIG_OK) {
		fputs("<p>", out);
		html_text(out, migration->result.error.text);
		fputs("</p>\n", out);
	}
}

static void clocks(const struct vfiomig_budget *budget, FILE *out)
{
	if (!budget->both_sides) {
		fputs("<p class=\"soft\">Times are the source's; what the destination did is not known here.</p>\n",
		      out);
		return;
	}
	fprintf(out,
		"<p class=\"soft\">Times are on the source's clock, from the first device's stop. The destination's "
		"are "
		"placed there by the offset between both clocks, which is right within <b>%s</b>; to fit, "
		"boundaries between the hosts were moved by %s.</p>\n",
		units_time((budget->clock_error_ns + 999) / 1000).text,
		units_time((budget->clock_misfit_ns + 999) / 1000).text);
}

static void legend(FILE *out)
{
	fputs("<ul class=\"legend\">", out);
	for (unsigned kind = 0; kind < TIMELINE_KINDS; kind++)
		fprintf(out, "<li><i class=\"%s\"></i>%s</li>", timeline_kind_class((enum timeline_kind)kind),
			timeline_kind_word((enum timeline_kind)kind));
	fputs("<li class=\"soft\">height filled: how much of the time it was busy</li></ul>\n", out);
}

static void page(const struct migration *migration, FILE *out)
{
	fputs("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/>"
	      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n<title>",
	      out);
	headline(migration, out);
	fprintf(out, " \xe2\x80\x93 rdma-vfiomig</title>\n<style>\n%s</style></head>\n<body><main>\n<h1>",
		timeline_style);
	headline(migration, out);
	fputs("</h1>\n", out);
	verdict(migration, out);
	facts(migration, out);
	fputs("<h2>What each device was at</h2>\n<div class=\"card\">\n", out);
	legend(out);
	timeline_chart(migration, out);
	fputs("</div>\n", out);
	clocks(&migration->budget, out);
	if (migration->budget.path_pieces) {
		fputs("<h2>The critical path</h2>\n<div class=\"card\">\n", out);
		timeline_path_table(migration, out);
		fputs("</div>\n", out);
	}
	fputs("<h2>Streams</h2>\n<div class=\"card\">\n", out);
	timeline_stream_table(migration, out);
	fputs("</div>\n<h2>All spans</h2>\n", out);
	timeline_span_tables(migration, out);
	fprintf(out, "<p class=\"soft\">rdma-vfiomig %s</p>\n</main></body></html>\n", VFIOMIG_VERSION);
}

void timeline_close(struct timeline *timeline, const struct migration *migration)
{
	bool drawn = migration->has_budget;
	int failed;

	if (!timeline->file)
		return;
	if (drawn) {
		/* Of a pipe or a terminal there is nothing to cut off. */
		if (ftruncate(fileno(timeline->file), 0) && errno != EINVAL)
			terminal_say("%s: its old end could not be cut off: %s", timeline->path, strerror(errno));
		page(migration, timeline->file);
	}
	failed = ferror(timeline->file);
	if (fclose(timeline->file) || failed)
		terminal_say("%s: the timeline could not be written%s%s", timeline->path, failed ? "" : ": ",
			     failed ? "" : strerror(errno));
	else if (!drawn)
		terminal_say("%s: no timeline was written, as nothing was stopped", timeline->path);
	if (!drawn && timeline->created)
		unlink(timeline->path);
	timeline->file = NULL;
}
