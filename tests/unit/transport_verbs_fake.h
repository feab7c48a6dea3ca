/* SPDX-License-Identifier: MIT */
/*
 * An RDMA device and an rdma_cm that exist only in this test: they take the place of libibverbs and librdmacm at link time.
 * Nothing happens by itself except what the script below says; every object is counted, the n-th call can be made to fail,
 * and what would hang or crash with the real libraries (an event not acknowledged, a queue pair outliving its PD) is a
 * failed test here.
 */
#ifndef TESTS_UNIT_TRANSPORT_VERBS_FAKE_H
#define TESTS_UNIT_TRANSPORT_VERBS_FAKE_H

#include <rdma/rdma_cma.h>
#include <stdbool.h>

#include "wire/hello.h"

enum { FAKE_REQUESTS_MAX = 16, FAKE_SENDS_MAX = 4096 };

/* A work request as it was posted. */
struct fake_send {
	struct ibv_qp *qp;
	struct ibv_send_wr work;
	struct ibv_sge piece;
	bool done;
};

struct fake_verbs {
	/* The script: set before the call that it is for. */
	unsigned fail_call; /* this call, counted from 1, fails with fail_errno; 0: none */
	int fail_errno;
	enum ibv_transport_type transport_type;
	bool no_module;				/* the kernel has no rdma_cm */
	bool no_device;				/* no address resolves or binds to a device */
	bool mute;				/* no event ever comes */
	enum rdma_cm_event_type connect_answer; /* what a connect is answered with, ESTABLISHED by default */
	int connect_status;
	struct hello requests[FAKE_REQUESTS_MAX]; /* destination: who knocks once it listens */
	unsigned request_count;
	unsigned rails;		      /* of several listeners each hears the lanes of its turn only; 0: there is one */
	bool removed_while_listening; /* the listener hears of it after those requests */
	int memlock_errno;	      /* of ibv_reg_mr; 0: it works */
	bool dereg_fails;	      /* as long as a queue pair lives */
	bool port_down;		      /* and no event has told yet */
	bool flush_lost;	      /* a queue pair in ERR flushes nothing: hung hardware */

	/* The books. */
	unsigned calls;
	int channels, ids, contexts, pds, mrs, completion_channels, cqs, qps, lists;
	unsigned rejects, disconnects, resolves_unbound, listens;
	unsigned mr_access;
	uint8_t hello[HELLO_BYTES]; /* of the last connect */
	struct rdma_conn_param connect;
	uint8_t ack_timeout;
	struct fake_send sends[FAKE_SENDS_MAX];
	unsigned send_count;
	unsigned doorbells; /* calls of ibv_post_send */
};

extern struct fake_verbs fake;

/* Everything as it is before a test. */
void fake_reset(void);

/* How many objects live. */
int fake_living(void);

/* The queue pair of @lane, the receives that it has posted, and whether it is in ERR. */
struct ibv_qp *fake_qp(unsigned lane);
unsigned fake_receives(unsigned lane);
bool fake_in_error(unsigned lane);

/* Complete @lane's oldest sends up to the first signalled one. False: there was none. */
bool fake_send_completes(unsigned lane);

/* A message with @immediate (host order) arrives. */
void fake_arrives(unsigned lane, uint32_t immediate);

/* The oldest send of @lane, or its oldest receive if it has none, fails with @status; the rest is flushed. */
void fake_breaks(unsigned lane, enum ibv_wc_status status);

/* An event of rdma_cm about @lane's id; an async event of the device. */
void fake_cm_event(unsigned lane, enum rdma_cm_event_type type);
void fake_async_event(enum ibv_event_type type);

/* An async event of @lane's queue pair, or of its completion queue. */
void fake_lane_event(unsigned lane, enum ibv_event_type type);

/* Between the parts of the fake. */
struct ibv_context_ops fake_queues_reset(void);
bool fake_fails(void);
struct ibv_context *fake_context(void);
struct ibv_qp *fake_qp_make(struct ibv_pd *pd, const struct ibv_qp_init_attr *attr);
void fake_qp_unmake(struct ibv_qp *qp);
unsigned fake_qps_in(const struct ibv_pd *pd);
void fake_cm_reset(void);
struct rdma_cm_id *fake_id(unsigned lane);

#endif
