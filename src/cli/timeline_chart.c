/* SPDX-License-Identifier: MIT */
/*
 * See timeline_chart.h. A device has up to nine rows, the same for every device so that they compare: spans of one row
 * follow each other, spans of a stream overlap and have a row each. A bar lies from begin to end; as much of its height is
 * filled as the span was busy of that time.
 */
#include "timeline_chart.h"

#include <math.h>
#include <string.h>

#include "budget.h"
#include "html.h"
#include "timeline_kind.h"

/* All in pixels of the drawing, which the page scales. */
enum {
	WIDTH = 1140,
	PLOT_LEFT = 190,
	PLOT_RIGHT = 1120,
	LABEL_RIGHT = 182,
	AXIS_HEIGHT = 26,
	PATH_HEIGHT = 30,
	NAME_HEIGHT = 30,
	ROW_HEIGHT = 18,
	BAR_HEIGHT = 14,
	LETTER_WIDTH = 7,
};

#define BIT(span) (UINT32_C(1) << (span))

static const struct row {
	const char *label;
	bool source;
	uint32_t spans;
} rows[] = {
	{ "stop", true,
	  BIT(VFIOMIG_SPAN_QUIESCE) | BIT(VFIOMIG_SPAN_STOP_BARRIER) | BIT(VFIOMIG_SPAN_STOP) |
		  BIT(VFIOMIG_SPAN_FIRST_READ) | BIT(VFIOMIG_SPAN_SOURCE_STOP) },
	{ "read", true, BIT(VFIOMIG_SPAN_READ) },
	{ "slot wait", true, BIT(VFIOMIG_SPAN_SLOT_WAIT) },
	{ "wire", false, BIT(VFIOMIG_SPAN_WIRE) },
	{ "reorder wait", false, BIT(VFIOMIG_SPAN_REORDER_WAIT) },
	{ "load", false, BIT(VFIOMIG_SPAN_LOAD) },
	{ "starved", false, BIT(VFIOMIG_SPAN_STARVED) },
	{ "hand-over", false, BIT(VFIOMIG_SPAN_HAND_OVER) },
	{ "start", false,
	  BIT(VFIOMIG_SPAN_GATE_WAIT) | BIT(VFIOMIG_SPAN_CONFIG) | BIT(VFIOMIG_SPAN_LOAD_TRANSITION) |
		  BIT(VFIOMIG_SPAN_COMMIT) | BIT(VFIOMIG_SPAN_RUN_P2P) | BIT(VFIOMIG_SPAN_RUN_BARRIER) |
		  BIT(VFIOMIG_SPAN_RUN) | BIT(VFIOMIG_SPAN_DONE) },
};

enum { ROWS = sizeof(rows) / sizeof(*rows) };

struct chart {
	const struct migration *migration;
	const struct vfiomig_budget *budget;
	FILE *out;
	double from_ns, to_ns; /* what the plot shows */
	int y;		       /* where the next thing goes */
};

/* What lasted no time at all is not drawn, nor is a wait that hardly ever came: its row would be empty. */
static bool is_drawn(const struct vfiomig_device_budget *device, unsigned span)
{
	const struct vfiomig_span_time *time = &device->span[span];
	double length_ns = (double)(time->end_ns - time->begin_ns);

	if (!time->there || length_ns <= 0)
		return false;
	return timeline_kind((enum vfiomig_span)span) != TIMELINE_WAIT || (double)time->busy_ns >= length_ns / 200;
}

static unsigned spans_drawn(const struct chart *chart, unsigned device, const struct row *row)
{
	unsigned count = 0;

	for (unsigned i = 0; i < VFIOMIG_SPAN_COUNT; i++)
		if (row->spans & BIT(i) && is_drawn(&chart->budget->device[device], i))
			count++;
	return count;
}

static int rows_of(const struct chart *chart, unsigned device, bool source)
{
	int count = 0;

	for (unsigned r = 0; r < ROWS; r++)
		if (rows[r].source == source && spans_drawn(chart, device, &rows[r]))
			count++;
	return count;
}

/* Where the axis at the top may be out of sight there is another one at the bottom. */
static bool is_tall(const struct chart *chart)
{
	return chart->budget->devices > 3;
}

static int height_of(const struct chart *chart)
{
	int height = AXIS_HEIGHT + (chart->budget->path_pieces ? PATH_HEIGHT : 0);

	for (unsigned d = 0; d < chart->budget->devices; d++)
		height += NAME_HEIGHT + (rows_of(chart, d, true) + rows_of(chart, d, false)) * ROW_HEIGHT;
	return height + (is_tall(chart) ? AXIS_HEIGHT : ROW_HEIGHT / 2);
}

/* From the stop to the end of whatever came last, and a little room. */
static void choose_range(struct chart *chart)
{
	chart->to_ns = (double)chart->budget->downtime_ns;
	for (unsigned d = 0; d < chart->budget->devices; d++) {
		for (unsigned i = 0; i < VFIOMIG_SPAN_COUNT; i++) {
			const struct vfiomig_span_time *time = &chart->budget->device[d].span[i];

			if (!is_drawn(&chart->budget->device[d], i))
				continue;
			chart->from_ns = fmin(chart->from_ns, (double)time->begin_ns);
			chart->to_ns = fmax(chart->to_ns, (double)time->end_ns);
		}
	}
	chart->to_ns += fmax((chart->to_ns - chart->from_ns) / 100, 1);
}

static double x_of(const struct chart *chart, double ns)
{
	return PLOT_LEFT + (ns - chart->from_ns) / (chart->to_ns - chart->from_ns) * (PLOT_RIGHT - PLOT_LEFT);
}

/* 1, 2 or 5 times a power of ten, so that there are five to twelve of them. */
static double tick_ns(double range_ns)
{
	double power = pow(10, floor(log10(range_ns / 5)));
	double parts = range_ns / 5 / power;

	return power * (parts >= 5 ? 5 : (parts >= 2 ? 2 : 1));
}

static int plot_bottom(const struct chart *chart, int height)
{
	return is_tall(chart) ? height - AXIS_HEIGHT + 8 : height;
}

static void tick_label(const struct chart *chart, double x, int y, double ns, int digits)
{
	fprintf(chart->out, "<text class=\"soft\" x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%.*f ms</text>\n", x, y,
		digits, ns / 1e6 + 0.0);
}

static void axis(struct chart *chart, int height)
{
	double step_ns = tick_ns(chart->to_ns - chart->from_ns);
	int digits = step_ns < 1e6 ? (int)ceil(6 - log10(step_ns) - 1e-9) : 0;

	for (double ns = ceil(chart->from_ns / step_ns) * step_ns; ns <= chart->to_ns; ns += step_ns) {
		double x = x_of(chart, ns);

		fprintf(chart->out, "<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\"/>", x, x,
			AXIS_HEIGHT - 6, plot_bottom(chart, height));
		tick_label(chart, x, AXIS_HEIGHT - 11, ns, digits);
		if (is_tall(chart))
			tick_label(chart, x, height - 5, ns, digits);
	}
	chart->y = AXIS_HEIGHT;
}

static void end_line(const struct chart *chart, int height)
{
	double x = x_of(chart, (double)chart->budget->downtime_ns);

	if (chart->budget->downtime_ns)
		fprintf(chart->out,
			"<g><title>the destination runs, and the source has heard it</title>"
			"<line class=\"end\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\"/></g>\n",
			x, x, AXIS_HEIGHT - 6, plot_bottom(chart, height));
}

/*
 * A bar at least a pixel wide, and a pixel apart from the next; the lowest @share of its height is filled. Its name goes in
 * where there is room.
 */
static void bar(const struct chart *chart, enum vfiomig_span span, double begin_ns, double end_ns, double share,
		int height)
{
	double x = x_of(chart, begin_ns), width = x_of(chart, end_ns) - x, filled = fmax(height * share, 1);
	const char *name = vfiomig_span_name(span), *class = timeline_kind_class(timeline_kind(span));

	width = width > 3 ? width - 1 : fmax(width, 1);
	if (share < 1)
		fprintf(chart->out,
			"<rect class=\"part %s\" x=\"%.2f\" y=\"%d\" width=\"%.2f\" height=\"%d\" rx=\"2\"/>", class, x,
			chart->y, width, height);
	fprintf(chart->out, "<rect class=\"%s\" x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\" rx=\"%s\"/>",
		class, x, chart->y + height - filled, width, filled, filled > 4 ? "2" : "0");
	if (share >= 1 && width > (double)strlen(name) * LETTER_WIDTH + 8)
		fprintf(chart->out, "<text class=\"in on-%s\" x=\"%.2f\" y=\"%d\" text-anchor=\"middle\">%s</text>",
			class, x + width / 2, chart->y + height / 2 + 4, name);
}

static void path(struct chart *chart)
{
	const struct vfiomig_budget *budget = chart->budget;

	if (!budget->path_pieces)
		return;
	fprintf(chart->out, "<text class=\"name\" x=\"0\" y=\"%d\">critical path</text>\n", chart->y + 15);
	for (unsigned i = 0; i < budget->path_pieces; i++) {
		const struct vfiomig_path_piece *piece = &budget->path[i];
		double ms = (double)(piece->end_ns - piece->begin_ns) / 1e6;

		fprintf(chart->out, "<g><title>critical path: %s at the %s, %.3f ms (%.1f %%)</title>",
			vfiomig_span_name(piece->span), budget_side(piece->span), ms,
			budget->downtime_ns ? ms * 1e8 / (double)budget->downtime_ns : 0);
		bar(chart, piece->span, (double)piece->begin_ns, (double)piece->end_ns, 1, PATH_HEIGHT - 8);
		fputs("</g>\n", chart->out);
	}
	chart->y += PATH_HEIGHT;
}

static void span_bar(const struct chart *chart, unsigned device, enum vfiomig_span span)
{
	const struct vfiomig_span_time *time = &chart->budget->device[device].span[span];
	double begin_ns = (double)time->begin_ns, end_ns = (double)time->end_ns, busy_ns = (double)time->busy_ns;
	double share = end_ns > begin_ns ? fmin(busy_ns / (end_ns - begin_ns), 1) : 1;

	fputs("<g><title>device ", chart->out);
	html_text(chart->out, migration_device_label(chart->migration, device).text);
	fprintf(chart->out, ": %s at the %s, %.3f ms to %.3f ms, busy %.3f ms (%.0f %%)</title>",
		vfiomig_span_name(span), budget_side(span), begin_ns / 1e6, end_ns / 1e6, busy_ns / 1e6, share * 100);
	/* What is busy all but a rounding is no stripe of a pixel less. */
	bar(chart, span, begin_ns, end_ns, share > 0.995 ? 1 : share, BAR_HEIGHT);
	fputs("</g>\n", chart->out);
}

static void side(struct chart *chart, unsigned device, bool source)
{
	int count = rows_of(chart, device, source);

	if (!count)
		return;
	fprintf(chart->out, "<text class=\"soft\" x=\"0\" y=\"%d\">%s</text>\n", chart->y + BAR_HEIGHT - 2,
		source ? "source" : "destination");
	for (unsigned r = 0; r < ROWS; r++) {
		if (rows[r].source != source || !spans_drawn(chart, device, &rows[r]))
			continue;
		fprintf(chart->out, "<text class=\"soft\" x=\"%d\" y=\"%d\" text-anchor=\"end\">%s</text>\n",
			LABEL_RIGHT, chart->y + BAR_HEIGHT - 2, rows[r].label);
		for (unsigned i = 0; i < VFIOMIG_SPAN_COUNT; i++)
			if (rows[r].spans & BIT(i) && is_drawn(&chart->budget->device[device], i))
				span_bar(chart, device, (enum vfiomig_span)i);
		chart->y += ROW_HEIGHT;
	}
}

static void device(struct chart *chart, unsigned d)
{
	bool last = chart->budget->path_pieces && d == chart->budget->path_device && chart->budget->devices > 1;

	fprintf(chart->out, "<text class=\"name\" x=\"0\" y=\"%d\">device ", chart->y + NAME_HEIGHT - 9);
	html_text(chart->out, migration_device_label(chart->migration, d).text);
	fprintf(chart->out, "%s</text>\n", last ? " \xe2\x80\x93 ready last" : "");
	chart->y += NAME_HEIGHT;
	side(chart, d, true);
	side(chart, d, false);
}

/* A tint behind each host's rows; below the grid, which is below the bars. */
static void tints(const struct chart *chart)
{
	int y = AXIS_HEIGHT + (chart->budget->path_pieces ? PATH_HEIGHT : 0);

	for (unsigned d = 0; d < chart->budget->devices; d++) {
		int source = rows_of(chart, d, true) * ROW_HEIGHT, there = rows_of(chart, d, false) * ROW_HEIGHT;

		y += NAME_HEIGHT;
		fprintf(chart->out,
			"<rect class=\"side\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\"/>"
			"<rect class=\"side there\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\"/>\n",
			PLOT_LEFT, y - 2, PLOT_RIGHT - PLOT_LEFT, source, PLOT_LEFT, y - 2 + source,
			PLOT_RIGHT - PLOT_LEFT, there);
		y += source + there;
	}
}

void timeline_chart(const struct migration *migration, FILE *out)
{
	struct chart chart = { .migration = migration, .budget = &migration->budget, .out = out };
	int height = height_of(&chart);

	choose_range(&chart);
	fprintf(out, "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"what each device was at, and when\">\n",
		WIDTH, height);
	tints(&chart);
	axis(&chart, height);
	path(&chart);
	for (unsigned d = 0; d < chart.budget->devices; d++)
		device(&chart, d);
	end_line(&chart, height);
	fputs("</svg>\n", out);
}
