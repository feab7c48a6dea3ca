/* SPDX-License-Identifier: MIT */
/*
 * A fabric is all lanes of one session over one kind of transport: `verbs` (RC queue pairs), `tcp`, `loop` (in-process,
 * for tests). Setting up may wait (on the fabric thread, ended by cancel_fd and by deadlines of our own); from then on
 * nothing waits and nothing is allocated, and no fabric has hidden threads.
 *
 * Threads: everything is called by one thread at a time, except post and send, which any thread may call, also several at
 * once for one lane, lose, which any thread may call too, and adopt, which the control thread calls.
 */
#ifndef TRANSPORT_FABRIC_H
#define TRANSPORT_FABRIC_H

#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include <vfiomig/session.h>

#include "slot/arena.h"

/* Where an arriving body goes. TCP asks before it receives; with RDMA the peer has chosen already. */
struct fabric_place {
	void *header;  /* ARENA_HEADER_BYTES of room; NULL for a token */
	void *payload; /* payload_bytes of room: body bytes without the header; the whole body for a token */
};

struct fabric_sink {
	/*
	 * A body of @bytes (header included) announces itself on @lane. 0, or a negative errno if no slot may take it
	 * now (foreign device, beyond the window, twice, too long): the lane then dies with -EPROTO.
	 */
	int (*place)(void *context, unsigned lane, uint32_t immediate, uint32_t bytes, struct fabric_place *place);
	void *context;
};

/* What is known before a fabric is opened. */
struct fabric_route {
	enum vfiomig_role role;
	struct sockaddr_storage
		local; /* source: address to bind, or ss_family AF_UNSPEC; destination: where it listens */
	struct sockaddr_storage peer; /* source: the destination's; destination: the control connection's other end */
	unsigned timeout_ms;	      /* of each set-up step, and silence on a lane with work outstanding */
	unsigned first_lane_ms;	      /* destination: until the first lane comes; 0: timeout_ms */
	int cancel_fd;		      /* readable: give up with -ECANCELED; the session's */
};

/* What a probe finds. */
struct fabric_limits {
	int numa_node;	       /* of the NIC, -1 unknown */
	unsigned receives_max; /* outstanding receives per lane that the device bears; UINT_MAX without a limit */
	char reason[160];      /* "rxe0 reaches 10.9.1.2", or why it cannot be used */
};

/* A path of its own between the two hosts: as in struct fabric_route. */
struct fabric_rail {
	struct sockaddr_storage local, peer;
};

struct fabric_config {
	struct fabric_route route;
	unsigned rails; /* 0: the route itself is the only one; else lane l is on rail l % rails */
	struct fabric_rail rail[VFIOMIG_RAILS_MAX];
	unsigned lane_first,
		lane_step; /* of a fabric that is one rail of another: its lanes' numbers; a step of 0 is 1 */
	unsigned lanes;
	uint8_t session[16];		      /* binds lanes to their session */
	uint8_t proof[VFIOMIG_LANES_MAX][32]; /* what each lane's hello shows; zero where nobody proves anything */
	const struct arena *arena;	      /* open; outlives the fabric */
	struct fabric_sink sink;
};

/* Where the destination's arena lies, as the source needs to know it. Zero for tcp and loop. */
struct fabric_memory {
	uint64_t base;
	uint32_t rkey[VFIOMIG_RAILS_MAX]; /* by rail: each RDMA device has a registration of its own */
};

enum fabric_event_kind {
	FABRIC_SENT =
		1, /* source: the work requests of the packet with this cookie are complete; its slot is not read any more */
	FABRIC_ARRIVED, /* a message with this immediate is here; data: whole in its slot; token: whole in the token area */
	/*
	 * The lane is lost, its last event, after all that had arrived; fabric_error tells why. It is fenced: nothing of it touches
	 * the arena any more on this side (verbs: the queue pair is in ERR and has flushed its last receive and its last send, or is
	 * destroyed; tcp: the connection is shut down, and what was not received whole never will be).
	 */
	FABRIC_DEAD,
};

struct fabric_event {
	enum fabric_event_kind kind;
	unsigned lane;
	uint32_t immediate; /* of ARRIVED */
	uint64_t cookie;    /* of SENT */
};

struct fabric_packet {
	uint32_t immediate;
	unsigned device, slot; /* where it lies, on both sides; for a token both are ignored */
	uint32_t bytes;	       /* payload; of a token: all of its body, in the arena's token area */
	uint64_t cookie;       /* comes back with SENT */
};

struct fabric;

/* The route that @lane takes. */
static inline struct fabric_route fabric_lane_route(const struct fabric_config *config, unsigned lane)
{
	struct fabric_route route = config->route;

	if (config->rails) {
		route.local = config->rail[lane % config->rails].local;
		route.peer = config->rail[lane % config->rails].peer;
	}
	return route;
}

struct fabric_ops {
	const char *name; /* "rdma", "tcp", "loop" */

	/*
	 * Can it be used on this route? Fills @limits either way. 0, -ENODEV (no device reaches the peer, or it is iWARP:
	 * limits->reason says so), -ETIMEDOUT, -ECANCELED.
	 */
	int (*probe)(const struct fabric_route *route, struct fabric_limits *limits);

	/*
	 * Register the arena (source: local reads only; destination: remote writes), and on the destination be ready for
	 * lanes. @config is copied. On failure nothing is left and *@out is NULL:
	 *   -ENOMEM (VFIOMIG_PREFLIGHT)  not enough memory may be pinned; the sentence says how many bytes are needed and
	 *                                how to allow them
	 *   -EADDRINUSE and others (VFIOMIG_FABRIC)
	 */
	int (*open)(struct fabric **out, const struct fabric_config *config, struct vfiomig_error *err);

	/* Destination: what the source must know. */
	void (*describe)(struct fabric *fabric, struct fabric_memory *memory);

	/*
	 * Bring all lanes up; waits. Source: @peer is the destination's memory; destination: NULL. Returns 0 or
	 *   -ETIMEDOUT (VFIOMIG_TIMEOUT), -ECANCELED (VFIOMIG_CANCELLED), -ECONNREFUSED and others (VFIOMIG_FABRIC)
	 */
	int (*establish)(struct fabric *fabric, const struct fabric_memory *peer, struct vfiomig_error *err);

	/*
	 * Destination, tcp: a connection whose 8-byte preface said "lane" is handed over, with the preface consumed. @fd
	 * is the fabric's from here on, also on failure. NULL where lanes do not come by the listener.
	 */
	int (*adopt)(struct fabric *fabric, int fd);

	/*
	 * Put one packet on its way. 1: it is out already and its slot free, no SENT will come; 0: SENT will come;
	 * -EPIPE: the lane is dead (DEAD comes or came, and SENT never).
	 * At most two data packets are outstanding per lane, and one token.
	 */
	int (*post)(struct fabric *fabric, unsigned lane, const struct fabric_packet *packet);

	/*
	 * A message without body (credit, control); a later credit of a device replaces one that waits. 1: it is out
	 * already; 0: pollfds must be passed again, as with post; -EPIPE.
	 */
	int (*send)(struct fabric *fabric, unsigned lane, uint32_t immediate);

	/* Take up to @max events; 0: none now. Never waits. @now_ns: CLOCK_MONOTONIC. */
	unsigned (*poll)(struct fabric *fabric, uint64_t now_ns, struct fabric_event *events, unsigned max);

	/*
	 * Prepare to sleep: arm notifications and fill @fds with what to wait for. Returns how many (at most
	 * fabric_pollfds_max), or -EAGAIN when there is something to poll already. After post returned 0 on another thread the
	 * fabric thread must pass here again (the session wakes it).
	 */
	int (*pollfds)(struct fabric *fabric, struct pollfd *fds, unsigned max);

	/* When poll must be called at the latest for the fabric's own deadlines; UINT64_MAX: none. */
	uint64_t (*deadline_ns)(struct fabric *fabric);

	/*
	 * Lose this lane, as if its cable were cut: DEAD comes by poll, after what had arrived, or came already. Any thread; pollfds must be
	 * passed again, as with post.
	 */
	void (*lose)(struct fabric *fabric, unsigned lane);

	/*
	 * Make sure that nothing of this lane touches the arena any more on this side: QP to ERR and drained, or the
	 * connection shut down. Whatever had arrived is dropped, and no event comes any more. May wait for the drain, milliseconds.
	 */
	void (*fence)(struct fabric *fabric, unsigned lane);

	/* Destination: no remote writes from here on (deregister); the lanes stay for nothing but to be closed. */
	void (*release)(struct fabric *fabric);

	/* Why @lane died. Valid after DEAD. Its errnum is ENODEV where it died because our device has, with all others on it. */
	const struct vfiomig_error *(*error)(struct fabric *fabric, unsigned lane);

	/* The one way down, also for a fabric that never came up; NULL is fine. */
	void (*close)(struct fabric *fabric);
};

/* The first member of every fabric's own struct. */
struct fabric {
	const struct fabric_ops *ops;
	atomic_uint refused; /* destination: who came as a lane and did not show that it is one of this session */
};

/* pollfds never wants more than this: one per lane, and a few of the fabric itself. */
enum { FABRIC_POLLFDS_MAX = VFIOMIG_LANES_MAX + 8 };

extern const struct fabric_ops verbs_fabric_ops;
extern const struct fabric_ops tcp_fabric_ops;

#endif
