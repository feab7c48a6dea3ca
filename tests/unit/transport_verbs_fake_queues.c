/* SPDX-License-Identifier: MIT */
/* libibverbs in the fake: completion queues, queue pairs, and what a test makes happen on them. */
#include "transport_verbs_fake.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "transport/verbs_lane.h"

enum { QPS_MAX = 64 };

struct fake_cq {
	struct ibv_cq cq;
	struct ibv_wc *done;
	int head, tail, depth;
	bool armed;
	unsigned notices, unacknowledged;
};

struct fake_queue_pair {
	struct ibv_qp qp;
	bool live, error;
	unsigned receives, receives_max, sends, sends_max;
};

static struct fake_queue_pair pairs[QPS_MAX];
static struct fake_cq *cqs[QPS_MAX];

struct ibv_comp_channel *ibv_create_comp_channel(struct ibv_context *context)
{
	struct ibv_comp_channel *channel;

	if (fake_fails())
		return NULL;
	channel = calloc(1, sizeof(*channel));
	channel->context = context;
	channel->fd = eventfd(0, EFD_SEMAPHORE);
	fake.completion_channels++;
	return channel;
}

int ibv_destroy_comp_channel(struct ibv_comp_channel *channel)
{
	for (unsigned i = 0; i < QPS_MAX; i++)
		cr_assert(!cqs[i] || cqs[i]->cq.channel != channel, "a completion queue outlives its channel");
	close(channel->fd);
	free(channel);
	fake.completion_channels--;
	return 0;
}

struct ibv_cq *ibv_create_cq(struct ibv_context *context, int depth, void *of, struct ibv_comp_channel *channel,
			     int vector)
{
	struct fake_cq *cq;
	unsigned i = 0;

	cr_assert(vector < context->num_comp_vectors);
	if (fake_fails())
		return NULL;
	cq = calloc(1, sizeof(*cq));
	cq->cq = (struct ibv_cq){ .context = context, .channel = channel, .cq_context = of, .cqe = depth };
	cq->depth = depth + 1;
	cq->done = calloc((size_t)cq->depth, sizeof(*cq->done));
	while (cqs[i])
		i++;
	cqs[i] = cq;
	fake.cqs++;
	return &cq->cq;
}

int ibv_destroy_cq(struct ibv_cq *base)
{
	struct fake_cq *cq = (struct fake_cq *)base;

	cr_assert(!cq->unacknowledged, "ibv_destroy_cq would wait for ever");
	for (unsigned i = 0; i < QPS_MAX; i++) {
		cr_assert(!pairs[i].live || pairs[i].qp.send_cq != base, "a queue pair outlives its completion queue");
		if (cqs[i] == cq)
			cqs[i] = NULL;
	}
	free(cq->done);
	free(cq);
	fake.cqs--;
	return 0;
}

static void complete(struct ibv_cq *base, struct ibv_wc done)
{
	struct fake_cq *cq = (struct fake_cq *)base;

	cq->done[cq->tail] = done;
	cq->tail = (cq->tail + 1) % cq->depth;
	cr_assert(cq->tail != cq->head, "the completion queue overran");
	if (cq->armed) {
		cq->armed = false;
		cq->notices++;
		eventfd_write(base->channel->fd, 1);
	}
}

static int poll_cq(struct ibv_cq *base, int max, struct ibv_wc *done)
{
	struct fake_cq *cq = (struct fake_cq *)base;
	int got = 0;

	for (; got < max && cq->head != cq->tail; got++) {
		done[got] = cq->done[cq->head];
		cq->head = (cq->head + 1) % cq->depth;
	}
	return got;
}

static int req_notify_cq(struct ibv_cq *base, int solicited)
{
	cr_assert(!solicited);
	((struct fake_cq *)base)->armed = true;
	return 0;
}

int ibv_get_cq_event(struct ibv_comp_channel *channel, struct ibv_cq **cq, void **of)
{
	eventfd_t value;

	for (unsigned i = 0; i < QPS_MAX; i++) {
		if (!cqs[i] || !cqs[i]->notices || cqs[i]->cq.channel != channel)
			continue;
		cqs[i]->notices--;
		cqs[i]->unacknowledged++;
		eventfd_read(channel->fd, &value);
		*cq = &cqs[i]->cq;
		*of = cqs[i]->cq.cq_context;
		return 0;
	}
	errno = EAGAIN;
	return -1;
}

void ibv_ack_cq_events(struct ibv_cq *cq, unsigned count)
{
	((struct fake_cq *)cq)->unacknowledged -= count;
}

struct ibv_qp *fake_qp_make(struct ibv_pd *pd, const struct ibv_qp_init_attr *attr)
{
	struct fake_queue_pair *pair = pairs;

	while (pair->live)
		pair++;
	*pair = (struct fake_queue_pair){ .live = true,
					  .receives_max = attr->cap.max_recv_wr,
					  .sends_max = attr->cap.max_send_wr };
	pair->qp =
		(struct ibv_qp){ .context = pd->context, .pd = pd, .send_cq = attr->send_cq, .recv_cq = attr->recv_cq };
	fake.qps++;
	return &pair->qp;
}

unsigned fake_qps_in(const struct ibv_pd *pd)
{
	unsigned count = 0;

	for (unsigned i = 0; i < QPS_MAX; i++)
		count += pairs[i].live && pairs[i].qp.pd == pd;
	return count;
}

void fake_qp_unmake(struct ibv_qp *qp)
{
	for (unsigned i = 0; i < fake.send_count; i++)
		fake.sends[i].done |= fake.sends[i].qp == qp;
	((struct fake_queue_pair *)qp)->live = false;
	fake.qps--;
}

static struct fake_queue_pair *pair_of(unsigned lane)
{
	for (unsigned i = 0; i < QPS_MAX; i++)
		if (pairs[i].live && ((struct verbs_lane *)pairs[i].qp.send_cq->cq_context)->number == lane)
			return &pairs[i];
	cr_assert_fail("lane %u has no queue pair", lane);
	return NULL;
}

struct ibv_qp *fake_qp(unsigned lane)
{
	return &pair_of(lane)->qp;
}

unsigned fake_receives(unsigned lane)
{
	return pair_of(lane)->receives;
}

bool fake_in_error(unsigned lane)
{
	return pair_of(lane)->error;
}

static void flush(struct fake_queue_pair *pair);

static int post_recv(struct ibv_qp *qp, struct ibv_recv_wr *work, struct ibv_recv_wr **bad)
{
	struct fake_queue_pair *pair = (struct fake_queue_pair *)qp;

	*bad = work;
	if (fake_fails())
		return errno;
	for (; work; work = work->next) {
		cr_assert(!work->num_sge && pair->receives < pair->receives_max, "the receive queue overran");
		pair->receives++;
	}
	if (pair->error)
		flush(pair);
	return 0;
}

static int post_send(struct ibv_qp *qp, struct ibv_send_wr *work, struct ibv_send_wr **bad)
{
	struct fake_queue_pair *pair = (struct fake_queue_pair *)qp;

	*bad = work;
	if (fake_fails())
		return errno;
	fake.doorbells++;
	for (; work; work = work->next) {
		cr_assert(pair->sends++ < pair->sends_max && fake.send_count < FAKE_SENDS_MAX,
			  "the send queue overran");
		fake.sends[fake.send_count++] = (struct fake_send){
			.qp = qp, .work = *work, .piece = work->num_sge ? *work->sg_list : (struct ibv_sge){ 0 }
		};
	}
	return 0;
}

static struct fake_send *oldest_send(struct fake_queue_pair *pair)
{
	for (unsigned i = 0; i < fake.send_count; i++)
		if (fake.sends[i].qp == &pair->qp && !fake.sends[i].done)
			return &fake.sends[i];
	return NULL;
}

/* An unsuccessful completion has nothing but wr_id and status: the rest is poison. */
static void finish_send(struct fake_queue_pair *pair, struct fake_send *send, enum ibv_wc_status status)
{
	struct ibv_wc done = { .wr_id = send->work.wr_id, .status = status };

	if (status)
		memset(&done.opcode, 0xee, sizeof(done.opcode));
	send->done = true;
	pair->sends--;
	if (status || send->work.send_flags & IBV_SEND_SIGNALED)
		complete(pair->qp.send_cq, done);
}

static void finish_receive(struct fake_queue_pair *pair, enum ibv_wc_status status, uint32_t immediate)
{
	struct ibv_wc done = { .wr_id = verbs_work_id(VERBS_WORK_RECEIVE, 0),
			       .status = status,
			       .opcode = IBV_WC_RECV,
			       .wc_flags = status ? 0xee : IBV_WC_WITH_IMM };

	cr_assert(pair->receives, "a message found no receive");
	done.imm_data = htonl(immediate);
	pair->receives--;
	complete(pair->qp.recv_cq, done);
}

bool fake_send_completes(unsigned lane)
{
	struct fake_queue_pair *pair = pair_of(lane);
	struct fake_send *send;

	while ((send = oldest_send(pair))) {
		finish_send(pair, send, IBV_WC_SUCCESS);
		if (send->work.send_flags & IBV_SEND_SIGNALED)
			return true;
	}
	return false;
}

void fake_arrives(unsigned lane, uint32_t immediate)
{
	finish_receive(pair_of(lane), IBV_WC_SUCCESS, immediate);
}

static void flush(struct fake_queue_pair *pair)
{
	struct fake_send *send;

	pair->error = true;
	if (fake.flush_lost)
		return;
	while ((send = oldest_send(pair)))
		finish_send(pair, send, IBV_WC_WR_FLUSH_ERR);
	while (pair->receives)
		finish_receive(pair, IBV_WC_WR_FLUSH_ERR, 0);
}

void fake_breaks(unsigned lane, enum ibv_wc_status status)
{
	struct fake_queue_pair *pair = pair_of(lane);
	struct fake_send *send = oldest_send(pair);

	if (send)
		finish_send(pair, send, status);
	else
		finish_receive(pair, status, 0);
	flush(pair);
}

int ibv_modify_qp(struct ibv_qp *qp, struct ibv_qp_attr *attr, int mask)
{
	struct fake_queue_pair *pair = (struct fake_queue_pair *)qp;

	cr_assert(pair->live);
	if (mask & IBV_QP_STATE && attr->qp_state == IBV_QPS_ERR && !pair->error)
		flush(pair);
	return fake_fails() ? errno : 0;
}

struct ibv_context_ops fake_queues_reset(void)
{
	memset(pairs, 0, sizeof(pairs));
	return (struct ibv_context_ops){
		.poll_cq = poll_cq, .req_notify_cq = req_notify_cq, .post_send = post_send, .post_recv = post_recv
	};
}
