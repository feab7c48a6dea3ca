/* SPDX-License-Identifier: MIT */
/*
 * The traffic of a session: which slot belongs to whom, which packet goes on which lane and when, what has been loaded.
 * A pure machine, stepped under one lock; whoever steps it carries out the actions, outside the lock. Nothing is
 * allocated after init.
 */
#ifndef CORE_FLOW_H
#define CORE_FLOW_H

#include <stdbool.h>
#include <stdint.h>

#include <vfiomig/session.h>

#include "order/window.h"
#include "wire/immediate.h"
#include "wire/message.h"
#include "wire/packet.h"

/* More would only queue behind each other: the first packet of another device would come late. */
enum { FLOW_OUTSTANDING_MAX = 2 };

/* Who owns a slot of the source. */
enum flow_owner {
	OWNER_NOBODY = 0, /* loaded and sent: free to take */
	OWNER_READER,	  /* the device's thread fills it */
	OWNER_QUEUE,	  /* full, waits for its lane */
	OWNER_LANE,	  /* a work request reads it */
	OWNER_PEER,	  /* sent, but not known to be loaded */
	OWNER_COUNT
};

struct flow_slot {
	enum flow_owner owner;
	uint32_t bytes;
	uint64_t index; /* of the packet in it */
	unsigned lane;	/* that was given it, from OWNER_LANE on */
};

struct flow_device {
	bool waiting;	  /* its thread sleeps until FLOW_WAKE */
	uint64_t packets; /* source: filled; destination: arrived */
	uint64_t bytes;	  /* of their payload */
	bool config;	  /* the config packet is among them */
	/* source */
	struct flow_slot *slots;
	uint64_t credit; /* packets that the destination has loaded */
	/* destination */
	struct window window;
};

/*
 * A lane, and the packets whose home it is: those with (d + index) % lanes = its number, whoever carries them. Home packets of a
 * lane that is fenced are carried by all that live; until then they wait.
 */
enum flow_lane_state {
	LANE_LIVE = 0,
	LANE_DEAD,   /* carries nothing any more; what becomes of what it was given is not known yet */
	LANE_FENCED, /* on both sides */
};

struct flow_lane {
	enum flow_lane_state state;
	unsigned outstanding; /* packets given to it that are not sent */
	unsigned turn;	      /* device that is served first next time */
	uint64_t packets, bytes;
	uint64_t resent; /* packets that it was given, and that others had to carry */
	/* Per device, of its home packets: */
	uint64_t *next;	 /* none before this index waits to be carried */
	uint64_t *given; /* all before this index were given to a lane once */
};

struct flow {
	enum vfiomig_role role;
	unsigned devices, lanes;
	uint32_t slots;
	uint32_t slot_bytes;
	unsigned fenced;    /* lanes that are */
	unsigned next_lane; /* source: that is first to carry a packet whose home is fenced */
	int token_lane;	    /* source: the lane that was given the token; -1: none was */
	bool token_due;	    /* source: the token must be sent again */
	struct flow_device device[VFIOMIG_DEVICES_MAX];
	struct flow_lane lane[VFIOMIG_LANES_MAX];
	void *memory; /* behind slots, windows and next */
};

struct flow_shape {
	enum vfiomig_role role;
	unsigned devices, lanes;
	uint32_t slots, slot_bytes;
};

enum flow_action_kind {
	FLOW_POST = 1, /* give .packet to .lane */
	FLOW_CREDIT,   /* send .immediate on .lane */
	FLOW_WAKE,     /* the thread of .device has something to do */
	FLOW_TOKEN,    /* post the token again, on .lane */
};

struct flow_action {
	enum flow_action_kind kind;
	unsigned lane, device, slot;
	uint32_t bytes;
	uint32_t immediate;
};

enum { FLOW_ACTIONS_MAX = FLOW_OUTSTANDING_MAX + 2 };

struct flow_actions {
	unsigned count;
	struct flow_action action[FLOW_ACTIONS_MAX];
};

/* -ENOMEM. All memory is taken here; the caller ends with flow_fini, which takes a zeroed flow too. */
int flow_init(struct flow *flow, const struct flow_shape *shape);
void flow_fini(struct flow *flow);

/* --- Source ------------------------------------------------------------------------------------------------------- */

/*
 * The slot that device @d's reader may fill next, and its packet's index; the same again until flow_filled. False: there
 * is none now, and FLOW_WAKE will come when there is.
 */
bool flow_take(struct flow *flow, unsigned d, unsigned *slot, uint64_t *index);

/* Is all that @d's reader filled loaded at the destination? False: FLOW_WAKE will come with the next credit. */
bool flow_settled(struct flow *flow, unsigned d);

/* The slot taken holds a packet of @bytes. */
void flow_filled(struct flow *flow, unsigned d, uint32_t bytes, bool config, struct flow_actions *actions);

/* @lane has no more use for this slot. Of a lane that is dead it says nothing: its end is in flow_resend. */
void flow_sent(struct flow *flow, unsigned lane, unsigned d, unsigned slot, struct flow_actions *actions);

/* The lane with the lowest number that lives, where the token goes; it counts as given to it. -ENOTCONN: none. */
int flow_token(struct flow *flow);

/*
 * Both sides have fenced report->lane, and this is what had come of one device; one call per device. What the lane was given and was
 * not seen is queued again, in the same slots, for any lane that lives; its home packets too are theirs from now on. 0, or -EPROTO
 * with *@why "fenced-shape" (another number of slots, no such device or lane), "fenced-beyond-sent" (it speaks of packets that no
 * lane was given). flow_recover must follow. Never before the other side has fenced the lane.
 */
int flow_resend(struct flow *flow, const struct message_fenced *report, const char **why);

/* A credit came. 0, or -EPROTO with *@why "credit-foreign-device" or "credit-beyond-sent". */
int flow_credit(struct flow *flow, uint32_t immediate, struct flow_actions *actions, const char **why);

/* --- Destination -------------------------------------------------------------------------------------------------- */

/* Where a data message may be received, before it is. 0, or -EPROTO with *@why, see window.h; also "packet-too-long",
 * "packet-lane". */
int flow_place(const struct flow *flow, unsigned lane, uint32_t immediate, uint32_t payload_bytes, unsigned *d,
	       unsigned *slot, const char **why);

/* Which slot a data message with this immediate is in. -EPROTO: no such device. */
int flow_slot_of(const struct flow *flow, uint32_t immediate, unsigned *d, unsigned *slot, const char **why);

/*
 * A packet is whole in its slot; @header is decoded from a copy. 0, or -EPROTO with *@why: as window.h, or
 * "packet-immediate" (header and immediate disagree), "packet-lane" (another lane's), "packet-too-long".
 */
int flow_arrived(struct flow *flow, unsigned lane, uint32_t immediate, const struct packet_header *header,
		 struct flow_actions *actions, const char **why);

/*
 * How many packets of @d are there to be loaded, at most @max. A config packet is handed out alone. 0: none, and, where
 * @wait, FLOW_WAKE will come. They stay in their slots until flow_loaded.
 */
unsigned flow_ready(struct flow *flow, unsigned d, unsigned max, bool wait);

/* The slot and the facts of the @ahead-th of them. */
unsigned flow_peek(const struct flow *flow, unsigned d, unsigned ahead, struct packet_header *header);

/* The first @count of them are loaded. */
void flow_loaded(struct flow *flow, unsigned d, unsigned count, struct flow_actions *actions);

/* What has come of @d, as FENCED tells it for @lane; .token is left false. The lane must be fenced on this side. */
void flow_report(const struct flow *flow, unsigned lane, unsigned d, struct message_fenced *report);

/* Data packets of @d that have come, the config packet not counted. */
uint64_t flow_data_packets(const struct flow *flow, unsigned d);

/* --- Both --------------------------------------------------------------------------------------------------------- */

/* @lane is lost, or to be fenced: nothing is given to it any more. Again is fine. */
void flow_lane_dead(struct flow *flow, unsigned lane);

/*
 * Destination: nothing of @lane touches the arena any more, and all that had come over it was taken in by flow_arrived. From now on its
 * home packets may come over any lane, and none over itself. Again is fine.
 */
void flow_lane_fenced(struct flow *flow, unsigned lane);

/*
 * What follows from a resend, in portions: called with @n = 0, 1, 2 ... until it is false. In between, others may step the flow.
 */
bool flow_recover(struct flow *flow, unsigned n, struct flow_actions *actions);

/* Lanes that carry. */
unsigned flow_living(const struct flow *flow);

/* Every device's config packet is loaded: no lane is needed for packets any more. */
bool flow_drained(const struct flow *flow);

/* Invariants 1 and 2 of src/README.md; for tests and assertions. */
bool flow_consistent(const struct flow *flow);

#endif
