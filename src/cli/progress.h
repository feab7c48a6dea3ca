/* SPDX-License-Identifier: MIT */
/* Telling how far a migration is, in the way that --progress says: a line that is rewritten, a line now and then, or events. */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include <vfiomig/vfiomig.h>

enum progress_mode {
	PROGRESS_AUTO = 0, /* tty on a terminal; else log where --log-level is info or more, else off */
	PROGRESS_TTY,
	PROGRESS_LOG,
	PROGRESS_JSON,
	PROGRESS_OFF,
};

struct migration;

/* What was told last, one per migration. */
struct progress {
	uint64_t told_ns, event_ns, sample_ns;
	uint64_t sample_bytes; /* at sample_ns */
	uint64_t bytes_per_s;  /* between the last two samples */
	char phase[16];	       /* that was told */
};

/* The session says that there may be something new: look at it, and tell it if it is time. On a terminal only @first is shown. */
void progress_tell(struct migration *migration, struct progress *progress, bool first);

#endif
