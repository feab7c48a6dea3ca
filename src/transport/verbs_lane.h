/* SPDX-License-Identifier: MIT */
/*
 * One lane: an RC queue pair with a completion queue of its own. Threads: post and send may be called by any thread, the
 * rest by the fabric thread; what they share is under the lane's lock, and no other lock is ever taken under it.
 */
#ifndef TRANSPORT_VERBS_LANE_H
#define TRANSPORT_VERBS_LANE_H

#include <pthread.h>
#include <rdma/rdma_cma.h>
#include <stdbool.h>
#include <stdint.h>

#include "transport/fabric.h"
#include "transport/verbs_device.h"

/* What all lanes of a fabric look at, and none changes. It outlives them. */
struct verbs_shared {
	struct verbs_device device;
	struct verbs_plan plan;
	const struct arena *arena; /* the session's */
	struct fabric_memory peer; /* source: where packets go */
	uint64_t timeout_ns;	   /* silence with work outstanding */
	char trouble[96]; /* the last bad news of device or port, "" if none: the cause of a flush without one */
};

enum verbs_lane_state {
	VERBS_LANE_NEW = 0,
	VERBS_LANE_UP,
	VERBS_LANE_DYING,  /* has its error; what completed before is still to be told, and the rest to be flushed */
	VERBS_LANE_CLOSED, /* DEAD was told, or it is fenced: no event any more */
};

struct verbs_flight {
	bool busy;
	uint64_t cookie;
};

/* Messages are cumulative: of those that come while one is on its way only the newest is sent after it. */
struct verbs_message {
	bool busy, again;
	uint32_t immediate; /* of the one to be sent again */
};

enum { VERBS_FLIGHTS = VERBS_PACKETS_MAX + 1, VERBS_MESSAGES = VFIOMIG_DEVICES_MAX + 1 };

struct verbs_lane {
	pthread_mutex_t lock;
	const struct verbs_shared *shared;
	unsigned number;
	struct rdma_cm_id *id; /* ours; NULL before and after its life */
	struct ibv_cq *cq;
	enum verbs_lane_state state;
	struct verbs_flight flights[VERBS_FLIGHTS];
	struct verbs_message messages[VERBS_MESSAGES];
	unsigned outstanding;	   /* flights and messages that are busy */
	unsigned receives;	   /* posted */
	uint64_t drain_ns;	   /* dying: when it is not waited for its flush any more; 0: not yet set */
	uint64_t progress_ns;	   /* when the last send completed, or was begun on an idle lane */
	struct ibv_send_wr *chain; /* plan.chain_max of each: post's scratch */
	struct ibv_sge *pieces;
	bool armed; /* the next completion will come to the channel */
	bool held;  /* fabric thread: @kept was taken from the queue and not yet looked at */
	struct ibv_wc kept;
	struct vfiomig_error error; /* the first; why it died */
};

/* Memory for @lane, zeroed before. -ENOMEM, with nothing left. */
int verbs_lane_init(struct verbs_lane *lane, unsigned number, const struct verbs_shared *shared);

/* The one way down, from any state. */
void verbs_lane_fini(struct verbs_lane *lane);

/* Queues for lane->id, all receives posted: to be done before the connection is. 0 or a negative errno, with a sentence. */
int verbs_lane_open(struct verbs_lane *lane, struct vfiomig_error *err);

/* The connection is there. */
void verbs_lane_up(struct verbs_lane *lane);

/* Let go of the queues alone: the peer hears nothing of it yet. */
void verbs_lane_drop_queues(struct verbs_lane *lane);

/* Let go of id and queues: all of the lane that lives on the device. The lane stays closed. */
void verbs_lane_close(struct verbs_lane *lane);

/* As of fabric_ops. */
int verbs_lane_post(struct verbs_lane *lane, const struct fabric_packet *packet);
int verbs_lane_send(struct verbs_lane *lane, uint32_t immediate);

/* Post a message that has its place in the table; the lock is held. 0, or -EPIPE and the lane is dying. */
int verbs_lane_post_message(struct verbs_lane *lane, unsigned place, uint32_t immediate);

/* Post @count receives; the lock is held, or the lane is not yet up. 0 or a negative errno. */
int verbs_lane_receive(struct verbs_lane *lane, unsigned count);

/*
 * It has failed: @name is the error's stable word, @format says why, and the lane's name goes before it. The first error stands. Moves the queue pair to ERR, so that
 * everything flushes. The lock is held.
 */
void verbs_lane_fail(struct verbs_lane *lane, enum vfiomig_code code, int errnum, const char *name, const char *format,
		     ...) __attribute__((format(printf, 5, 6)));

/* As of fabric_ops: events of this lane, at most @max. @now_ns serves the activity deadline. */
unsigned verbs_lane_poll(struct verbs_lane *lane, uint64_t now_ns, struct fabric_event *events, unsigned max);

/* Arm the completion channel. 1: there is something to poll already; 0: the channel will tell. */
int verbs_lane_arm(struct verbs_lane *lane);

/* When work outstanding now counts as lost; UINT64_MAX: there is none. */
uint64_t verbs_lane_deadline_ns(struct verbs_lane *lane);

/* As of fabric_ops. */
void verbs_lane_lose(struct verbs_lane *lane);

/* As of fabric_ops. A queue pair that does not drain in time is destroyed, which ends its access to memory as well. */
void verbs_lane_fence(struct verbs_lane *lane);

/* Take what the completion channel has; the lanes that it names are not armed any more. */
void verbs_channel_drain(struct ibv_comp_channel *channel);

/* What a completion is of: the upper half of its wr_id; the lower half is an index. */
enum verbs_work { VERBS_WORK_RECEIVE = 1, VERBS_WORK_FRAGMENT, VERBS_WORK_PACKET, VERBS_WORK_MESSAGE };

static inline uint64_t verbs_work_id(enum verbs_work work, unsigned index)
{
	return (uint64_t)work << 32 | index;
}

#endif
