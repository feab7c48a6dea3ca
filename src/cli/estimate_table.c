/* SPDX-License-Identifier: MIT */
/* The estimate for people. See estimate.h. */
#include "estimate.h"

#include <stdio.h>

#include "report.h"
#include "table.h"

struct units estimate_range(uint64_t low_us, uint64_t high_us)
{
	struct units low = units_time(low_us), high = units_time(high_us), out;

	if (low_us == high_us)
		return low;
	snprintf(out.text, sizeof(out.text), "%.12s to %.12s", low.text, high.text);
	return out;
}

void estimate_print(const struct migration *migration)
{
	FILE *out = stdout;
	const struct vfiomig_estimate *estimate = &migration->estimate;
	struct units expected = units_time(estimate->expected_us), bytes = units_bytes(estimate->stop_copy_bytes);
	struct table table;

	if (!migration->has_estimate)
		return;
	fprintf(out, "downtime if the device%s stopped now: %s expected, %s still to be moved then\n\n",
		migration->transfer->devices == 1 ? "" : "s", expected.text, bytes.text);
	table_init(&table, "lrl");
	table_row(&table, "TERM", "TIME", "BASIS");
	for (unsigned i = 0; i < estimate->terms; i++) {
		const struct vfiomig_estimate_term *term = &estimate->term[i];

		table_row(&table, term->name, estimate_range(term->low_us, term->high_us).text, term->basis);
	}
	table_row(&table, "total", estimate_range(estimate->low_us, estimate->high_us).text,
		  estimate->assumed ? "from what was measured alone to what had to be assumed as well"
				    : "all of it measured");
	table_print(&table, out, 2);
	table_fini(&table);
	if (migration->transfer->devices > 1)
		fprintf(out, "\n  slowest: device %s\n",
			migration_device_label(migration, estimate->slowest_device).text);
	report_flush();
}
