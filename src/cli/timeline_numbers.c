/* SPDX-License-Identifier: MIT */
/* See timeline_numbers.h. */
#include "timeline_numbers.h"

#include "budget.h"
#include "html.h"
#include "timeline_kind.h"

static const char *class_of(enum vfiomig_span span)
{
	return timeline_kind_class(timeline_kind(span));
}

void timeline_path_table(const struct migration *migration, FILE *out)
{
	const struct vfiomig_budget *budget = &migration->budget;

	fputs("<table><tr><th>span</th><th class=\"l\">at</th><th>from ms</th><th>to ms</th><th>time ms</th>"
	      "<th>share</th><th></th></tr>\n",
	      out);
	for (unsigned i = 0; i < budget->path_pieces; i++) {
		const struct vfiomig_path_piece *piece = &budget->path[i];
		double begin_ms = (double)piece->begin_ns / 1e6, end_ms = (double)piece->end_ns / 1e6;
		double percent = budget->downtime_ns ? (end_ms - begin_ms) * 1e8 / (double)budget->downtime_ns : 0;

		fprintf(out,
			"<tr><td><i class=\"%s\"></i>%s</td><td class=\"l\">%s</td><td>%.3f</td><td>%.3f</td>"
			"<td>%.3f</td><td>%.1f %%</td><td class=\"bar\"><b class=\"%s\" style=\"width:%.1f%%\"></b>"
			"</td></tr>\n",
			class_of(piece->span), vfiomig_span_name(piece->span), budget_side(piece->span), begin_ms,
			end_ms, end_ms - begin_ms, percent, class_of(piece->span), percent);
	}
	fputs("</table>\n", out);
}

static void stream_row(const struct migration *migration, unsigned i, FILE *out)
{
	const struct vfiomig_device_budget *device = &migration->budget.device[i];
	double streaming_ms = (double)(device->streaming_end_ns - device->streaming_begin_ns) / 1e6;

	fputs("<tr><td>", out);
	html_text(out, migration_device_label(migration, i).text);
	fputs("</td><td class=\"l what\" title=\"", out);
	html_text(out, migration->transfer->specs[i]);
	fputs("\">", out);
	html_text(out, migration->transfer->specs[i]);
	fprintf(out, "</td><td>%s</td><td>%.3f</td><td>%s</td><td>%.3f</td>", units_bytes(device->precopy_bytes).text,
		(double)device->precopy_ns / 1e6, units_bytes(device->stop_copy_bytes).text, streaming_ms);
	if (device->bottleneck == VFIOMIG_SPAN_COUNT)
		fputs("<td></td><td></td><td></td><td class=\"l soft\">not known</td></tr>\n", out);
	else
		fprintf(out,
			"<td>%.0f %%</td><td>%.0f %%</td><td>%.0f %%</td><td class=\"l\"><i class=\"%s\"></i>%s</td>"
			"</tr>\n",
			device->read_share * 100, device->wire_share * 100, device->load_share * 100,
			class_of(device->bottleneck), vfiomig_span_name(device->bottleneck));
}

void timeline_stream_table(const struct migration *migration, FILE *out)
{
	fputs("<table><tr><th>device</th><th class=\"l\">what</th><th>pre-copied</th><th>in ms</th>"
	      "<th>while stopped</th><th>in ms</th><th>read busy</th><th>wire busy</th><th>load busy</th>"
	      "<th class=\"l\">slowest</th></tr>\n",
	      out);
	for (unsigned i = 0; i < migration->budget.devices; i++)
		stream_row(migration, i, out);
	fputs("</table>\n", out);
}

static void span_row(const struct vfiomig_device_budget *device, enum vfiomig_span span, FILE *out)
{
	const struct vfiomig_span_time *time = &device->span[span];
	double length_ms = (double)(time->end_ns - time->begin_ns) / 1e6, busy_ms = (double)time->busy_ns / 1e6;

	fprintf(out,
		"<tr><td><i class=\"%s\"></i>%s</td><td class=\"l\">%s</td><td>%.3f</td><td>%.3f</td><td>%.3f</td>"
		"<td>%.3f</td><td>%.0f %%</td></tr>\n",
		class_of(span), vfiomig_span_name(span), budget_side(span), (double)time->begin_ns / 1e6,
		(double)time->end_ns / 1e6, length_ms, busy_ms, length_ms > 0 ? busy_ms / length_ms * 100 : 100);
}

void timeline_span_tables(const struct migration *migration, FILE *out)
{
	const struct vfiomig_budget *budget = &migration->budget;

	for (unsigned d = 0; d < budget->devices; d++) {
		fprintf(out, "<details%s><summary><b>device ", d == budget->path_device ? " open" : "");
		html_text(out, migration_device_label(migration, d).text);
		fputs("</b></summary><div class=\"card\"><table><tr><th>span</th><th class=\"l\">at</th>"
		      "<th>from ms</th><th>to ms</th><th>length ms</th><th>busy ms</th><th>busy</th></tr>\n",
		      out);
		for (unsigned i = 0; i < VFIOMIG_SPAN_COUNT; i++)
			if (budget->device[d].span[i].there)
				span_row(&budget->device[d], (enum vfiomig_span)i, out);
		fputs("</table></div></details>\n", out);
	}
}
