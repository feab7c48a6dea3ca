/* SPDX-License-Identifier: MIT */
/*
 * What the files of the tcp fabric share. A lane is one TCP connection; a frame on it is be32 immediate, be32 bytes, body,
 * and a data body is the packet's 64 header bytes and its payload. What may be sent by several threads lies under the
 * lane's lock; all that receives belongs to the fabric thread alone.
 */
#ifndef TRANSPORT_TCP_H
#define TRANSPORT_TCP_H

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/uio.h>

#include "transport/fabric.h"

enum {
	TCP_FRAME_BYTES = 8,
	TCP_PREFIX_BYTES = TCP_FRAME_BYTES + ARENA_HEADER_BYTES, /* all that precedes a payload */
	TCP_ANNOUNCED_MAX = 3, /* packets that wait for their SENT: two data, one token */
	TCP_ARRIVALS_MAX = VFIOMIG_LANES_MAX + 32,
};

/* A message on its way out. The parts stay where they are, in the arena, until the last byte is the kernel's. */
struct tcp_frame {
	uint8_t prefix[TCP_FRAME_BYTES];
	struct iovec part[2];
	size_t bytes, sent;
	uint64_t cookie;
	bool announce; /* with SENT */
};

enum tcp_lane_state {
	TCP_LANE_NONE = 0, /* no connection yet */
	TCP_LANE_LIVE,
	TCP_LANE_DYING, /* lost; DEAD has not been given out */
	TCP_LANE_GONE,	/* DEAD was given out, or the lane is fenced */
};

/* The receiving half; the fabric thread's. */
struct tcp_receiver {
	uint8_t ahead[TCP_PREFIX_BYTES]; /* [start, end): received, and not yet understood */
	size_t start, end;
	uint32_t immediate; /* of the body under way */
	bool in_body;
	uint8_t *to; /* where the body's next byte goes, in the arena */
	size_t missing;
	bool readable;	   /* the socket may have more */
	bool ended;	   /* the peer has closed; epoll will not say so again, so read to the end */
	uint64_t moved_ns; /* when bytes last came */
};

struct tcp_lane {
	int fd; /* owned; open until the fabric is closed, so that no thread ever meets a reused number */
	unsigned index;
	atomic_int state;
	atomic_uint backlog; /* mirrors count, for a look without the lock */

	pthread_mutex_t lock;	 /* of what follows */
	struct tcp_frame *queue; /* ring; owned */
	unsigned capacity, head, count;
	uint64_t stalled_ns; /* since when the backlog stands still; 0: not yet seen by poll */
	struct vfiomig_error error;

	/* the fabric thread's */
	bool writable;
	uint64_t sent[TCP_ANNOUNCED_MAX]; /* cookies whose SENT is due */
	unsigned sent_count;
	struct tcp_receiver receiver;
};

/* Connections on their way from the control thread to the fabric thread. */
struct tcp_arrivals {
	pthread_mutex_t lock;
	int event_fd;		   /* owned */
	int fds[TCP_ARRIVALS_MAX]; /* owned */
	unsigned count;
	bool closed; /* all lanes are there: nobody is let in any more */
};

struct tcp_fabric {
	struct fabric fabric;
	struct fabric_config config;
	int epoll_fd; /* owned; lanes are in it edge-triggered, once and for all */
	bool released;
	unsigned turn;	 /* the lane that is served first */
	uint64_t now_ns; /* of the last poll */
	struct tcp_arrivals arrivals;
	struct tcp_lane lanes[];
};

static inline struct tcp_fabric *tcp_fabric_of(struct fabric *fabric)
{
	return (struct tcp_fabric *)fabric;
}

static inline uint64_t tcp_timeout_ns(const struct tcp_fabric *fabric)
{
	return (uint64_t)fabric->config.route.timeout_ms * UINT64_C(1000000);
}

/* The stable word for a connection that the kernel has given up: the same as with RDMA where it is the same fault. */
static inline const char *tcp_lost_name(int errnum)
{
	return errnum == ETIMEDOUT ? "lane-no-answer" : "lane-lost";
}

/* tcp_socket.c */

/* What every lane's socket is set to. The result is best effort: a lane without these options is slow, not wrong. */
void tcp_socket_tune(int fd, unsigned timeout_ms);
socklen_t tcp_address_bytes(const struct sockaddr_storage *address);
/* "10.1.2.3 port 4711" */
void tcp_address_text(const struct sockaddr_storage *address, char *out, size_t bytes);
/*
 * poll(2) until @deadline_ns; fds[0] is the one that cancels. 0 (something is ready), -ETIMEDOUT, -ECANCELED or another
 * errno of poll.
 */
int tcp_wait(struct pollfd *fds, unsigned count, uint64_t deadline_ns);

/* tcp_lane.c */

int tcp_lane_init(struct tcp_lane *lane, unsigned index, unsigned devices);
void tcp_lane_fini(struct tcp_lane *lane);
/* Take the connected @fd, which is the lane's from here on, also on failure. */
int tcp_lane_start(struct tcp_fabric *fabric, struct tcp_lane *lane, int fd);
bool tcp_lane_live(struct tcp_lane *lane);
/* The lane is lost, for the reason given. The first reason stands. Returns -@errnum. Takes the lock; _locked: holds it. */
int tcp_lane_fail(struct tcp_lane *lane, enum vfiomig_code code, int errnum, const char *name, const char *format, ...)
	__attribute__((format(printf, 5, 6)));
int tcp_lane_fail_locked(struct tcp_lane *lane, enum vfiomig_code code, int errnum, const char *name,
			 const char *format, ...) __attribute__((format(printf, 5, 6)));
/* Shut down without an event; waits for a send that another thread is in. */
void tcp_lane_fence(struct tcp_lane *lane);

/* tcp_send.c */

int tcp_post(struct fabric *fabric, unsigned lane, const struct fabric_packet *packet);
int tcp_send(struct fabric *fabric, unsigned lane, uint32_t immediate);
/* Send on from the backlog; fills lane->sent. */
void tcp_lane_continue(struct tcp_lane *lane, uint64_t now_ns);

/* tcp_receive.c */

/* Take what is there, one fair share at most; returns the events filled in, at most @max. */
unsigned tcp_lane_receive(struct tcp_fabric *fabric, struct tcp_lane *lane, struct fabric_event *events, unsigned max);
/* A frame has begun and not ended. */
bool tcp_lane_in_frame(const struct tcp_lane *lane);
/* Bytes of a next frame are here already, so that no socket would tell of them. */
bool tcp_lane_ahead(const struct tcp_lane *lane);

/* tcp_connect.c: source; tcp_adopt.c: destination */

int tcp_connect_lanes(struct tcp_fabric *fabric, struct vfiomig_error *err);
int tcp_arrivals_init(struct tcp_arrivals *arrivals);
void tcp_arrivals_fini(struct tcp_arrivals *arrivals);
int tcp_adopt(struct fabric *fabric, int fd);
int tcp_adopt_lanes(struct tcp_fabric *fabric, struct vfiomig_error *err);

#endif
