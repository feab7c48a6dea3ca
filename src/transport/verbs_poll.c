/* SPDX-License-Identifier: MIT */
/*
 * What comes back on a lane. A lane that has failed first tells all that had completed before, then DEAD, once. Of a failed
 * completion only wr_id, status, qp_num and vendor_err mean anything.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "transport/verbs_errno.h"
#include "transport/verbs_lane.h"
#include "transport/verbs_status.h"

enum { BATCH = 16 };

/* What may have caused a flush, into @text. The port's event often comes a moment after the flush: the port itself knows before. */
static void find_trouble(const struct verbs_lane *lane, char *text, size_t bytes)
{
	struct ibv_context *context = lane->shared->device.context;
	struct ibv_port_attr port;

	snprintf(text, bytes, "%s", lane->shared->trouble);
	if (!*text && lane->id && !ibv_query_port(context, lane->id->port_num, &port) && port.state != IBV_PORT_ACTIVE)
		snprintf(text, bytes, "port %u of %s went down", lane->id->port_num, context->device->name);
}

static void fail_by_status(struct verbs_lane *lane, const struct ibv_wc *done)
{
	struct verbs_meaning meaning = verbs_status_meaning(done->status, done->wr_id >> 32 == VERBS_WORK_RECEIVE);
	char trouble[sizeof(lane->shared->trouble)];

	if (lane->state != VERBS_LANE_UP)
		return;
	find_trouble(lane, trouble, sizeof(trouble));
	verbs_lane_fail(lane, VFIOMIG_FABRIC, meaning.errnum, meaning.name, "%s%s%s [%s, vendor error 0x%x]",
			meaning.text, *trouble ? "; before that, " : "", trouble, ibv_wc_status_str(done->status),
			done->vendor_err);
}

static bool arrived(struct verbs_lane *lane, const struct ibv_wc *done, struct fabric_event *event)
{
	int rc = lane->state == VERBS_LANE_UP ? verbs_lane_receive(lane, 1) : 0;

	if (rc)
		verbs_lane_fail(lane, VFIOMIG_FABRIC, -rc, "lane-refuses-work", "the device took no receive: %s",
				strerror(-rc));
	if (!(done->wc_flags & IBV_WC_WITH_IMM)) {
		verbs_lane_fail(lane, VFIOMIG_PROTOCOL, EPROTO, "lane-immediate",
				"the peer sent a message without immediate data");
		return false;
	}
	*event = (struct fabric_event){ .kind = FABRIC_ARRIVED,
					.lane = lane->number,
					.immediate = ntohl(done->imm_data) };
	return true;
}

static bool packet_sent(struct verbs_lane *lane, unsigned place, struct fabric_event *event)
{
	lane->flights[place].busy = false;
	*event = (struct fabric_event){ .kind = FABRIC_SENT,
					.lane = lane->number,
					.cookie = lane->flights[place].cookie };
	return true;
}

static void message_sent(struct verbs_lane *lane, unsigned place)
{
	struct verbs_message *message = &lane->messages[place];

	message->busy = false;
	if (message->again && lane->state == VERBS_LANE_UP)
		verbs_lane_post_message(lane, place, message->immediate);
}

/* True if @event was filled. The lock is held. */
static bool completed(struct verbs_lane *lane, const struct ibv_wc *done, uint64_t now_ns, struct fabric_event *event)
{
	enum verbs_work work = (enum verbs_work)(done->wr_id >> 32);
	unsigned place = (unsigned)done->wr_id;

	/* What arrives says nothing about what leaves: only sends that complete keep the oldest one's deadline away. */
	if (work != VERBS_WORK_RECEIVE && now_ns > lane->progress_ns)
		lane->progress_ns = now_ns;
	if (work == VERBS_WORK_RECEIVE)
		lane->receives--;
	else if (work != VERBS_WORK_FRAGMENT)
		lane->outstanding--;
	if (done->status != IBV_WC_SUCCESS) {
		fail_by_status(lane, done);
		return false;
	}
	if (work == VERBS_WORK_RECEIVE)
		return arrived(lane, done, event);
	if (work == VERBS_WORK_PACKET)
		return packet_sent(lane, place, event);
	if (work == VERBS_WORK_MESSAGE)
		message_sent(lane, place);
	return false;
}

/* Up to @max completions, the one that arm took first. */
static int take(struct verbs_lane *lane, struct ibv_wc *done, int max)
{
	if (lane->held) {
		lane->held = false;
		*done = lane->kept;
		return 1;
	}
	return lane->cq ? ibv_poll_cq(lane->cq, max, done) : 0;
}

static void check_activity(struct verbs_lane *lane, uint64_t now_ns)
{
	const struct verbs_shared *shared = lane->shared;

	if (lane->state != VERBS_LANE_UP || !lane->outstanding || now_ns < lane->progress_ns + shared->timeout_ns)
		return;
	verbs_lane_fail(lane, VFIOMIG_TIMEOUT, ETIMEDOUT, "lane-timeout",
			"none of %u outstanding requests completed for %llu ms: the path to the peer is dead, or its "
			"device%s%s",
			lane->outstanding, (unsigned long long)(shared->timeout_ns / NS_PER_MS),
			*shared->trouble ? "; before that, " : "", shared->trouble);
}

static bool is_drained(const struct verbs_lane *lane)
{
	return !lane->cq || !lane->id || !lane->id->qp || (!lane->receives && !lane->outstanding);
}

/* Nothing of a dying lane touches memory any more. One that does not flush in time is destroyed, which ends that as well. */
static bool flushed(struct verbs_lane *lane, uint64_t now_ns)
{
	if (is_drained(lane))
		return true;
	if (!lane->drain_ns)
		lane->drain_ns = now_ns + lane->shared->timeout_ns / 2;
	if (now_ns < lane->drain_ns)
		return false;
	rdma_destroy_qp(lane->id);
	return true;
}

/* Take completions until there are none, or @max events are told. False: there may be more. */
static bool take_all(struct verbs_lane *lane, uint64_t now_ns, struct fabric_event *events, unsigned max,
		     unsigned *told)
{
	struct ibv_wc done[BATCH];
	int got = 1;

	while (*told < max && got > 0) {
		unsigned room = max - *told;

		got = take(lane, done, room < BATCH ? (int)room : BATCH);
		for (int i = 0; i < got; i++)
			*told += completed(lane, &done[i], now_ns, &events[*told]);
	}
	if (got < 0)
		verbs_lane_fail(lane, VFIOMIG_FABRIC, EIO, "lane-completion-queue", "its completion queue broke");
	return got <= 0;
}

static unsigned poll_locked(struct verbs_lane *lane, uint64_t now_ns, struct fabric_event *events, unsigned max)
{
	unsigned told = 0;

	if (!take_all(lane, now_ns, events, max, &told))
		return told;
	check_activity(lane, now_ns);
	/* Again: if it was failed just now, its flush may be here already. */
	if (lane->state == VERBS_LANE_DYING && take_all(lane, now_ns, events, max, &told) && flushed(lane, now_ns)) {
		lane->state = VERBS_LANE_CLOSED;
		events[told++] = (struct fabric_event){ .kind = FABRIC_DEAD, .lane = lane->number };
	}
	return told;
}

static bool is_live(const struct verbs_lane *lane)
{
	return lane->state == VERBS_LANE_UP || lane->state == VERBS_LANE_DYING;
}

unsigned verbs_lane_poll(struct verbs_lane *lane, uint64_t now_ns, struct fabric_event *events, unsigned max)
{
	unsigned told = 0;

	pthread_mutex_lock(&lane->lock);
	if (max && is_live(lane))
		told = poll_locked(lane, now_ns, events, max);
	pthread_mutex_unlock(&lane->lock);
	return told;
}

static int arm_locked(struct verbs_lane *lane)
{
	int got;

	if (!is_live(lane))
		return 0;
	if (lane->held || (lane->state == VERBS_LANE_DYING && is_drained(lane)))
		return 1;
	if (!lane->armed && !ibv_req_notify_cq(lane->cq, 0))
		lane->armed = true;
	/* What came between the last poll and the arming gave no notice: look again. */
	got = ibv_poll_cq(lane->cq, 1, &lane->kept);
	lane->held = got > 0;
	return got != 0 || !lane->armed;
}

int verbs_lane_arm(struct verbs_lane *lane)
{
	int rc;

	pthread_mutex_lock(&lane->lock);
	rc = arm_locked(lane);
	pthread_mutex_unlock(&lane->lock);
	return rc;
}

uint64_t verbs_lane_deadline_ns(struct verbs_lane *lane)
{
	uint64_t deadline_ns = UINT64_MAX;

	pthread_mutex_lock(&lane->lock);
	if (lane->state == VERBS_LANE_UP && lane->outstanding)
		deadline_ns = lane->progress_ns + lane->shared->timeout_ns;
	else if (lane->state == VERBS_LANE_DYING)
		deadline_ns = lane->drain_ns;
	pthread_mutex_unlock(&lane->lock);
	return deadline_ns;
}

void verbs_channel_drain(struct ibv_comp_channel *channel)
{
	struct ibv_cq *cq;
	void *lane;

	while (!ibv_get_cq_event(channel, &cq, &lane)) {
		((struct verbs_lane *)lane)->armed = false;
		ibv_ack_cq_events(cq, 1);
	}
}

/* Drop what completes until nothing is left with the device. False: the time was over before. */
static bool drain(struct verbs_lane *lane, uint64_t deadline_ns)
{
	struct ibv_comp_channel *channel = lane->shared->device.channel;
	struct ibv_wc done[BATCH];
	struct fabric_event ignored;

	while (lane->receives || lane->outstanding) {
		struct pollfd fd = { .fd = channel->fd, .events = POLLIN };
		int got = take(lane, done, BATCH);

		for (int i = 0; i < got; i++)
			completed(lane, &done[i], 0, &ignored);
		if (got < 0 || clock_now_ns() >= deadline_ns)
			return false;
		if (got > 0)
			continue;
		verbs_channel_drain(channel);
		if (ibv_req_notify_cq(lane->cq, 0))
			return false;
		lane->armed = true;
		got = ibv_poll_cq(lane->cq, 1, &lane->kept);
		lane->held = got > 0;
		if (!got)
			poll(&fd, 1, 1);
	}
	return true;
}

void verbs_lane_lose(struct verbs_lane *lane)
{
	pthread_mutex_lock(&lane->lock);
	verbs_lane_fail(lane, VFIOMIG_FABRIC, ECONNABORTED, "lane-lost", "given up");
	pthread_mutex_unlock(&lane->lock);
}

void verbs_lane_fence(struct verbs_lane *lane)
{
	pthread_mutex_lock(&lane->lock);
	verbs_lane_fail(lane, VFIOMIG_FABRIC, ECANCELED, "lane-fenced", "fenced");
	if (lane->id && lane->id->qp && lane->cq && !drain(lane, clock_now_ns() + lane->shared->timeout_ns))
		rdma_destroy_qp(lane->id);
	lane->state = VERBS_LANE_CLOSED;
	pthread_mutex_unlock(&lane->lock);
}
