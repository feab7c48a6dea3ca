/* SPDX-License-Identifier: MIT */
/* What the shell keeps of one device; whose each field is, is said beside it. Part of session.h. */
#ifndef SESSION_SESSION_DEVICE_H
#define SESSION_SESSION_DEVICE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/account.h"
#include "core/budget.h"
#include "core/core.h"
#include "device/device.h"
#include "io/loader.h"
#include "io/reader.h"
#include "wire/packet.h"
#include "wire/telemetry.h"

struct seal;

/* When a packet came, and what its header said of its way: until it is loaded. */
struct session_arrival {
	uint64_t arrived_ns, ready_ns;
	uint32_t read_us, wait_us;
	uint32_t announced_bytes;	       /* by its frame; TCP */
	uint8_t session[PACKET_SESSION_BYTES]; /* or the tag */
};

/* Source: what a device in PRE_COPY has given so far. */
struct session_precopy {
	struct vfiomig_pending pending; /* as it last said */
	uint64_t arc_ns;		/* RUNNING to PRE_COPY took */
	uint64_t bytes, read_ns;	/* read, and how long that took */
	bool dry;			/* at the last read it had nothing more */
	bool asked;			/* it has said what it still has, once at least */
	uint64_t initial_least;		/* of initial bytes: the least that it had left */
	uint64_t stuck_ns;		/* since when those do not become less; 0: they did at the last look */
	bool initial_read;		/* all of its initial bytes are in packets before initial_packets */
	uint64_t initial_packets;
};

/* Source: what the limit of PRE_COPY is counted from: its beginning, or the limit's last change. */
struct session_pace {
	uint64_t bytes_per_s_max, since_ns, since_bytes;
};

/* What a device's thread waits for inside a long request, for session_describe.c alone. */
enum session_await {
	AWAIT_NOTHING = 0,
	AWAIT_SLOT,   /* source: one that is free */
	AWAIT_LOADED, /* source: that the destination has loaded what PRE_COPY gave */
	AWAIT_DEVICE, /* source: that there is something to be read from the device; destination: that it takes something */
	AWAIT_PACKETS, /* destination: the next one */
	AWAIT_COUNT
};

struct session_device {
	struct vfiomig_session *session;
	struct vfiomig_device *device; /* the caller's */
	unsigned number;	       /* on the wire: the source's; set with AGREE */
	pthread_t thread;
	bool started;
	int wake_fd;				      /* a request is there, or the flow has something */
	atomic_int request;			      /* mailbox: enum device_request; taken by the thread; -1: quit */
	atomic_int state;			      /* enum vfiomig_state, as last seen by the thread */
	atomic_ullong call_ns;			      /* when its call began; 0: it is in none; or CALL_ABANDONED */
	atomic_int awaits;			      /* enum session_await */
	atomic_ullong awaits_ns;		      /* since when */
	atomic_ullong asked_ns;			      /* when it was last asked for something */
	atomic_ullong wait_ns;			      /* spent waiting for a slot, or for data */
	struct budget_call call[REQUEST_COUNT];	      /* the thread's, until its answer is posted */
	struct stream_counts counts;		      /* of the stream so far, PRE_COPY included; the thread's */
	struct reader reader;			      /* source; the thread's */
	size_t packet_bytes;			      /* source: how much is read into a slot; the thread's */
	uint64_t slot_wait_us;			      /* source: before the packet that is being made; the thread's */
	struct session_pace pace;		      /* source, in PRE_COPY; the thread's */
	bool precopy_done;			      /* source: the reader reads since PRE_COPY; the thread's */
	uint64_t first_packet_ns;		      /* source: when the first of STOP_COPY was full */
	atomic_bool precopy_end;		      /* source: PRE_COPY has done what it can */
	struct session_precopy precopy;		      /* source; under snapshot_lock */
	struct session_arrival *arrival;	      /* destination: per slot; under flow_lock */
	struct account account;			      /* destination; the thread's */
	bool account_stopped;			      /* it is the account of STOP_COPY */
	uint64_t load_end_ns, stream_end_ns;	      /* destination; the thread's */
	atomic_ullong loaded_bytes, load_ns, wire_ns; /* destination, for MEASURED */
	atomic_ullong recorded_packets;		      /* source that records; its bytes are in loaded_bytes */
	struct telemetry_spans spans;		      /* source: what the destination said */
	struct loader *loader;			      /* destination: open between RESUMING and its end */
	size_t blob_bytes;			      /* of the config state that was kept aside */
	struct seal *seal;			      /* NULL: packets are clear; the thread's */
	uint8_t *blob;				      /* CONFIG_BLOB_BYTES_MAX; destination */
	struct vfiomig_device_info *source_info;      /* destination: what CHECK compares with; in offer_devices */
};

#endif
