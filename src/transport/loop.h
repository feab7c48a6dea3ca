/* SPDX-License-Identifier: MIT */
/*
 * Two fabrics in one process, joined by memory: for tests, and for a simulator that must be able to run the same session
 * again, fault for fault. Nothing here has a thread, a clock or a descriptor; a message moves only when its receiver
 * polls, and a policy handed in decides whether it does. Both ends are called from one thread.
 */
#ifndef TRANSPORT_LOOP_H
#define TRANSPORT_LOOP_H

#include "transport/fabric.h"

/* What becomes of a lane's oldest message. Later ones of the lane wait behind it: a lane never reorders. */
enum loop_verdict {
	LOOP_DELIVER = 0,
	LOOP_DELAY,	 /* not in this poll: lanes overtake each other */
	LOOP_CORRUPT,	 /* deliver it with one bit of its body turned */
	LOOP_CUT_BEFORE, /* the lane dies; the message never came */
	LOOP_CUT_AFTER,	 /* the lane dies; the message came, but its sender does not learn so */
};

struct loop_message {
	enum vfiomig_role to;
	unsigned lane;
	uint64_t number; /* of the messages delivered on this lane in this direction before it */
	uint32_t immediate;
	uint32_t bytes; /* of the body */
};

struct loop_policy {
	/* NULL: all is delivered. @random is fresh at every question, from @seed on, and the same in every run. */
	enum loop_verdict (*judge)(void *context, const struct loop_message *message, uint64_t random);
	void *context;
	uint64_t seed;
};

/*
 * A pair whose lanes are up from the start: establish does nothing. The configs are copied (routes do not matter, but for
 * their roles), both shapes must be equal; @policy may be NULL. Each end is closed on its own, the last takes the pair
 * with it. -EINVAL: the configs do not fit each other; -ENOMEM.
 */
int loop_pair_open(struct fabric **source, struct fabric **destination, const struct fabric_config *source_config,
		   const struct fabric_config *destination_config, const struct loop_policy *policy);

/* Kill @lane on both sides, as a pulled cable would. */
void loop_cut(struct fabric *fabric, unsigned lane);

/*
 * Kill @lane on this side only. What it had sent is on its way, as it was then, and still arrives, until the lane dies over there too;
 * the other side learns nothing of it.
 */
void loop_break(struct fabric *fabric, unsigned lane);

/* As the others, but for probe, open and adopt, which do not exist for a pair: those are NULL. */
extern const struct fabric_ops loop_fabric_ops;

#endif
