/* SPDX-License-Identifier: MIT */
/*
 * Where the time of a migration goes: before the stop as an estimate, afterwards as a budget. All times of a budget are
 * nanoseconds on the source's clock, counted from the first device's leaving its running state; the destination's are
 * placed there by the clock offset of the fastest round trip, whose half is the stated error.
 */
#ifndef VFIOMIG_BUDGET_H
#define VFIOMIG_BUDGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vfiomig/device.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a device, or what carries its state, can be at. */
enum vfiomig_span {
	VFIOMIG_SPAN_QUIESCE = 0,     /* source: to its P2P state */
	VFIOMIG_SPAN_STOP_BARRIER,    /* source: waits until all devices are quiet */
	VFIOMIG_SPAN_STOP,	      /* source: to STOP_COPY */
	VFIOMIG_SPAN_FIRST_READ,      /* source: until the first packet was full */
	VFIOMIG_SPAN_READ,	      /* source: read and checksum */
	VFIOMIG_SPAN_SLOT_WAIT,	      /* source: the reader had no slot, for want of credit */
	VFIOMIG_SPAN_SOURCE_STOP,     /* source: STOP_COPY to STOP, beside the destination's work */
	VFIOMIG_SPAN_WIRE,	      /* a packet was posted and had not arrived */
	VFIOMIG_SPAN_REORDER_WAIT,    /* destination: a packet was there and one before it was not */
	VFIOMIG_SPAN_LOAD,	      /* destination: check and write */
	VFIOMIG_SPAN_STARVED,	      /* destination: the loader had nothing to load */
	VFIOMIG_SPAN_HAND_OVER,	      /* destination: the next packet was there, the loader not yet awake */
	VFIOMIG_SPAN_GATE_WAIT,	      /* destination: all data loaded, config not begun */
	VFIOMIG_SPAN_CONFIG,	      /* destination: load of the config state */
	VFIOMIG_SPAN_LOAD_TRANSITION, /* destination: RESUMING to STOP, where drivers validate */
	VFIOMIG_SPAN_COMMIT, /* from this device's being ready until it is told to run: other devices, PREPARED, COMMIT */
	VFIOMIG_SPAN_RUN_P2P,	  /* destination: STOP to RUNNING_P2P */
	VFIOMIG_SPAN_RUN_BARRIER, /* destination: waits until all devices are there */
	VFIOMIG_SPAN_RUN,	  /* destination: to RUNNING */
	VFIOMIG_SPAN_DONE,	  /* the last device runs, and the source hears of it */
	VFIOMIG_SPAN_COUNT
};

/* "quiesce", "stop transition", "read", ...; never NULL. */
const char *vfiomig_span_name(enum vfiomig_span span);

/* Which side it is seen from: VFIOMIG_SPAN_WIRE, _COMMIT and _DONE count as the destination's. */
bool vfiomig_span_at_source(enum vfiomig_span span);

/* begin to end is where it lies; busy is how much of that it was really at it (streaming spans come and go). */
struct vfiomig_span_time {
	bool there; /* false: it did not happen, or is not known; the rest is 0 then */
	int64_t begin_ns, end_ns;
	uint64_t busy_ns;
};

struct vfiomig_device_budget {
	struct vfiomig_span_time span[VFIOMIG_SPAN_COUNT];
	/* PRE_COPY, while the guest ran: not part of the downtime. */
	uint64_t precopy_bytes, precopy_ns;
	uint64_t stop_copy_bytes; /* streamed while it stood still, config state included */
	/* The part of its downtime in which its stream flowed: from STOP_COPY until its last packet was loaded. */
	int64_t streaming_begin_ns, streaming_end_ns;
	/*
	 * The slowest stage of that part: VFIOMIG_SPAN_READ, _WIRE or _LOAD, whichever was busy for the largest share
	 * of it; VFIOMIG_SPAN_COUNT: not known. The shares are 0 to 1.
	 */
	enum vfiomig_span bottleneck;
	double read_share, wire_share, load_share;
};

/*
 * A piece of the critical path. The pieces follow each other without gap or overlap from 0 to downtime_ns, along the
 * device that was ready last. In the streaming part each instant belongs to load, else wire, else read, else slot wait,
 * else hand-over; these five are sums, placed one after the other.
 */
struct vfiomig_path_piece {
	enum vfiomig_span span;
	uint64_t begin_ns, end_ns;
};

enum { VFIOMIG_PATH_PIECES_MAX = 24 };

struct vfiomig_budget {
	size_t size;	      /* sizeof(struct vfiomig_budget) of the caller; set it before the call */
	uint64_t downtime_ns; /* from the first stop until DONE was heard; 0 at the destination */
	bool both_sides;      /* false: the other side's spans are not known (the destination, or a lost connection) */
	int64_t clock_offset_ns; /* the destination's clock less the source's */
	uint64_t clock_error_ns; /* half of the fastest round trip; the offset is right within this */
	uint64_t
		clock_misfit_ns; /* by how much boundaries of the two sides had to be moved to make the path monotonic */
	unsigned path_device;	 /* the device that was ready last, as numbered in _add_device */
	unsigned path_pieces;
	struct vfiomig_path_piece path[VFIOMIG_PATH_PIECES_MAX];
	unsigned devices;
	struct vfiomig_device_budget device[VFIOMIG_DEVICES_MAX];
};

/* One addend of an estimate. */
struct vfiomig_estimate_term {
	char name[32];		  /* "transitions", "stream", "config", ... */
	uint64_t low_us, high_us; /* equal where it was measured */
	char basis[128];	  /* what was measured, or what was assumed */
};

enum { VFIOMIG_ESTIMATE_TERMS_MAX = 12 };

/* What the downtime would be if the devices were stopped now. */
struct vfiomig_estimate {
	size_t size;		  /* sizeof(struct vfiomig_estimate) of the caller; set it before the call */
	uint64_t low_us, high_us; /* low: what was measured alone; high: with what had to be assumed */
	uint64_t expected_us;	  /* what --downtime-limit is compared with */
	bool assumed; /* some term could not be measured: low and high differ, and its basis names what was assumed */
	unsigned slowest_device;  /* whose stream takes longest */
	uint64_t stop_copy_bytes; /* of all devices, by the devices' own estimate */
	unsigned terms;
	struct vfiomig_estimate_term term[VFIOMIG_ESTIMATE_TERMS_MAX];
};

#ifdef __cplusplus
}
#endif
#endif
