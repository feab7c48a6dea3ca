/* SPDX-License-Identifier: MIT */
/*
 * A session is one migration, seen from one side. It owns threads of its own; the caller waits on one descriptor and dispatches, or
 * calls _run. Callbacks come from _dispatch and _run only, on the caller's thread.
 *
 * Its threads, on which devices' operations and hooks are called, have all signals blocked. All descriptors are close-on-exec; of what
 * a child inherits by fork it may use nothing.
 */
#ifndef VFIOMIG_SESSION_H
#define VFIOMIG_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vfiomig/budget.h>
#include <vfiomig/device.h>
#include <vfiomig/error.h>
#include <vfiomig/event.h>
#include <vfiomig/listener.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
	VFIOMIG_LANES_MAX = 64,
	VFIOMIG_SLOTS_DEFAULT = 16,
	VFIOMIG_SLOT_BYTES_DEFAULT = 1 << 20,
	VFIOMIG_SLOTS_MIN = 2,
	VFIOMIG_SLOTS_MAX = 65536,
	VFIOMIG_SLOT_BYTES_MIN = 65536,
	VFIOMIG_SLOT_BYTES_MAX = 64 << 20,
	VFIOMIG_RAILS_MAX = 8,
	VFIOMIG_RAIL_TEXT_BYTES = 96,
};

/* Whose devices leave, and whose are loaded. */
enum vfiomig_role { VFIOMIG_SOURCE = 1, VFIOMIG_DESTINATION = 2 };
/* AUTO: RDMA where an RDMA device reaches the peer, on both sides, else TCP; _stats says why. */
enum vfiomig_transport { VFIOMIG_TRANSPORT_AUTO = 0, VFIOMIG_TRANSPORT_RDMA = 1, VFIOMIG_TRANSPORT_TCP = 2 };
/* What writes to a data_fd: io_uring, or write(2). AUTO: io_uring where the kernel has it and allows it. */
enum vfiomig_loader { VFIOMIG_LOADER_AUTO = 0, VFIOMIG_LOADER_URING = 1, VFIOMIG_LOADER_WRITE = 2 };
/* NONE: only headers are checked, and what was in the payload is nobody's to prove. */
enum vfiomig_integrity { VFIOMIG_INTEGRITY_CRC32C = 0, VFIOMIG_INTEGRITY_NONE = 1 };
/* Whether packets are sealed (AES-256-GCM). AUTO: if the peer asks for it; only AEAD against CLEAR is refused. */
enum vfiomig_payload { VFIOMIG_PAYLOAD_AUTO = 0, VFIOMIG_PAYLOAD_CLEAR = 1, VFIOMIG_PAYLOAD_AEAD = 2 };
/* AUTO: of the devices that offer it; ON: _start refuses one that does not. */
enum vfiomig_precopy { VFIOMIG_PRECOPY_AUTO = 0, VFIOMIG_PRECOPY_ON = 1, VFIOMIG_PRECOPY_OFF = 2 };
/* AUTO: slots on the network card's NUMA node, a device's thread on the device's; OFF: anywhere; NODE: all on one. */
enum vfiomig_numa { VFIOMIG_NUMA_AUTO = 0, VFIOMIG_NUMA_OFF = 1, VFIOMIG_NUMA_NODE = 2 };
enum vfiomig_log_level { VFIOMIG_LOG_ERROR = 0, VFIOMIG_LOG_WARNING, VFIOMIG_LOG_INFO, VFIOMIG_LOG_DEBUG };

/* Flags of struct vfiomig_options. */
enum {
	VFIOMIG_NO_PLATFORM = 1, /* there is no VMM: iterables are done and the platform is ready from the start */
	/*
	 * The two sessions commit by themselves, over their control connection and with a journal (journal.h): for programs without a
	 * protocol of their own. Without it the commit is the caller's: see vfiomig_session_commit. Both sides alike, else
	 * VFIOMIG_PREFLIGHT.
	 */
	VFIOMIG_OWN_COMMIT = 2,
	/* One device after another, as a measure of what parallel states gain; each side its own. */
	VFIOMIG_SERIAL_STATES = 4,
	/*
	 * Source: end before anything is stopped, with an estimate and no error; the peer's ends with VFIOMIG_CANCELLED, named "probe".
	 */
	VFIOMIG_PROBE = 8,
	VFIOMIG_EXTERNAL_SWITCHOVER = 16, /* source: PRE_COPY goes on until vfiomig_session_switchover */
};

struct vfiomig_session;

/*
 * Zero every field that you do not set: zero is the default of each. Here and in the structs that are handed out, a caller's size may
 * be that of an older version: the rest has its default, or is not told. A longer one is -EINVAL where it sets what is not known.
 */
struct vfiomig_options {
	size_t size;	  /* sizeof(struct vfiomig_options) of the caller */
	const char *peer; /* source: HOST:PORT, [V6]:PORT or unix:PATH of the destination; copied */
	const char *bind; /* source: local address of control and lanes; NULL: the kernel's choice; copied */
	/* Destination: where the source will come, of one session at a time; stays the caller's, and outlives the session. */
	struct vfiomig_listener *listener;
	enum vfiomig_transport transport; /* RDMA: refused where no RDMA device reaches the peer (PREFLIGHT) */
	enum vfiomig_loader loader;	  /* destination */
	enum vfiomig_integrity integrity; /* source decides; of packets that are not sealed */
	enum vfiomig_gate gate;		  /* of devices that do not say so themselves; on at one side is on for both */
	unsigned lanes;			  /* source decides; 1 to VFIOMIG_LANES_MAX, 0: 8 */
	unsigned slots;			  /* per device; the smaller of both sides counts; 0: the default */
	size_t slot_bytes;		  /* payload of a slot; the smaller of both sides counts; 0: 1 MiB */
	unsigned peer_timeout_ms;	  /* silence after which the peer counts as dead; 0: 1000 */
	unsigned device_timeout_ms; /* a single call to a device that takes longer has it counted as stuck; 0: 30000 */
	unsigned flags;		    /* of the enum above; a bit that is not known is refused */
	enum vfiomig_precopy precopy;	  /* source; auto: devices that offer it; on: refused if one does not */
	uint64_t precopy_bytes_per_s_max; /* source: of PRE_COPY, all devices together; 0: no limit */
	unsigned downtime_limit_ms; /* source: refuse the switchover, or abort before the commit, beyond it; 0: none */
	/* Source: instead of a peer, the file to record into (several devices: PATH.NAME or PATH.NUMBER); copied. */
	const char *record;
	/*
	 * What both sides prove themselves with, by TLS 1.3 on the control connection: at most one of the two. A side with either
	 * refuses a peer without (VFIOMIG_AUTH), and one without refuses a peer with. Read by _create.
	 */
	const char *psk_file; /* "identity:hexkey" lines as of psktool, of mode 0600; the source uses the first */
	const char *tls_dir;  /* ca-cert.pem, and {server,client}-{cert,key}.pem of the destination and the source */
	enum vfiomig_payload payload; /* AEAD needs one of these two: its key comes from their TLS session */
	/*
	 * Callbacks, all optional: from _dispatch and _run only, on their thread, without a lock. They may call everything but
	 * _dispatch, _run and _close. What they are handed is valid during the call.
	 */
	void *context; /* handed to all of them */
	/* One sentence for people, without a newline. More than 64 that wait for _dispatch are counted instead. */
	void (*log)(void *context, enum vfiomig_log_level level, const char *text);
	/* At most ten times a second, and at the end. Look at _stats. */
	void (*progress)(void *context);
	/* See event.h. */
	void (*event)(void *context, const struct vfiomig_event *event);
	/*
	 * With VFIOMIG_OWN_COMMIT: so long a prepared destination waits for COMMIT, and twice as long a source in doubt asks. Without:
	 * twice as long a committed source waits for the destination's word. 0: 30000.
	 */
	unsigned hold_ms;
	const char *journal_dir; /* with VFIOMIG_OWN_COMMIT: where the journal lies; NULL: see journal.h; copied */
	/* Of all devices' slots together: slots and slot_bytes shrink to it, and _start refuses what is too little (PREFLIGHT). */
	uint64_t queued_bytes_max; /* 0: slots times slot_bytes */
	/*
	 * Each phase that was entered, in order, by the name that _stats uses; those that were left in the same instant are not told.
	 */
	void (*phase)(void *context, const char *phase);
	/* Without VFIOMIG_OWN_COMMIT, once: vfiomig_session_commit may be called now. */
	void (*prepared)(void *context);
	/* Destination: a device's stream that is longer ends the session (PROTOCOL); 0: no limit. */
	uint64_t stream_bytes_max;
	/*
	 * Source: the paths that lanes are spread over, up to the first NULL: "REMOTE" or "LOCAL=REMOTE", addresses without port. None:
	 * one path, from bind to peer, which is the control connection's in any case. The destination's listener must cover each
	 * REMOTE. Copied.
	 */
	const char *rail[VFIOMIG_RAILS_MAX];
	enum vfiomig_numa numa;
	int numa_node; /* of VFIOMIG_NUMA_NODE; one that this machine does not have is refused by _start (PREFLIGHT) */
};

struct vfiomig_lane_stats {
	uint64_t packets, bytes; /* source: sent; destination: received */
};

struct vfiomig_device_stats {
	uint64_t packets, bytes;  /* read or arrived so far; the bytes include the config state */
	uint64_t expected_bytes;  /* of the stream, an estimate */
	enum vfiomig_state state; /* as last reported by the device's own thread; ERROR: also of one that is stuck */
	bool gate;		  /* this device's config load is gated */
	unsigned order;		  /* 1 for the first device of this side whose stream was complete, ...; 0: not yet */
	uint64_t precopy_bytes;	  /* of the bytes: before the stop */
	uint64_t slot_wait_us; /* source: the reader waited for a free slot; destination: the loader waited for data */
};

struct vfiomig_stats {
	size_t size; /* sizeof(struct vfiomig_stats) of the caller; set it before the call */
	unsigned devices, lanes;
	char phase[16];		    /* "AGREE", ... */
	const char *transport;	    /* "rdma", "tcp", "file" of a recording, or "" while not decided; static */
	char transport_reason[160]; /* why that one was taken */
	const char *loader;	    /* destination: "uring" or "write", "" otherwise; static */
	const char *integrity; /* what shows that a payload is whole: "crc32c", "none", or "aead", the seal's tag */
	const char *payload;   /* "clear" or "aead", "" while not decided; static */
	bool gate;	       /* any device is gated */
	uint64_t bytes;	       /* of all devices */
	uint64_t elapsed_us;   /* from the first packet to the last one so far */
	uint64_t downtime_us;  /* source: from the first device's leaving its running state until DONE; 0: not yet */
	unsigned slots;	       /* per device, as agreed */
	size_t slot_bytes;     /* payload of each */
	uint64_t arena_bytes;  /* of this side's memory for all of them, headers and token included */
	/* Destination, sealed packets: what they are copied into and opened in, beside the arena. */
	uint64_t private_bytes;
	struct vfiomig_lane_stats lane[VFIOMIG_LANES_MAX];
	struct vfiomig_device_stats device[VFIOMIG_DEVICES_MAX];
	unsigned lanes_lost;	 /* while they were needed; the others carried on */
	uint64_t packets_resent; /* source: that a lost lane was given and others carried */
	unsigned refused;	 /* destination: connections that could not prove what they must, lanes among them */
	unsigned rails;		 /* 0: none were named; else lane l is on rail l % rails */
	char rail[VFIOMIG_RAILS_MAX][VFIOMIG_RAIL_TEXT_BYTES]; /* source: "LOCAL=REMOTE"; destination: "LOCAL" */
	/* NUMA nodes, -1: unknown, or anywhere. */
	int slots_node;			      /* where the slots' memory was wished */
	int card_node;			      /* the network card's, as far as it is known */
	int device_node[VFIOMIG_DEVICES_MAX]; /* where the device's thread runs */
	/*
	 * Source, of PRE_COPY, as of the last look before the switchover: the destination has loaded what the devices must have given
	 * before they are stopped, their initial bytes; and what each of them said that it still has.
	 */
	bool switchover_ready;
	struct vfiomig_pending pending[VFIOMIG_DEVICES_MAX];
};

/* How it ended. It never grows, and so has no size: what is to be told beyond this is told by _stats. */
struct vfiomig_result {
	struct vfiomig_error error; /* code VFIOMIG_OK and an empty text on success */
	char source_state[16];	    /* "running", "stopped", "retired", "stuck", "unknown" */
	char destination_state[16]; /* "running", "reset", "untouched", "degraded", "recorded", "stuck", "unknown" */
};

/*
 * *@out is the caller's to close; on failure it is NULL. @options is read here and not kept, but for @options->listener. Nothing is
 * connected or started yet.
 *   -EINVAL  an option is out of range or does not go with another, an address cannot be read or resolved, or
 *            options->size is not known; -ENAMETOOLONG: the path to record into (VFIOMIG_USAGE)
 *   -EPERM   a key file that others may read; -ENOENT and other errnos of a key or certificate, -EINVAL: it is none
 *            (VFIOMIG_PREFLIGHT)
 *   -ENOMEM, -EMFILE (VFIOMIG_INTERNAL)
 */
int vfiomig_session_create(struct vfiomig_session **out, enum vfiomig_role role, const struct vfiomig_options *options,
			   struct vfiomig_error *err);

/*
 * Before _start. The device stays the caller's and must outlive the session; nobody else calls it until _close. The first that is added
 * is device 0 of _stats and _budget. After -ENOMEM and -EMFILE the session is only to be closed.
 *   -E2BIG   there are VFIOMIG_DEVICES_MAX already (VFIOMIG_USAGE)
 *   -EBUSY   the session has started, or the device is in one that is not closed (VFIOMIG_USAGE)
 *   -ENOMEM, -EMFILE (VFIOMIG_INTERNAL)
 */
int vfiomig_session_add_device(struct vfiomig_session *session, struct vfiomig_device *device,
			       struct vfiomig_error *err);

/*
 * Create the threads and begin; returns at once. After a failure nothing was touched, and _close is all that is left to do.
 *   -EINVAL   no device, or two of one name; -EBUSY: started already (both VFIOMIG_USAGE)
 *   -ENOTSUP  a device cannot migrate as it is asked to: no STOP_COPY, several and no P2P, no PRE_COPY where it is
 *             asked for, or a VMM's device (vfio:fd=) with the gate on and VFIOMIG_NO_PLATFORM (VFIOMIG_PREFLIGHT)
 *   -ENOSPC   queued_bytes_max is too little; -ENODEV: there is no NUMA node numa_node (both VFIOMIG_PREFLIGHT)
 *   an errno of the journal's folder, with VFIOMIG_OWN_COMMIT, or of the file to record into (VFIOMIG_PREFLIGHT)
 *   -EAGAIN   no thread to be had; -ENOMEM (both VFIOMIG_INTERNAL)
 */
int vfiomig_session_start(struct vfiomig_session *session, struct vfiomig_error *err);

/*
 * Readable when _dispatch has something to do: for poll, epoll (level-triggered) and the like, never to be read. Stays the session's,
 * and the same until _close.
 */
int vfiomig_session_fd(const struct vfiomig_session *session);

/*
 * Run pending callbacks, on the caller's thread and without a lock: they may call everything but _dispatch, _run and _close. Returns 1
 * once the session has ended, all its threads are idle and all that happened was told, 0 before. One thread at a time.
 */
int vfiomig_session_dispatch(struct vfiomig_session *session);

/*
 * The blocking form: _start, then _dispatch until the end, then _result. Returns the result's code. Without VFIOMIG_OWN_COMMIT somebody
 * has to commit: the prepared callback, or another thread. What _start refuses is in @result as well.
 */
enum vfiomig_code vfiomig_session_run(struct vfiomig_session *session, struct vfiomig_result *result);

/*
 * End it: the source's devices go back to RUNNING, the destination's are reset. Any thread, any time, signal handlers too; takes no
 * lock. 0: it is asked for, and the result will say whether it was in time. -EALREADY: too late, COMMIT is on its way, and the
 * destination's answer decides; a source that has none and asks for it gives up the asking and ends in doubt. Where the caller commits,
 * too late is when its own _commit has returned 0, and 0 means that no _commit after it will.
 */
int vfiomig_session_cancel(struct vfiomig_session *session);

/*
 * The commit, where the sessions do not do it themselves (VFIOMIG_OWN_COMMIT). The destination is prepared when all is loaded and
 * checked and its devices are in STOP; the source, when it has heard that and its own devices are in STOP. Both then hold, as long as
 * the caller wants: no timer runs, and neither the peer's silence nor the loss of the control connection ends it. The programs around
 * them decide, over a protocol of their own, always in this order:
 *
 *   the destination's program says that it is prepared; the source's calls _commit, and only if that returned 0 it
 *   tells the destination's, which calls _commit. Whoever does not want to calls _cancel and says so.
 *
 * At the source 0 means that from here on the devices are the destination's: they stay in STOP, whatever happens. The session ends as
 * soon as the destination says that it runs; or without that, with destination_state "unknown", when the connection is lost, after
 * twice hold_ms, or by _cancel. If the destination gives up without having run, it ends with VFIOMIG_IN_DOUBT, "destination-aborted":
 * then _take_back. At the destination 0 means that its devices are started now.
 *
 * Any thread, from the callbacks too; takes a lock, so not in signal handlers.
 *   -EAGAIN     not prepared: the other program's word may come before this session's own; call again when prepared
 *               is told
 *   -EALREADY   it is committed
 *   -ECANCELED  the session has failed, or was cancelled: the source's devices run, the destination's are reset
 *   -ENOTSUP    VFIOMIG_OWN_COMMIT
 */
int vfiomig_session_commit(struct vfiomig_session *session);

/* What _commit would return now, without doing it: 0 is prepared. Any thread. */
int vfiomig_session_prepared(struct vfiomig_session *session);

/*
 * Source that committed and has ended: run its devices again, which they left at the stop. The caller vouches that the destination does
 * not run and never will; nobody else knows. Blocks for as long as the devices take. @result says how it went: VFIOMIG_CANCELLED, named
 * "taken-back", or VFIOMIG_SOURCE_STUCK. -EINVAL: it is not such a source, was taken back already, or has heard from the destination
 * that it runs.
 */
int vfiomig_session_take_back(struct vfiomig_session *session, struct vfiomig_result *result);

/*
 * Cut all connections to the peer, as a broken cable would: sockets are shut down, queue pairs moved to ERR, and nothing is said. The
 * session ends as it does by such a loss (VFIOMIG_FABRIC), and after COMMIT it asks. For a watchdog, when even cancel's word to the
 * peer is one too many. Any thread, any time before _close, signal handlers too; takes no lock.
 */
void vfiomig_session_yank(struct vfiomig_session *session);

/*
 * What the downtime would be, as last reckoned at the source: before the switchover, and the last one made after it. -EAGAIN: none was
 * made yet, or it is the destination; -EINVAL: estimate->size is not known.
 */
int vfiomig_session_estimate(struct vfiomig_session *session, struct vfiomig_estimate *estimate);

/*
 * Where the time went, after the end. -ENOMEM; -EAGAIN: the session has not ended, or never stopped a device; -EINVAL: budget->size is
 * not known.
 */
int vfiomig_session_budget(struct vfiomig_session *session, struct vfiomig_budget *budget);

/*
 * Source with VFIOMIG_EXTERNAL_SWITCHOVER: stop now, as soon as the initial bytes are loaded. Any thread, once. A VMM stops its
 * processors first, so that no guest drives a device that stands still, and before that it waits for VFIOMIG_EVENT_SWITCHOVER_READY;
 * without the flag the session stops the devices when it thinks fit.
 */
void vfiomig_session_switchover(struct vfiomig_session *session);

/*
 * Source: precopy_bytes_per_s_max and downtime_limit_ms of the options from now on, 0: none. Any thread, any time: a limit that the devices
 * have stood still for already gives them back, unless it is committed.
 */
void vfiomig_session_set_limits(struct vfiomig_session *session, uint64_t precopy_bytes_per_s_max,
				unsigned downtime_limit_ms);

/* The VMM's own iterables are out (source); the VMM's platform is loaded (destination). Any thread, once. */
void vfiomig_session_iterables_done(struct vfiomig_session *session);
void vfiomig_session_platform_ready(struct vfiomig_session *session);

/*
 * For rehearsals: lose one lane as a broken cable would, as soon as it has carried @bytes of packets (source: given to it; destination:
 * arrived over it). The others take over; without one that lives the session ends. Any thread, any time before; once per lane; a lane
 * that the session does not have, or that never carries so much, is not lost. -EINVAL: no session has such a lane.
 */
int vfiomig_session_lose_lane(struct vfiomig_session *session, unsigned lane, uint64_t bytes);

/* A snapshot; any thread, between _create and _close. -EINVAL: stats->size is not known. */
int vfiomig_session_stats(struct vfiomig_session *session, struct vfiomig_stats *stats);

/*
 * What every thread, lane and device of it does and waits for, and since when, as lines without a newline for a person to read: @line
 * is called with each, on the caller's thread and without a lock. Any thread, any time between _start's return and _close, also while a
 * device is stuck: nothing but short-lived locks is taken, and neither a device nor the peer is asked. The wording is no interface.
 * -ENOMEM.
 */
int vfiomig_session_describe(struct vfiomig_session *session, void (*line)(void *context, const char *text),
			     void *context);

/* How it ended. Any thread. -EBUSY: it has not. */
int vfiomig_session_result(struct vfiomig_session *session, struct vfiomig_result *result);

/* The session's number, which the journal's records bear; zeroes at a destination to which no source has come. */
void vfiomig_session_id(const struct vfiomig_session *session, uint8_t id[16]);

/*
 * Source whose session ended in doubt: if the journal holds a decision by now, carry it out (the devices resume, or stay stopped for
 * good), and @result says how. -EAGAIN: there is none yet; -EINVAL: it is not in doubt.
 */
int vfiomig_session_settle(struct vfiomig_session *session, struct vfiomig_result *result);

/*
 * Cancels if need be, waits for the threads, frees all. NULL is fine. Devices and listener stay as they are. A device that is stuck in
 * a call is not waited for: its thread, and all that the call may still touch (the slots' memory above all), stay as long as this
 * process lives, and vfiomig_device_close does nothing for it.
 */
void vfiomig_session_close(struct vfiomig_session *session);

#ifdef __cplusplus
}
#endif
#endif
