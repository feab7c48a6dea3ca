/* SPDX-License-Identifier: MIT */
/*
 * The fabric for peers that no RDMA device reaches, and for two processes on one laptop: N TCP connections that carry the
 * same packets and credits. The sockets sit edge-triggered in one epoll, so that a poll costs two system calls and those
 * of the lanes that have something, and the session waits for a single descriptor.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/error.h"
#include "transport/tcp.h"

static int tcp_probe(const struct fabric_route *route, struct fabric_limits *limits)
{
	(void)route;
	*limits = (struct fabric_limits){ .numa_node = -1, .receives_max = UINT_MAX };
	snprintf(limits->reason, sizeof(limits->reason), "TCP needs no device");
	return 0;
}

static void tcp_close(struct fabric *fabric)
{
	struct tcp_fabric *tcp = tcp_fabric_of(fabric);

	if (!tcp)
		return;
	for (unsigned i = 0; i < tcp->config.lanes; i++)
		tcp_lane_fini(&tcp->lanes[i]);
	tcp_arrivals_fini(&tcp->arrivals);
	if (tcp->epoll_fd >= 0)
		close(tcp->epoll_fd);
	free(tcp);
}

static int tcp_open(struct fabric **out, const struct fabric_config *config, struct vfiomig_error *err)
{
	struct tcp_fabric *tcp = calloc(1, sizeof(*tcp) + config->lanes * sizeof(tcp->lanes[0]));
	int result = 0;

	*out = NULL;
	if (!tcp)
		return error_set(err, VFIOMIG_INTERNAL, ENOMEM, NULL, "no memory for %u lanes", config->lanes);
	tcp->fabric.ops = &tcp_fabric_ops;
	tcp->config = *config;
	for (unsigned i = 0; i < config->lanes; i++)
		if (tcp_lane_init(&tcp->lanes[i], i, config->arena->shape.devices))
			result = -ENOMEM;
	if (tcp_arrivals_init(&tcp->arrivals))
		result = -errno;
	tcp->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (tcp->epoll_fd < 0)
		result = -errno;
	if (result) {
		tcp_close(&tcp->fabric);
		return error_set(err, VFIOMIG_FABRIC, -result, NULL, "cannot prepare %u lanes: %s", config->lanes,
				 strerror(-result));
	}
	*out = &tcp->fabric;
	return 0;
}

static void tcp_describe(struct fabric *fabric, struct fabric_memory *memory)
{
	(void)fabric;
	*memory = (struct fabric_memory){ 0 };
}

static int tcp_establish(struct fabric *fabric, const struct fabric_memory *peer, struct vfiomig_error *err)
{
	struct tcp_fabric *tcp = tcp_fabric_of(fabric);

	(void)peer;
	return tcp->config.route.role == VFIOMIG_SOURCE ? tcp_connect_lanes(tcp, err) : tcp_adopt_lanes(tcp, err);
}

/* Which lanes have become readable or writable since the last time. */
static void tcp_collect(struct tcp_fabric *tcp)
{
	struct epoll_event ready[VFIOMIG_LANES_MAX];
	int count = epoll_wait(tcp->epoll_fd, ready, VFIOMIG_LANES_MAX, 0);

	for (int i = 0; i < count; i++) {
		struct tcp_lane *lane = &tcp->lanes[ready[i].data.u32];

		if (ready[i].events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
			lane->receiver.ended = true;
		if (lane->receiver.ended || ready[i].events & EPOLLIN)
			lane->receiver.readable = true;
		if (ready[i].events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
			lane->writable = true;
	}
}

/* When a lane with work under way counts as silent; UINT64_MAX: nothing is under way. */
static uint64_t lane_deadline_ns(struct tcp_fabric *tcp, struct tcp_lane *lane)
{
	uint64_t since_ns = UINT64_MAX;

	if (!tcp_lane_live(lane))
		return UINT64_MAX;
	if (!tcp->released && tcp_lane_in_frame(lane))
		since_ns = lane->receiver.moved_ns;
	if (atomic_load(&lane->backlog)) {
		pthread_mutex_lock(&lane->lock);
		if (lane->count && lane->stalled_ns && lane->stalled_ns < since_ns)
			since_ns = lane->stalled_ns;
		else if (lane->count && since_ns == UINT64_MAX)
			since_ns = tcp->now_ns;
		pthread_mutex_unlock(&lane->lock);
	}
	return since_ns == UINT64_MAX ? UINT64_MAX : since_ns + tcp_timeout_ns(tcp);
}

static unsigned lane_give_sent(struct tcp_lane *lane, struct fabric_event *events, unsigned max)
{
	unsigned count = 0;

	while (count < lane->sent_count && count < max) {
		events[count] =
			(struct fabric_event){ .kind = FABRIC_SENT, .lane = lane->index, .cookie = lane->sent[count] };
		count++;
	}
	lane->sent_count -= count;
	memmove(lane->sent, lane->sent + count, lane->sent_count * sizeof(lane->sent[0]));
	return count;
}

static unsigned lane_poll(struct tcp_fabric *tcp, struct tcp_lane *lane, struct fabric_event *events, unsigned max)
{
	unsigned count = 0;

	if (tcp_lane_live(lane) && atomic_load(&lane->backlog) && lane->writable)
		tcp_lane_continue(lane, tcp->now_ns);
	if (tcp_lane_live(lane)) {
		count = lane_give_sent(lane, events, max);
		if (!tcp->released && (lane->receiver.readable || tcp_lane_ahead(lane)))
			count += tcp_lane_receive(tcp, lane, events + count, max - count);
	}
	if (count < max && lane_deadline_ns(tcp, lane) <= tcp->now_ns)
		tcp_lane_fail(lane, VFIOMIG_FABRIC, ETIMEDOUT, "lane-timeout",
			      "lane %u has stood still for %u ms with a packet under way", lane->index,
			      tcp->config.route.timeout_ms);
	if (count < max && atomic_load(&lane->state) == TCP_LANE_DYING) {
		atomic_store(&lane->state, TCP_LANE_GONE);
		lane->sent_count = 0;
		events[count++] = (struct fabric_event){ .kind = FABRIC_DEAD, .lane = lane->index };
	}
	return count;
}

static unsigned tcp_poll(struct fabric *fabric, uint64_t now_ns, struct fabric_event *events, unsigned max)
{
	struct tcp_fabric *tcp = tcp_fabric_of(fabric);
	unsigned count = 0;

	tcp->now_ns = now_ns;
	tcp_collect(tcp);
	for (unsigned i = 0; i < tcp->config.lanes && count < max; i++) {
		struct tcp_lane *lane = &tcp->lanes[(tcp->turn + i) % tcp->config.lanes];

		count += lane_poll(tcp, lane, events + count, max - count);
	}
	tcp->turn = (tcp->turn + 1) % tcp->config.lanes;
	return count;
}

static bool lane_has_work(const struct tcp_fabric *tcp, struct tcp_lane *lane)
{
	if (atomic_load(&lane->state) == TCP_LANE_DYING)
		return true;
	if (!tcp_lane_live(lane))
		return false;
	if (!tcp->released && (lane->receiver.readable || tcp_lane_ahead(lane)))
		return true;
	return lane->sent_count || (lane->writable && atomic_load(&lane->backlog));
}

static int tcp_pollfds(struct fabric *fabric, struct pollfd *fds, unsigned max)
{
	struct tcp_fabric *tcp = tcp_fabric_of(fabric);

	for (unsigned i = 0; i < tcp->config.lanes; i++)
		if (lane_has_work(tcp, &tcp->lanes[i]))
			return -EAGAIN;
	if (max == 0)
		return 0;
	fds[0] = (struct pollfd){ .fd = tcp->epoll_fd, .events = POLLIN };
	return 1;
}

static uint64_t tcp_deadline_ns(struct fabric *fabric)
{
	struct tcp_fabric *tcp = tcp_fabric_of(fabric);
	uint64_t earliest_ns = UINT64_MAX;

	for (unsigned i = 0; i < tcp->config.lanes; i++) {
		uint64_t deadline_ns = lane_deadline_ns(tcp, &tcp->lanes[i]);

		if (deadline_ns < earliest_ns)
			earliest_ns = deadline_ns;
	}
	return earliest_ns;
}

static void tcp_lose(struct fabric *fabric, unsigned lane)
{
	tcp_lane_fail(&tcp_fabric_of(fabric)->lanes[lane], VFIOMIG_FABRIC, ECONNABORTED, "lane-lost",
		      "lane %u was given up", lane);
}

static void tcp_fence(struct fabric *fabric, unsigned lane)
{
	tcp_lane_fence(&tcp_fabric_of(fabric)->lanes[lane]);
}

/* What still comes in stays in the kernel: nothing is received into the arena any more. Credits may still leave. */
static void tcp_release(struct fabric *fabric)
{
	tcp_fabric_of(fabric)->released = true;
}

static const struct vfiomig_error *tcp_error(struct fabric *fabric, unsigned lane)
{
	return &tcp_fabric_of(fabric)->lanes[lane].error;
}

const struct fabric_ops tcp_fabric_ops = {
	.name = "tcp",
	.probe = tcp_probe,
	.open = tcp_open,
	.describe = tcp_describe,
	.establish = tcp_establish,
	.adopt = tcp_adopt,
	.post = tcp_post,
	.send = tcp_send,
	.poll = tcp_poll,
	.pollfds = tcp_pollfds,
	.deadline_ns = tcp_deadline_ns,
	.lose = tcp_lose,
	.fence = tcp_fence,
	.release = tcp_release,
	.error = tcp_error,
	.close = tcp_close,
};
