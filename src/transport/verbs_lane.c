/* SPDX-License-Identifier: MIT */
#include "transport/verbs_lane.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "transport/verbs_errno.h"

/* Encoded as in the InfiniBand specification: 12 is 0.64 ms. rdma_cm leaves 0, which is 655 ms. */
enum { MIN_RNR_TIMER = 12 };

int verbs_lane_init(struct verbs_lane *lane, unsigned number, const struct verbs_shared *shared)
{
	lane->shared = shared;
	lane->number = number;
	lane->chain = calloc(shared->plan.chain_max, sizeof(*lane->chain));
	lane->pieces = calloc(shared->plan.chain_max, sizeof(*lane->pieces));
	if (!lane->chain || !lane->pieces) {
		free(lane->chain);
		free(lane->pieces);
		*lane = (struct verbs_lane){ 0 };
		return -ENOMEM;
	}
	pthread_mutex_init(&lane->lock, NULL);
	return 0;
}

void verbs_lane_fini(struct verbs_lane *lane)
{
	if (!lane->shared)
		return;
	verbs_lane_close(lane);
	pthread_mutex_destroy(&lane->lock);
	free(lane->chain);
	free(lane->pieces);
	*lane = (struct verbs_lane){ 0 };
}

int verbs_lane_receive(struct verbs_lane *lane, unsigned count)
{
	enum { BATCH = 32 };
	struct ibv_recv_wr work[BATCH], *bad;

	while (count) {
		unsigned batch = count < BATCH ? count : BATCH;
		int rc;

		for (unsigned i = 0; i < batch; i++)
			work[i] = (struct ibv_recv_wr){ .wr_id = verbs_work_id(VERBS_WORK_RECEIVE, 0),
							.next = i + 1 < batch ? &work[i + 1] : NULL };
		rc = ibv_post_recv(lane->id->qp, work, &bad);
		if (rc)
			return -rc;
		lane->receives += batch;
		count -= batch;
	}
	return 0;
}

/* librdmacm makes a queue pair on its id's context: for that moment it is ours. */
static int create_queue_pair(struct verbs_lane *lane, struct ibv_qp_init_attr *attr)
{
	const struct verbs_device *device = &lane->shared->device;
	struct ibv_context *found = lane->id->verbs;
	int rc;

	lane->id->verbs = device->context;
	rc = rdma_create_qp(lane->id, device->pd, attr) ? -verbs_errno() : 0;
	lane->id->verbs = found;
	return rc;
}

int verbs_lane_open(struct verbs_lane *lane, struct vfiomig_error *err)
{
	const struct verbs_plan *plan = &lane->shared->plan;
	const struct verbs_device *device = &lane->shared->device;
	struct ibv_context *context = device->context;
	int vector = context->num_comp_vectors > 0 ? (int)lane->number % context->num_comp_vectors : 0;
	struct ibv_qp_init_attr attr = {
		.qp_type = IBV_QPT_RC,
		.cap = { .max_send_wr = plan->sends,
			 .max_recv_wr = plan->receives,
			 .max_send_sge = 1,
			 .max_recv_sge = 1 },
	};
	int rc;

	lane->cq = ibv_create_cq(context, (int)(plan->sends + plan->receives), lane, device->channel, vector);
	if (!lane->cq)
		return error_set(err, VFIOMIG_FABRIC, verbs_errno(), "cq",
				 "lane %u: %s has no completion queue of %u entries: %s", lane->number,
				 context->device->name, plan->sends + plan->receives, strerror(verbs_errno()));
	attr.send_cq = attr.recv_cq = lane->cq;
	rc = create_queue_pair(lane, &attr);
	if (rc)
		return error_set(err, VFIOMIG_FABRIC, -rc, "qp",
				 "lane %u: %s has no queue pair of %u sends and %u receives: %s", lane->number,
				 context->device->name, plan->sends, plan->receives, strerror(-rc));
	rc = verbs_lane_receive(lane, plan->receives);
	if (rc)
		return error_set(err, VFIOMIG_FABRIC, -rc, "receive", "lane %u: %s did not take %u receives: %s",
				 lane->number, context->device->name, plan->receives, strerror(-rc));
	return 0;
}

void verbs_lane_up(struct verbs_lane *lane)
{
	struct ibv_qp_attr attr = { .min_rnr_timer = MIN_RNR_TIMER };

	/* Without effect on us, who never run out of receives; refused, it is no reason to do without the lane. */
	ibv_modify_qp(lane->id->qp, &attr, IBV_QP_MIN_RNR_TIMER);
	pthread_mutex_lock(&lane->lock);
	if (lane->state == VERBS_LANE_NEW)
		lane->state = VERBS_LANE_UP;
	pthread_mutex_unlock(&lane->lock);
}

static void drop_queues(struct verbs_lane *lane)
{
	if (lane->id && lane->id->qp)
		rdma_destroy_qp(lane->id);
	if (lane->cq)
		ibv_destroy_cq(lane->cq);
	lane->cq = NULL;
	lane->held = false;
}

void verbs_lane_drop_queues(struct verbs_lane *lane)
{
	pthread_mutex_lock(&lane->lock);
	drop_queues(lane);
	pthread_mutex_unlock(&lane->lock);
}

void verbs_lane_close(struct verbs_lane *lane)
{
	pthread_mutex_lock(&lane->lock);
	if (lane->id && lane->state == VERBS_LANE_UP)
		rdma_disconnect(lane->id); /* so that an idle peer hears of it */
	drop_queues(lane);
	if (lane->id)
		rdma_destroy_id(lane->id);
	lane->id = NULL;
	if (lane->state != VERBS_LANE_DYING)
		lane->state = VERBS_LANE_CLOSED;
	pthread_mutex_unlock(&lane->lock);
}

void verbs_lane_fail(struct verbs_lane *lane, enum vfiomig_code code, int errnum, const char *name, const char *format,
		     ...)
{
	struct ibv_qp_attr attr = { .qp_state = IBV_QPS_ERR };
	char text[sizeof(lane->error.text)];
	va_list args;

	if (lane->state == VERBS_LANE_DYING || lane->state == VERBS_LANE_CLOSED)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	error_set(&lane->error, code, errnum, name, "lane %u (%s): %s", lane->number,
		  lane->shared->device.context ? lane->shared->device.context->device->name : "?", text);
	lane->state = VERBS_LANE_DYING;
	if (lane->id && lane->id->qp)
		ibv_modify_qp(lane->id->qp, &attr, IBV_QP_STATE);
}
