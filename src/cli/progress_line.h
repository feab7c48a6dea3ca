/* SPDX-License-Identifier: MIT */
/* How far a migration is, as one line of a given width: text out of numbers, and nothing else. */
#ifndef CLI_PROGRESS_LINE_H
#define CLI_PROGRESS_LINE_H

#include <stddef.h>
#include <stdint.h>

struct progress_numbers {
	const char *phase;
	uint64_t bytes, expected_bytes; /* the latter an estimate; 0: unknown */
	uint64_t bytes_per_s;		/* 0: nothing moves */
	uint64_t downtime_us;		/* an estimate; 0: none was made */
};

/* Fields that do not fit into @columns are left out, the last first, and the phase is cut if need be. ASCII only. */
void progress_line(char *out, size_t bytes, const struct progress_numbers *numbers, unsigned columns);

#endif
