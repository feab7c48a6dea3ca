/* SPDX-License-Identifier: MIT */
/* See progress_line.h. */
#include "progress_line.h"

#include <stdio.h>
#include <string.h>

#include "units.h"

enum { FIELDS = 5, FIELD_BYTES = 64 };

static void make_fields(char field[FIELDS][FIELD_BYTES], const struct progress_numbers *numbers)
{
	uint64_t all = numbers->expected_bytes > numbers->bytes ? numbers->expected_bytes : numbers->bytes;

	memset(field, 0, FIELDS * sizeof(field[0]));
	snprintf(field[0], FIELD_BYTES, "%-10s", numbers->phase);
	if (!numbers->bytes && !numbers->downtime_us)
		return;
	snprintf(field[1], FIELD_BYTES, "  %s", units_bytes(numbers->bytes).text);
	if (numbers->expected_bytes)
		snprintf(field[2], FIELD_BYTES, " of about %s", units_bytes(all).text);
	if (numbers->bytes_per_s)
		snprintf(field[3], FIELD_BYTES, "  %s", units_rate(numbers->bytes_per_s, 1000000).text);
	if (numbers->downtime_us)
		snprintf(field[4], FIELD_BYTES, "  downtime about %s", units_time(numbers->downtime_us).text);
}

void progress_line(char *out, size_t bytes, const struct progress_numbers *numbers, unsigned columns)
{
	char field[FIELDS][FIELD_BYTES];
	size_t room = bytes - 1 < columns ? bytes - 1 : columns, used = 0;

	make_fields(field, numbers);
	*out = 0;
	for (unsigned i = 0; i < FIELDS; i++) {
		size_t length = strlen(field[i]);

		if (i > 0 && used + length > room)
			break;
		snprintf(out + used, room - used + 1, "%s", field[i]);
		used = strlen(out);
	}
	while (used > 0 && out[used - 1] == ' ')
		out[--used] = 0;
}
