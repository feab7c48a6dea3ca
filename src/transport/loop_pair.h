/* SPDX-License-Identifier: MIT */
/* What the two files of the loop share: a pair, its two ends, and what is on its way from each on every lane. */
#ifndef TRANSPORT_LOOP_PAIR_H
#define TRANSPORT_LOOP_PAIR_H

#include "transport/loop.h"

enum { LOOP_ANNOUNCED_MAX = 3, LOOP_QUEUE_EXTRA = 4, LOOP_TURN_MESSAGES = 4 };

struct loop_entry {
	struct fabric_packet packet;
	bool body;
	const uint8_t *stray; /* the body, where the arena is not its place any more; NULL: it is */
};

struct loop_lane {
	bool gone;		  /* fenced, or DEAD was given out */
	bool dying;		  /* DEAD is due */
	struct loop_entry *queue; /* ring; owned; on its way from this end */
	unsigned head, count;
	uint64_t delivered; /* from this end */
	uint8_t *strays;    /* LOOP_ANNOUNCED_MAX bodies of it, for a lane that breaks; owned; NULL at a destination */
	uint64_t sent[LOOP_ANNOUNCED_MAX];
	unsigned sent_count;
	struct vfiomig_error error;
};

struct loop_pair;

struct loop_fabric {
	struct fabric fabric;
	struct fabric_config config;
	struct loop_pair *pair;
	struct loop_fabric *peer; /* NULL once it is closed */
	bool released;
	unsigned capacity; /* of each lane's queue */
	unsigned turn;
	struct loop_lane lanes[VFIOMIG_LANES_MAX];
};

struct loop_pair {
	struct loop_policy policy;
	uint64_t random;
	struct loop_fabric ends[2];
};

static inline bool loop_lane_live(const struct loop_lane *lane)
{
	return !lane->gone && !lane->dying;
}

/* loop.c: the first reason stands. */
void loop_lane_die(struct loop_lane *lane, enum vfiomig_code code, int errnum, const char *name, unsigned index,
		   const char *why);

/* loop_deliver.c: how much room a body takes, and take what is on its way from @end on lane @index out of the arena. */
size_t loop_stray_bytes(const struct loop_fabric *end);
void loop_lane_stray(struct loop_fabric *end, unsigned index);

/* loop_deliver.c: let the policy decide about the oldest message to @to on lane @index. True: @event is filled in. */
bool loop_lane_deliver(struct loop_fabric *to, unsigned index, struct fabric_event *event);

#endif
