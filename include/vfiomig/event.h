/* SPDX-License-Identifier: MIT */
/*
 * What happened in a session, as facts for programs: each with the time at which it happened, not at which it was told.
 * They come from _dispatch and _run, by the event callback of the options, in the order in which they happened.
 */
#ifndef VFIOMIG_EVENT_H
#define VFIOMIG_EVENT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* New ones may be added: pass over those that you do not know. */
enum vfiomig_event_kind {
	VFIOMIG_EVENT_PHASE = 1, /* .phase has begun; each is told, however short */
	VFIOMIG_EVENT_ESTIMATE, /* source, at most once a second and before the switchover: .us of downtime, were it now */
	VFIOMIG_EVENT_SWITCHOVER, /* the source's devices are being stopped */
	VFIOMIG_EVENT_PREPARED, /* all is loaded and checked at the destination; vfiomig_session_prepared: may its caller commit? */
	VFIOMIG_EVENT_COMMIT,	     /* this side has decided for the destination: no way back on its own */
	VFIOMIG_EVENT_LANE_LOST,     /* .lane, and .text says why as far as it is known */
	VFIOMIG_EVENT_LANE_REPLACED, /* the others carry on; source: .packets of .lane go again */
	/* Source, once: the initial bytes are loaded, so that a switchover would begin at once; whether still, _stats says. */
	VFIOMIG_EVENT_SWITCHOVER_READY,
};

struct vfiomig_event {
	enum vfiomig_event_kind kind;
	uint64_t monotonic_us; /* CLOCK_MONOTONIC, when it happened */
	uint64_t wall_us;      /* the same by CLOCK_REALTIME, since 1970 */
	uint8_t session[16];   /* as of vfiomig_session_id, by then */
	char phase[16];	       /* "STREAM", ...: in which it happened */
	unsigned lane;
	uint64_t us;
	uint64_t packets;
	char text[512]; /* a sentence or nothing */
};

/* "phase", "lane-lost", ...; "unknown" for a number that is none. Static. */
const char *vfiomig_event_name(enum vfiomig_event_kind kind);

#ifdef __cplusplus
}
#endif
#endif
