/* SPDX-License-Identifier: MIT */
/* One line of a given width: what is left out, in which order, and that nothing is ever longer. */
#include <criterion/criterion.h>

#include <string.h>

#include "progress_line.h"

TestSuite(cli_progress_line, .timeout = 60);

static const struct progress_numbers full = {
	.phase = "STREAM",
	.bytes = 16 << 20,
	.expected_bytes = 64 << 20,
	.bytes_per_s = 8 << 20,
	.downtime_us = 12000,
};

static void is(const struct progress_numbers *numbers, unsigned columns, const char *expected)
{
	char line[128];

	progress_line(line, sizeof(line), numbers, columns);
	cr_assert_str_eq(line, expected);
}

Test(cli_progress_line, says_all_where_there_is_room)
{
	is(&full, 120, "STREAM      16.0 MiB of about 64.0 MiB  8.00 MiB/s  downtime about 12.0 ms");
}

Test(cli_progress_line, leaves_out_whole_fields_the_last_first)
{
	is(&full, 60, "STREAM      16.0 MiB of about 64.0 MiB  8.00 MiB/s");
	is(&full, 40, "STREAM      16.0 MiB of about 64.0 MiB");
	is(&full, 30, "STREAM      16.0 MiB");
	is(&full, 15, "STREAM");
	is(&full, 3, "STR");
	is(&full, 0, "");
}

Test(cli_progress_line, is_never_longer_than_the_columns_or_the_buffer)
{
	char line[24];

	for (unsigned columns = 0; columns < 130; columns++) {
		progress_line(line, sizeof(line), &full, columns);
		cr_assert(strlen(line) <= columns && strlen(line) < sizeof(line), "%u: '%s'", columns, line);
	}
}

Test(cli_progress_line, claims_no_number_that_there_is_not)
{
	struct progress_numbers numbers = { .phase = "CONNECT", .expected_bytes = 1 << 20 };

	is(&numbers, 80, "CONNECT");
	numbers = (struct progress_numbers){ .phase = "STREAM", .bytes = 1024 };
	is(&numbers, 80, "STREAM      1.00 KiB");
}

Test(cli_progress_line, never_expects_less_than_has_come)
{
	struct progress_numbers numbers = { .phase = "STREAM", .bytes = 4096, .expected_bytes = 1024 };

	is(&numbers, 80, "STREAM      4.00 KiB of about 4.00 KiB");
}
