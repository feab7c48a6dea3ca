/* SPDX-License-Identifier: MIT */
/*
 * The sending half of a lane. The thread that has a packet sends it itself; only what the socket does not take waits in
 * the lane's queue, for the fabric thread to continue. So a packet changes threads only where the wire is the slower part.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "transport/tcp.h"
#include "wire/immediate.h"

enum { GATHER_FRAMES = 8, FRAME_PARTS = 3 };

/* The unsent rest of @frame; returns how many entries of @to it takes. */
static unsigned frame_gather(struct tcp_frame *frame, struct iovec *to)
{
	const struct iovec parts[FRAME_PARTS] = { { frame->prefix, TCP_FRAME_BYTES }, frame->part[0], frame->part[1] };
	size_t skip = frame->sent;
	unsigned count = 0;

	for (unsigned i = 0; i < FRAME_PARTS; i++) {
		if (skip >= parts[i].iov_len) {
			skip -= parts[i].iov_len;
			continue;
		}
		to[count].iov_base = (uint8_t *)parts[i].iov_base + skip;
		to[count].iov_len = parts[i].iov_len - skip;
		skip = 0;
		count++;
	}
	return count;
}

static struct tcp_frame *lane_frame(struct tcp_lane *lane, unsigned position)
{
	return &lane->queue[(lane->head + position) % lane->capacity];
}

/* @bytes more are the kernel's. */
static void lane_advance(struct tcp_lane *lane, size_t bytes)
{
	lane->stalled_ns = 0;
	while (bytes) {
		struct tcp_frame *frame = lane_frame(lane, 0);
		size_t left = frame->bytes - frame->sent;

		if (bytes < left) {
			frame->sent += bytes;
			return;
		}
		bytes -= left;
		if (frame->announce) {
			assert(lane->sent_count < TCP_ANNOUNCED_MAX);
			lane->sent[lane->sent_count++] = frame->cookie;
		}
		lane->head = (lane->head + 1) % lane->capacity;
		lane->count--;
	}
}

/* One sendmsg of what is queued. How many bytes are left of what was tried, or negative: the lane is dead, or full. */
static ssize_t lane_push(struct tcp_lane *lane)
{
	struct iovec parts[GATHER_FRAMES * FRAME_PARTS];
	struct msghdr message = { .msg_iov = parts };
	size_t wanted = 0;
	ssize_t sent;

	for (unsigned i = 0; i < lane->count && i < GATHER_FRAMES; i++) {
		struct tcp_frame *frame = lane_frame(lane, i);

		message.msg_iovlen += frame_gather(frame, parts + message.msg_iovlen);
		wanted += frame->bytes - frame->sent;
	}
	do
		sent = sendmsg(lane->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	if (sent < 0)
		return -errno;
	lane_advance(lane, (size_t)sent);
	return (ssize_t)(wanted - (size_t)sent);
}

/* Under the lock. 1: all is out; 0: the socket is full; negative: the lane is dead. */
static int lane_flush(struct tcp_lane *lane)
{
	int result = 1;

	while (lane->count && result == 1) {
		ssize_t left = lane_push(lane);

		if (left > 0 || left == -EAGAIN)
			result = 0;
		else if (left < 0)
			result = tcp_lane_fail_locked(lane, VFIOMIG_FABRIC, (int)-left, tcp_lost_name((int)-left),
						      "lane %u was lost while sending: %s", lane->index,
						      strerror((int)-left));
	}
	atomic_store(&lane->backlog, lane->count);
	return result;
}

/* Under the lock. NULL: more is outstanding than the contract allows, which would be our own mistake. */
static struct tcp_frame *lane_put(struct tcp_lane *lane, uint32_t immediate, size_t body_bytes)
{
	struct tcp_frame *frame;

	assert(lane->count < lane->capacity);
	if (lane->count == lane->capacity) {
		tcp_lane_fail_locked(lane, VFIOMIG_INTERNAL, ENOBUFS, NULL, "lane %u has too much outstanding",
				     lane->index);
		return NULL;
	}
	if (lane->count == 0)
		lane->stalled_ns = 0;
	frame = lane_frame(lane, lane->count++);
	*frame = (struct tcp_frame){ .bytes = TCP_FRAME_BYTES + body_bytes };
	put_be32(frame->prefix, immediate);
	put_be32(frame->prefix + 4, (uint32_t)body_bytes);
	return frame;
}

/* A message that lies in the queue untouched and that a later one of its kind and device replaces: counts are cumulative. */
static struct tcp_frame *lane_find(struct tcp_lane *lane, uint32_t immediate)
{
	for (unsigned i = 0; i < lane->count; i++) {
		struct tcp_frame *frame = lane_frame(lane, i);
		uint32_t queued = get_be32(frame->prefix);

		if (frame->sent == 0 && immediate_kind(queued) == immediate_kind(immediate) &&
		    immediate_device(queued) == immediate_device(immediate))
			return frame;
	}
	return NULL;
}

static struct tcp_frame *lane_put_packet(struct tcp_lane *lane, const struct arena *arena,
					 const struct fabric_packet *packet)
{
	bool token = immediate_kind(packet->immediate) == IMMEDIATE_TOKEN;
	struct tcp_frame *frame;

	frame = lane_put(lane, packet->immediate, (token ? 0 : (size_t)ARENA_HEADER_BYTES) + packet->bytes);
	if (!frame)
		return NULL;
	frame->cookie = packet->cookie;
	if (token) {
		frame->part[0] = (struct iovec){ arena_token(arena), packet->bytes };
	} else {
		frame->part[0] =
			(struct iovec){ arena_header(arena, packet->device, packet->slot), ARENA_HEADER_BYTES };
		frame->part[1] = (struct iovec){ arena_payload(arena, packet->device, packet->slot), packet->bytes };
	}
	return frame;
}

int tcp_post(struct fabric *fabric, unsigned index, const struct fabric_packet *packet)
{
	struct tcp_fabric *tcp = tcp_fabric_of(fabric);
	struct tcp_lane *lane = &tcp->lanes[index];
	struct tcp_frame *frame = NULL;
	int result = 0;

	pthread_mutex_lock(&lane->lock);
	if (tcp_lane_live(lane))
		frame = lane_put_packet(lane, tcp->config.arena, packet);
	if (!frame)
		result = -EPIPE;
	else if (lane->count == 1)
		result = lane_flush(lane);
	if (result == 0)
		frame->announce = true;
	if (frame)
		atomic_store(&lane->backlog, lane->count);
	pthread_mutex_unlock(&lane->lock);
	return result < 0 ? -EPIPE : result;
}

int tcp_send(struct fabric *fabric, unsigned index, uint32_t immediate)
{
	struct tcp_lane *lane = &tcp_fabric_of(fabric)->lanes[index];
	struct tcp_frame *frame;
	int result = 0;

	pthread_mutex_lock(&lane->lock);
	if (!tcp_lane_live(lane)) {
		result = -EPIPE;
	} else if ((frame = lane_find(lane, immediate)) != NULL) {
		put_be32(frame->prefix, immediate);
	} else if (!lane_put(lane, immediate, 0)) {
		result = -EPIPE;
	} else if (lane->count == 1) {
		result = lane_flush(lane);
	} else {
		atomic_store(&lane->backlog, lane->count);
	}
	pthread_mutex_unlock(&lane->lock);
	return result < 0 ? -EPIPE : result;
}

void tcp_lane_continue(struct tcp_lane *lane, uint64_t now_ns)
{
	pthread_mutex_lock(&lane->lock);
	if (tcp_lane_live(lane) && lane_flush(lane) == 0)
		lane->writable = false; /* until epoll says otherwise */
	if (lane->count && lane->stalled_ns == 0)
		lane->stalled_ns = now_ns;
	pthread_mutex_unlock(&lane->lock);
}
