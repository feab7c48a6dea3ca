/* SPDX-License-Identifier: MIT */
/*
 * The decisions of a session: phases, the gate, the commit, the way back. A pure machine: core_step(state, event, now,
 * actions), no thread, no clock, no I/O. The shell turns its actions into calls and their outcomes into events.
 *
 * A phase is a row of a const table (one table per side): which facts may come in it, which it needs to end, and how far
 * all devices must have got. Each device walks a row of steps; a step starts when its condition holds. That is all.
 */
#ifndef CORE_CORE_H
#define CORE_CORE_H

#include <stdbool.h>
#include <stdint.h>

#include <vfiomig/session.h>

#include "wire/message.h"
#include "wire/token.h"

/* What has happened, once and for all. Bits of core.facts. */
enum core_fact {
	FACT_CONTROL_UP = 1 << 0,      /* the control connection stands */
	FACT_PROBED = 1 << 1,	       /* it is known which transports are usable */
	FACT_OFFER = 1 << 2,	       /* destination: OFFER and all DEVICEs are here and fit */
	FACT_AGREED = 1 << 3,	       /* source: AGREED is here and fits */
	FACT_FABRIC_OPEN = 1 << 4,     /* arena and fabric stand */
	FACT_READY = 1 << 5,	       /* source: READY is here */
	FACT_LANES_UP = 1 << 6,	       /* all lanes stand and have carried their warm-up */
	FACT_LANES_READY = 1 << 7,     /* source: LANES_READY is here */
	FACT_SWITCHOVER = 1 << 8,      /* destination: SWITCHOVER is here */
	FACT_ITERABLES_DONE = 1 << 9,  /* source: the VMM's own iterables are out */
	FACT_PLATFORM_READY = 1 << 10, /* destination: the VMM's platform is loaded */
	FACT_TOKEN = 1 << 11,	       /* destination: the token is here */
	FACT_RELEASED = 1 << 12,       /* destination: its memory takes no remote write any more */
	FACT_PREPARED = 1 << 13,       /* source: PREPARED is here; destination: journalled */
	FACT_COMMITTED = 1 << 14,      /* journalled, on either side */
	FACT_COMMIT = 1 << 15,	       /* destination: COMMIT is here; external commit, either side: the caller's */
	FACT_DONE = 1 << 16,	       /* source: DONE is here */
	FACT_FABRIC_DOWN = 1 << 17,    /* all lanes are fenced, nothing touches the arena */
	FACT_MEASURED = 1 << 18,       /* source: the peer's clock and the lanes' rate are known */
	FACT_SWITCHOVER_DUE = 1 << 19, /* source: PRE_COPY has done what it can, and the estimate is within the limit */
	FACT_ABORTED = 1 << 20,	       /* destination: its tombstone is journalled */
	FACT_RUNNING = 1 << 21,	       /* destination: that it runs is journalled */
};

/* What a device's own thread can be asked for; each is answered by one CORE_DEVICE_DONE. */
enum device_request {
	REQUEST_NONE = 0,
	/* source */
	REQUEST_PRECOPY,   /* to PRE_COPY, and its stream into packets until ACTION_END_PRECOPY */
	REQUEST_QUIESCE,   /* to its P2P state */
	REQUEST_STOP_COPY, /* to STOP_COPY */
	REQUEST_READ,	   /* stream and config state into packets */
	REQUEST_STOP,	   /* STOP_COPY -> STOP */
	REQUEST_RESUME,	   /* back to RUNNING: the way back */
	/* destination */
	REQUEST_CHECK,	  /* would the source's config space load? */
	REQUEST_RESUMING, /* to RESUMING */
	REQUEST_LOAD,	  /* packets into the data_fd, up to and including the config packet, which is kept aside */
	REQUEST_CONFIG,	  /* load the config state */
	REQUEST_FINISH,	  /* RESUMING -> STOP, where drivers validate */
	REQUEST_RUN_P2P,  /* STOP -> RUNNING_P2P */
	REQUEST_RUN,	  /* -> RUNNING */
	REQUEST_RESET,	  /* the way back */
	REQUEST_COUNT
};

/* "quiesce", "read", ...: what a sentence says that the device was at. */
const char *device_request_name(enum device_request request);

enum core_event_kind {
	CORE_START,
	CORE_FACT,    /* .fact: something the shell was asked for is done */
	CORE_MESSAGE, /* .message: one without body, or with one that the shell has taken in; .lane .device of FENCED */
	CORE_STREAM_END,   /* .device .counts: destination */
	CORE_TOKEN,	   /* .token .arrived: destination */
	CORE_DEVICE_DONE,  /* .device .request .error .counts */
	CORE_DEVICE_STUCK, /* .device .error: what it was asked for outlived its deadline; no answer will ever come */
	CORE_FAILED,	   /* .error: something on this side failed */
	CORE_UNWRITTEN,	   /* .error: the journal does not take what it was asked to */
	CORE_LANE_LOST,	   /* .lane .error: a lane is gone; the cause may be on its way over control */
	CORE_LANE_FENCED, /* .lane: nothing of it touches the arena any more on this side, and all that came is taken in */
	CORE_LOST,	  /* .error: the control connection is gone */
	CORE_ABORT,	  /* .error: the peer gives up, and why */
	CORE_CANCEL,
	CORE_COMMIT, /* external commit: the caller's word; nothing happens where core_may_commit refuses it */
	CORE_TICK
};

/* The name of CORE_DEVICE_STUCK's error: by it the peer knows that it is not to claim a state of that side's devices. */
#define CORE_STUCK_NAME "device-stuck"

/* A device's stream in numbers. */
struct stream_counts {
	uint64_t packets;      /* the config packet included */
	uint64_t bytes;	       /* of payload, the config packet's included */
	uint64_t config_bytes; /* of the config packet */
	uint32_t digest;
};

struct core_event {
	enum core_event_kind kind;
	enum core_fact fact;
	enum message_type message;
	unsigned device, lane;
	enum device_request request;
	struct stream_counts counts;
	const struct token *token; /* valid during the step */
	const uint64_t *arrived;   /* packets that have come, per device, config excluded; valid during the step */
	const struct vfiomig_error *error; /* NULL or code 0: it went well; valid during the step */
};

enum core_action_kind {
	ACTION_PROBE = 1,     /* -> FACT_PROBED */
	ACTION_OPEN_FABRIC,   /* -> FACT_FABRIC_OPEN */
	ACTION_CONNECT_LANES, /* -> FACT_LANES_UP */
	ACTION_SEND, /* .message (.device for STREAM_END, .lane and .device for FENCED); ABORT and DONE: core.outcome */
	ACTION_DEVICE,	    /* .device .request -> CORE_DEVICE_DONE */
	ACTION_END_PRECOPY, /* the devices' PRE_COPY streams end where they are */
	ACTION_TOKEN,	    /* post the token */
	ACTION_RELEASE,	    /* -> FACT_RELEASED */
	/*
	 * .fact: PREPARED or COMMITTED -> that fact, or CORE_UNWRITTEN. ABORTED and RUNNING are not answered: the actions after
	 * it wait until it was tried.
	 */
	ACTION_JOURNAL,
	ACTION_STOP_WAITS, /* every wait of the data path ends with -ECANCELED */
	ACTION_FENCE,	   /* -> FACT_FABRIC_DOWN */
	ACTION_FENCE_LANE, /* .lane -> CORE_LANE_FENCED; it may be dead already */
	ACTION_RESEND,	   /* source: .lane .device: FENCED, which is at hand, into the flow */
	ACTION_FINISH,	   /* the session has ended; core.outcome says how */
};

struct core_action {
	enum core_action_kind kind;
	enum message_type message;
	unsigned device, lane;
	enum device_request request;
	enum core_fact fact;
};

/* No step emits more: per device one request and one message, and a few of the session. */
enum { CORE_ACTIONS_MAX = 2 * VFIOMIG_DEVICES_MAX + 16 };

struct core_actions {
	unsigned count;
	uint32_t entered; /* phases that began in this step, bit per enum core_phase, which is their order */
	struct core_action action[CORE_ACTIONS_MAX];
};

/* Shared by both sides' tables; each side uses those that it needs, in this order. */
enum core_phase {
	PHASE_NONE = 0,
	PHASE_CONNECT,
	PHASE_AGREE,
	PHASE_PREPARE,
	PHASE_LANES,
	PHASE_PRECOPY,	  /* source: devices run and give what they can; destination: not used */
	PHASE_SWITCHOVER, /* source: quiesce; destination: not used */
	PHASE_STREAM,
	PHASE_DRAIN,  /* source: all is out, wait for PREPARED; destination: release and journal */
	PHASE_HOLD,   /* prepared: COMMIT may come; source: only with external commit */
	PHASE_RECORD, /* COMMITTED is being journalled */
	PHASE_COMMIT, /* source: COMMIT is out; destination: devices go to P2P */
	PHASE_RUN,    /* destination: devices run */
	PHASE_DONE,
	PHASE_ROLLBACK, /* waits end, lanes are fenced, device calls come back */
	PHASE_RESTORE,	/* source: devices resume; destination: devices are reset */
	PHASE_FAILED,
	PHASE_COUNT
};

struct core_device {
	bool p2p;			/* has the P2P states */
	bool precopy;			/* source: goes through PRE_COPY */
	bool gated;			/* its config load waits for token and platform */
	uint8_t step;			/* steps of its row that are done */
	enum device_request busy;	/* asked of its thread and not answered */
	bool touched;			/* some state change was asked for: it must be put back if the session fails */
	bool failed;			/* destination, after the commit: it could not be run */
	bool stuck;			/* a call to it never returned: it is asked nothing any more */
	bool ended;			/* destination: .manifest is here */
	struct stream_counts precopied; /* source: what was read in PRE_COPY; part of .counts */
	struct stream_counts counts;	/* of this side: what was read, or loaded */
	struct stream_counts manifest;	/* destination: what the source says */
	bool counted;			/* .counts are complete */
	unsigned order;			/* 1 for the first device whose counts were complete */
};

/* How far a lane is out of use. */
enum core_lane_state {
	CORE_LANE_LIVE = 0,
	CORE_LANE_FENCING,  /* asked of this side's shell */
	CORE_LANE_AGREEING, /* source: FENCE is out; destination: LANE_LOST is */
	CORE_LANE_OVER,	    /* both sides know */
	CORE_LANE_LAST,	    /* lost as the last one: it is not replaced, and not fenced on its own */
};

struct core_lane {
	enum core_lane_state state;
	bool wanted;	  /* destination: FENCE is here */
	unsigned reports; /* source: devices of which FENCED has come */
	uint64_t since_ns;
};

/* What a source is for. All but the first end by the way back, without an error. */
enum core_purpose { CORE_MIGRATE = 0, CORE_PROBE /* ends with PRECOPY */, CORE_RECORD /* ends with DRAIN */ };

struct core {
	enum vfiomig_role role;
	const struct phase_row *phases; /* this side's table, indexed by enum core_phase */
	const struct step_row *steps;	/* this side's row of device steps */
	uint64_t peer_timeout_ns;
	uint64_t hold_ns; /* destination: how long it waits for COMMIT; source: half of how long for the answer */
	enum core_purpose purpose;
	bool serial;		    /* one device after another */
	bool external;		    /* the caller commits: no journal, no hold time, no doubt */
	uint64_t downtime_limit_ns; /* source: give up before the commit beyond it; 0: no limit */
	unsigned devices;
	struct core_device device[VFIOMIG_DEVICES_MAX];
	unsigned lanes; /* 0: a lost lane is not replaced */
	struct core_lane lane[VFIOMIG_LANES_MAX];
	enum core_phase phase;
	uint32_t facts;
	uint64_t phase_ns;		/* since when it is in this phase */
	uint64_t heard_ns;		/* when the peer was last heard */
	uint64_t sent_ns;		/* when something was last sent */
	uint64_t gate_ns;		/* destination: since when only the gate is awaited; 0: it is not */
	uint64_t stop_ns;		/* when the first device left its running state; 0: not yet */
	uint64_t done_ns;		/* source: when DONE came */
	uint64_t lane_lost_ns;		/* when a lane was lost that none can replace; 0: none was */
	struct vfiomig_error lane_lost; /* why, as far as the lane knows */
	bool peer_gone;			/* the control connection is of no use any more */
	bool peer_knows;		/* ABORT was sent, or came */
	bool peer_aborted;		/* an ABORT came */
	bool peer_stuck;		/* an ABORT came, because a device of the peer's is stuck */
	bool touched;			/* any device's state was changed */
	bool ran;			/* destination: a device has left STOP for good */
	bool overtaken;			/* source: COMMIT is out: no way back on its own */
	bool alone;	    /* source, external commit: retired without the destination's word that it runs */
	unsigned ordered;   /* devices with an order */
	struct token token; /* destination: valid with FACT_TOKEN */
	struct vfiomig_error outcome;
};

struct core_config {
	enum vfiomig_role role;
	uint64_t peer_timeout_ns;
	uint64_t hold_ns; /* 0: 30 s */
	bool no_platform; /* no VMM: iterables done and platform ready from the start */
	enum core_purpose purpose;
	bool serial;
	bool external_commit;
	uint64_t downtime_limit_ns;
};

void core_init(struct core *core, const struct core_config *config, uint64_t now);

/* Devices are known (before CORE_START at the source; with OFFER at the destination), gates with AGREE. */
void core_set_devices(struct core *core, unsigned devices);

/* With AGREE: how many can be lost before the session is. */
void core_set_lanes(struct core *core, unsigned lanes);

/* One event in; the actions that follow from it out, in order. */
void core_step(struct core *core, const struct core_event *event, uint64_t now, struct core_actions *actions);

bool core_finished(const struct core *core);
/* COMMIT is out, or here: a cancel changes nothing any more. */
bool core_too_late(const struct core *core);
/*
 * External commit: 0 if the caller may commit now. -ENOTSUP: it is not the caller's; -EAGAIN: not prepared yet; -EALREADY: it is
 * committed; -ECANCELED: there is nothing left to commit.
 */
int core_may_commit(const struct core *core);
const char *core_phase_name(const struct core *core);

/* The state of this side's devices and of the peer's, as words of struct vfiomig_result. */
void core_result(const struct core *core, struct vfiomig_result *result);

#endif
