/* SPDX-License-Identifier: MIT */
/* See progress.h. */
#include "progress.h"

#include <string.h>
#include <time.h>

#include "events.h"
#include "migration.h"
#include "progress_line.h"
#include "terminal.h"

#define NS_PER_S UINT64_C(1000000000)

enum { LOG_EVERY_S = 5, LINE_BYTES = 256 };

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* The rate of the last second: the average since the beginning would hide that nothing moves any more. */
static void sample(struct progress *progress, uint64_t bytes, uint64_t now)
{
	if (!progress->sample_ns || bytes < progress->sample_bytes) {
		progress->sample_ns = now;
		progress->sample_bytes = bytes;
	} else if (now - progress->sample_ns >= NS_PER_S) {
		progress->bytes_per_s = (uint64_t)((double)(bytes - progress->sample_bytes) * 1e9 /
						   (double)(now - progress->sample_ns));
		progress->sample_ns = now;
		progress->sample_bytes = bytes;
	}
}

static struct progress_numbers numbers_of(const struct migration *migration, const struct progress *progress)
{
	const struct vfiomig_stats *stats = &migration->stats;
	struct vfiomig_estimate estimate = { .size = sizeof(estimate) };
	struct progress_numbers numbers = { .phase = stats->phase,
					    .bytes = stats->bytes,
					    .bytes_per_s = progress->bytes_per_s };

	for (unsigned i = 0; i < stats->devices; i++)
		numbers.expected_bytes += stats->device[i].expected_bytes;
	if (stats->downtime_us)
		numbers.downtime_us = stats->downtime_us;
	else if (!migration_is_recording(migration) && !vfiomig_session_estimate(migration->session, &estimate))
		numbers.downtime_us = estimate.expected_us;
	return numbers;
}

static void tell_log(const struct migration *migration, struct progress *progress,
		     const struct progress_numbers *numbers, uint64_t now)
{
	char line[LINE_BYTES];

	if (!strcmp(progress->phase, numbers->phase) && now - progress->told_ns < LOG_EVERY_S * NS_PER_S)
		return;
	progress->told_ns = now;
	strcpy(progress->phase, migration->stats.phase);
	progress_line(line, sizeof(line), numbers, LINE_BYTES);
	terminal_log(TERMINAL_NOTICE, "%s%s", migration->label, line);
}

void progress_tell(struct migration *migration, struct progress *progress, bool first)
{
	enum progress_mode mode = migration->transfer->output.progress;
	struct progress_numbers numbers;
	uint64_t now = now_ns();
	char line[LINE_BYTES];

	if ((mode == PROGRESS_OFF && !events_wanted()) || vfiomig_session_stats(migration->session, &migration->stats))
		return;
	sample(progress, migration->stats.bytes, now);
	numbers = numbers_of(migration, progress);
	if (mode == PROGRESS_TTY && first) {
		progress_line(line, sizeof(line), &numbers, terminal_columns());
		terminal_progress(line);
	} else if (mode == PROGRESS_LOG && first) {
		tell_log(migration, progress, &numbers, now);
	}
	if (now - progress->event_ns >= NS_PER_S) {
		progress->event_ns = now;
		events_progress(migration, &migration->stats, numbers.expected_bytes, numbers.bytes_per_s);
	}
}
