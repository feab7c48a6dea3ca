/* SPDX-License-Identifier: MIT */
/*
 * Events as JSON lines, for programs that watch this one: on stderr, or where --events says. A reader that does not keep up never holds the
 * program: it loses lines, and is told how many. What the lines hold is in rdma-vfiomig-events(7).
 */
#ifndef CLI_EVENTS_H
#define CLI_EVENTS_H

#include <stdbool.h>

#include <jansson.h>
#include <vfiomig/vfiomig.h>

#include "migration.h"

/* FILE, to which is added, or fd:N, a descriptor that was inherited. 0, or -errno: -E2BIG for the third of them. */
int events_open(const char *target);
/* All that goes to stderr is JSON from now on: events, and messages as the event "log". */
void events_on_stderr(void);
/* Somebody listens: else none of what follows does anything. */
bool events_wanted(void);

/* The session was started; what it says by itself; how far it is; how it ended, or could not begin. */
void events_start(const struct migration *migration);
void events_session(const struct migration *migration, const struct vfiomig_event *event);
void events_progress(const struct migration *migration, const struct vfiomig_stats *stats, uint64_t expected_bytes,
		     uint64_t bytes_per_s);
void events_result(const struct migration *migration);

#endif
