/* SPDX-License-Identifier: MIT */
/* Numbers as people read them: three digits that count and a unit. Returned by value, so that nobody owns anything. */
#ifndef CLI_UNITS_H
#define CLI_UNITS_H

#include <stdint.h>

struct units {
	char text[32];
};

struct units units_bytes(uint64_t bytes);		   /* "1.00 GiB", "17 B" */
struct units units_rate(uint64_t bytes, uint64_t time_us); /* "2.10 GiB/s", "-" where no time has passed */
struct units units_time(uint64_t time_us);		   /* "1.24 s", "523 ms", "17 us" */
struct units units_count(uint64_t count);		   /* "12345" */

#endif
