/* SPDX-License-Identifier: MIT */
/*
 * Two sides of one migration in one process, one thread and virtual time: the production core, flow, wire and loop fabric, with devices, hosts, a
 * control connection and a person around them that are made here, and everything that can go wrong with those. All that happens
 * is an event in one queue, and every choice comes from one generator: a seed is a whole run.
 */
#ifndef SIMULATE_H
#define SIMULATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "core/core.h"
#include "core/flow.h"
#include "core/plan.h"
#include "device/device.h"
#include "support/random.h"
#include "transport/loop.h"
#include "wire/journal.h"

enum {
	SOURCE = 0,
	DESTINATION = 1,
	SIDES = 2,
	DEVICES_MAX = 4,
	LANES_MAX = 8,
	SLOTS_MAX = 12,
	SLOT_BYTES_MAX = 1 << 20, /* of the one large run; the others' are small */
	CONFIG_BYTES_MAX = 256,
	INBOX_MAX = 64,
	FRAME_BYTES_MAX = 1024,
	FRAMES_MAX = 512,
	HEAP_MAX = 4096,
	POSTS_MAX = 64,
	FAULTS_MAX = 8,
	BATCH_MAX = 8,
	ASKS_MAX = 4,
};

/* What can go wrong, or be done to a run. Names: fault_names in draw.c. */
enum fault_kind {
	FAULT_REORDER,	   /* lanes are slow, each in its own time */
	FAULT_LANE_BEFORE, /* a lane dies, and with it its next message */
	FAULT_LANE_AFTER,  /* a lane dies, its next message came, its sender does not learn so */
	FAULT_LANE_BREAKS, /* a lane dies on one side; what was on its way still arrives, and the other side learns nothing */
	FAULT_LANES_ALL,     /* all lanes die */
	FAULT_FENCE_HANGS,   /* the destination's lane is never done with being fenced */
	FAULT_DAMAGE,	     /* one bit of a message turns */
	FAULT_CUT,	     /* the control connection breaks */
	FAULT_HOLE,	     /* it swallows everything from now on */
	FAULT_KILL,	     /* a side's process dies, its devices with it */
	FAULT_KILL_HELD,     /* it dies, but a VMM holds the devices */
	FAULT_SLEEP,	     /* a side's process stands still for a while, perhaps beyond all patience */
	FAULT_SHORT_IO,	     /* devices take and give in pieces */
	FAULT_DEVICE_ERROR,  /* a call to a device fails */
	FAULT_DEVICE_STUCK,  /* a call to a device does not return in time */
	FAULT_SLOW_CONSUMER, /* the destination's devices load slowly */
	FAULT_CANCEL,
	FAULT_TOKEN_LIES, /* the token counts otherwise than what was sent */
	FAULT_UNWRITTEN,  /* a journal takes no record */
	FAULT_CALLS_LOST, /* the source's questions after COMMIT do not get through for a while */
	FAULT_RESOLVE,	  /* a person decides while the source still asks */
	/* Where the VMMs commit. */
	FAULT_VMM_DIES,	 /* a VMM dies, and its session lives */
	FAULT_VMM_MIND,	 /* a VMM changes its mind */
	FAULT_WORD_CUT,	 /* the VMMs' own connection breaks */
	FAULT_WORD_SLOW, /* it is slow */
	FAULT_KINDS
};

extern const char *const fault_names[FAULT_KINDS];

/* What must have come to pass where the VMMs commit, or the simulator has a hole. Names: deed_names in caller.c. */
enum deed {
	DEED_COMMIT,
	DEED_COMMIT_EARLY,
	DEED_COMMIT_AGAIN,
	DEED_COMMIT_CANCELLED,
	DEED_CANCEL_IN_TIME,
	DEED_CANCEL_LATE,
	DEED_TAKE_BACK,
	DEED_TAKE_BACK_REFUSED,
	DEED_RETIRED_ALONE,
	DEED_ABORTED_AFTER,
	DEED_FENCED,
	DEED_PROMOTED,
	DEED_HELD_WITHOUT_PEER,
	DEED_CONFLICT,
	DEED_KINDS
};

extern const char *const deed_names[DEED_KINDS];

struct fault {
	enum fault_kind kind;
	unsigned side, device, lane;
	enum core_phase phase; /* from when the side is in it; PHASE_NONE: from the start */
	unsigned steps;	       /* of the run, after that */
	unsigned actions;      /* KILL: of the side's core, after that */
	enum device_request request;
	unsigned number; /* which arc or piece of the request */
	uint64_t ns;	 /* how long */
	bool armed, over;
};

struct shape {
	unsigned devices, lanes, slots[SIDES], faults, drawn;
	uint32_t slot_bytes;
	bool serial[SIDES], vmm[SIDES], tcp, p2p;
	enum vfiomig_gate gate[SIDES], device_gate[DEVICES_MAX];
	enum vfiomig_integrity integrity;
	uint64_t initial_bytes[DEVICES_MAX], data_bytes[DEVICES_MAX]; /* of PRE_COPY, 0 for none; of all */
	uint32_t config_bytes[DEVICES_MAX];
	uint64_t peer_timeout_ns, hold_ns, device_timeout_ns, downtime_limit_ns;
	uint64_t write_ns_per_kib; /* SLOW_CONSUMER */
	bool short_io, reorder, recv_again, probe;
	bool external[SIDES];			     /* its caller commits */
	uint64_t word_ns_max, think_ns, patience_ns; /* WORD_SLOW; the VMMs' */
	struct fault fault[FAULTS_MAX];
};

/* A device, as it is: it belongs to its host and outlives a process, if it is held. */
struct device {
	enum vfiomig_state state;
	uint32_t flags;
	bool gone;		    /* its last descriptor is closed: its state is lost */
	bool resumed;		    /* destination: has been in RESUMING since its last reset */
	bool whole;		    /* destination: all of the source's state is in it */
	bool ran;		    /* destination: it has left STOP with what was loaded */
	bool broken;		    /* it failed once, and may have lost what it had */
	uint64_t at;		    /* of its stream: read, or loaded */
	bool config;		    /* its config state was given, or loaded */
	int result;		    /* of the call under way: 0 or an errno */
	enum device_request effect; /* the call under way, until it has had its effect */
};

/* A device's own thread in the shell. */
struct thread {
	enum device_request request;
	unsigned stage, call, turn;
	bool waiting, signalled, abandoned;
	uint64_t call_ns; /* a call into the driver began; 0: none is under way */
	struct stream_counts counts;
	/* source */
	bool precopy_end, precopy_done, initial_read, dry, ended;
	uint64_t initial_packets;
	unsigned slot;
	uint64_t index;
	uint32_t target, got, piece;
	/* destination */
	unsigned batch, batch_at;
	struct packet_header header[BATCH_MAX];
	unsigned batch_slot[BATCH_MAX];
	uint32_t written;
	uint8_t blob[CONFIG_BYTES_MAX];
	uint32_t blob_bytes;
	struct vfiomig_error failure; /* of the request */
};

struct note {
	struct core_event event;
	struct vfiomig_error error;
};

struct deferred {
	bool used;
	struct flow_action action;
};

/* The source after COMMIT. */
struct asking {
	bool on, under_way;
	unsigned call;
	uint64_t next_ns;
};

/* One side's process: what src/session's shell keeps. */
struct side {
	unsigned number; /* SOURCE or DESTINATION */
	bool alive, started, asleep, finished, told, gone_home;
	unsigned life; /* what was begun by an earlier process is nobody's */
	uint64_t awake_ns, finished_ns, watch_ns, watched_ns, inbox_ns, task_ns;
	unsigned actions; /* of its core so far */
	struct core core;
	struct plan_side plan_side;
	struct plan plan;
	struct message_offer offer;
	struct message_device offer_device[DEVICES_MAX];
	unsigned offer_devices_here;
	bool offer_here, offer_judged, probed, due_told, measured, up, lost, conn_closed;
	struct fabric *fabric;
	struct flow flow;
	struct arena arena;
	bool lanes_up, lanes_told, lanes_failed, stop, token_here, released;
	unsigned trials_sent, warm;
	uint64_t poll_ns; /* when it looks at its lanes next; UINT64_MAX: when something comes */
	struct token token;
	uint64_t token_arrived[VFIOMIG_DEVICES_MAX];
	struct thread thread[DEVICES_MAX];
	struct deferred deferred[POSTS_MAX];
	struct note inbox[INBOX_MAX];
	unsigned inbox_head, inbox_count;
	uint32_t lanes_dead, lanes_awaited; /* a bit per lane: DEAD was told; its fence is owed to core */
	struct message_fenced fenced;	    /* as it came, or goes */
	struct asking asking;
	struct vfiomig_result result;
};

/* A VMM, where the VMMs commit: what it knows, has said and has heard. */
struct vmm {
	bool alive;
	bool ready, over;	   /* its session told: prepared; ended */
	bool committed, cancelled; /* by what it asked for; cancelled: it will not commit any more */
	bool early;		   /* its commit came before its session's word */
	bool unwilling, cut;
	bool said_prepared, said_over;
	bool heard_prepared, heard_commit, heard_over, heard_runs;
	bool called;   /* a person */
	unsigned wait; /* its patience, by number */
};

/* One direction of the VMMs' own connection: words in order. */
struct talk {
	uint64_t last_ns;
	unsigned said, heard, lost_after;
	bool ended;
};

/* A host's record of the session, as it lies on its disk. */
struct record {
	size_t bytes; /* 0: none */
	uint8_t data[JOURNAL_BYTES_MAX];
};

/* One direction of the control connection. */
struct wire {
	unsigned head, count;
	uint64_t last_ns;
	bool ended; /* its sender has said its last */
	uint32_t bytes[FRAMES_MAX];
	uint8_t frame[FRAMES_MAX][FRAME_BYTES_MAX];
};

enum event_kind {
	EVENT_START = 1,
	EVENT_TICK,
	EVENT_INBOX,
	EVENT_UP,	  /* source: the control connection stands */
	EVENT_FRAME,	  /* a frame arrives */
	EVENT_LOST,	  /* the end of the control connection is seen */
	EVENT_TASK,	  /* .a: enum core_action_kind: the fabric thread does it */
	EVENT_FENCE_LANE, /* .a: lane */
	EVENT_POLL,
	EVENT_POST,   /* .a: of deferred[] */
	EVENT_THREAD, /* .a: device: its thread goes on */
	EVENT_CALL,   /* .a: device, .b: call: the driver returns */
	EVENT_EFFECT, /* .a: device: what the call does to it is done */
	EVENT_TOLD,   /* whoever began the session has its result, and closes it */
	EVENT_WAKE,   /* SIGCONT */
	EVENT_PLATFORM,
	EVENT_ASKED,  /* .b: call: source's question arrives at the destination's host */
	EVENT_ANSWER, /* .a: state, degraded << 8, .b: call: at the source */
	EVENT_AGAIN,  /* a later process on that host */
	EVENT_VMM,    /* who holds a dead source's devices reads the journal */
	EVENT_PERSON,
	/* Where the VMMs commit. */
	EVENT_NUDGE,	/* the control thread sees that it is to look */
	EVENT_CANCEL,	/* it hears a cancel */
	EVENT_DISPATCH, /* the VMM runs what its session has to tell */
	EVENT_WORD,	/* .a: enum word, .b: its number: at the VMM */
	EVENT_CONSIDER, /* the VMM has thought about it */
	EVENT_PATIENCE, /* .a: of which wait */
};

/* What VMMs say to each other. */
enum word {
	WORD_PREPARED = 1, /* the destination's: its session is */
	WORD_COMMIT,	   /* the source's: its session has answered 0 */
	WORD_OVER,	   /* the destination's: it never ran and never will; the source's: it will not commit */
	WORD_RUNS,	   /* the destination's */
	WORD_END,	   /* the connection's end */
};

struct event {
	uint64_t at, number;
	enum event_kind kind;
	unsigned side, life;
	uint32_t a, b;
};

/* What only an onlooker knows. */
struct truth {
	uint64_t posted[DEVICES_MAX], loaded[DEVICES_MAX]; /* packets */
	uint64_t in_slot[DEVICES_MAX][SLOTS_MAX]; /* packets posted from the slot whose SENT has not come: lane + 1 */
	uint64_t slot_index[DEVICES_MAX][SLOTS_MAX]; /* of the packet last posted from it, + 1 */
	unsigned slot_lane[DEVICES_MAX][SLOTS_MAX];  /* over which lane */
	uint64_t resent;
	uint32_t lanes_hit;   /* a bit per lane that died of a fault */
	bool lanes_hit_early; /* before lanes carry: that ends a session */
	bool token_lied, source_read[DEVICES_MAX], commit_sent, source_stopped;
	bool damaged, decided_resume, decided_promote, fenced, platform_ready, killed[SIDES], held[SIDES];
	bool watched;
	/* Where the VMMs commit. */
	bool committed[SIDES], cancel_asked[SIDES], refused[SIDES]; /* answered: 0, 0, -ECANCELED */
	bool ready_over_there, taken_back, aborted_over_there;
};

struct world {
	uint64_t seed, now, numbers, steps, digest;
	struct random random;
	bool trace;
	struct shape shape;
	struct device device[SIDES][DEVICES_MAX];
	struct vfiomig_device handle[SIDES][DEVICES_MAX];
	struct vfiomig_device *handles[SIDES][DEVICES_MAX];
	struct side side[SIDES];
	struct record disk[SIDES];
	struct wire *wire; /* [SIDES]: towards each */
	bool cut, hole;
	bool listens_again; /* a later process of the destination's answers questions */
	uint64_t calls_lost_until;
	unsigned applied[FAULT_KINDS];
	unsigned met[DEED_KINDS];
	struct truth truth;
	struct vfiomig_session *caller[SIDES]; /* what production's API is called with: caller.c */
	struct vmm mind[SIDES];
	struct talk talk[SIDES]; /* towards each */
	bool person_on;
	unsigned visits;
	uint64_t lane_number[SIDES][LANES_MAX], lane_due[SIDES][LANES_MAX];
	uint8_t *memory[SIDES];	   /* of the arenas */
	struct fabric *end[SIDES]; /* both are made at once: the loop has no address to wait at */
	struct event *heap;
	unsigned events;
	char broken[256]; /* the invariant that was; "" */
};

#include "parts.h"

#endif
