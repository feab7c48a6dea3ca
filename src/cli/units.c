/* SPDX-License-Identifier: MIT */
/* See units.h. */
#include "units.h"

#include <inttypes.h>
#include <stdio.h>

/* Three digits, whatever the size: 1.23, 12.3, 123. */
static int digits_after(double value)
{
	if (value < 9.995)
		return 2;
	return value < 99.95 ? 1 : 0;
}

struct units units_bytes(uint64_t bytes)
{
	static const char *const names[] = { "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double value = (double)bytes / 1024;
	unsigned unit = 0;
	struct units out;

	if (bytes < 1024) {
		snprintf(out.text, sizeof(out.text), "%" PRIu64 " B", bytes);
		return out;
	}
	while (value >= 1023.5 && unit + 1 < sizeof(names) / sizeof(*names)) {
		value /= 1024;
		unit++;
	}
	snprintf(out.text, sizeof(out.text), "%.*f %s", digits_after(value), value, names[unit]);
	return out;
}

struct units units_rate(uint64_t bytes, uint64_t time_us)
{
	struct units size, out;

	if (!time_us) {
		snprintf(out.text, sizeof(out.text), "-");
		return out;
	}
	size = units_bytes((uint64_t)((double)bytes * 1e6 / (double)time_us));
	snprintf(out.text, sizeof(out.text), "%.28s/s", size.text);
	return out;
}

struct units units_time(uint64_t time_us)
{
	struct units out;
	double ms = (double)time_us / 1e3, s = ms / 1e3;

	if (time_us < 1000)
		snprintf(out.text, sizeof(out.text), "%" PRIu64 " us", time_us);
	else if (ms < 999.5)
		snprintf(out.text, sizeof(out.text), "%.*f ms", digits_after(ms), ms);
	else
		snprintf(out.text, sizeof(out.text), "%.*f s", digits_after(s), s);
	return out;
}

struct units units_count(uint64_t count)
{
	struct units out;

	snprintf(out.text, sizeof(out.text), "%" PRIu64, count);
	return out;
}
