/* SPDX-License-Identifier: MIT */
/*
 * The receiving half of a lane: payloads go from the socket straight into their slots. One recvmsg takes the rest of a
 * payload together with the prefix of the frame behind it, so that a busy lane costs one system call per packet.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "transport/tcp.h"
#include "wire/immediate.h"

/* What one lane may take before the next one has its turn. */
enum { TURN_BYTES = 1 << 20 };

static size_t ahead_bytes(const struct tcp_receiver *receiver)
{
	return receiver->end - receiver->start;
}

bool tcp_lane_in_frame(const struct tcp_lane *lane)
{
	return lane->receiver.in_body || ahead_bytes(&lane->receiver) > 0;
}

/* Whose body begins with a packet's header: data, and the first message over a lane where it is as long as a packet. */
static bool has_header(uint32_t immediate, uint32_t bytes)
{
	enum immediate_kind kind = immediate_kind(immediate);

	return kind == IMMEDIATE_DATA || (kind == IMMEDIATE_CONTROL && bytes > 0);
}

/*
 * How much of the frame must be here before it can be judged: of a data frame the packet's header as well, unless it is too short to
 * have one, which must not be waited for.
 */
static size_t prefix_bytes(const struct tcp_receiver *receiver)
{
	const uint8_t *frame = receiver->ahead + receiver->start;
	uint32_t bytes;

	if (ahead_bytes(receiver) < TCP_FRAME_BYTES)
		return TCP_FRAME_BYTES;
	bytes = get_be32(frame + 4);
	return has_header(get_be32(frame), bytes) && bytes >= ARENA_HEADER_BYTES ? TCP_PREFIX_BYTES : TCP_FRAME_BYTES;
}

bool tcp_lane_ahead(const struct tcp_lane *lane)
{
	const struct tcp_receiver *receiver = &lane->receiver;

	return (receiver->in_body && receiver->missing == 0) || ahead_bytes(receiver) >= prefix_bytes(receiver);
}

/* Body bytes that each kind may have in this direction; false: the kind has no business here. */
static bool body_range(const struct tcp_fabric *fabric, enum immediate_kind kind, size_t *min, size_t *max)
{
	bool source = fabric->config.route.role == VFIOMIG_SOURCE;

	*min = *max = 0;
	switch (kind) {
	case IMMEDIATE_DATA:
		*min = ARENA_HEADER_BYTES;
		*max = ARENA_HEADER_BYTES + fabric->config.arena->shape.slot_bytes;
		return !source;
	case IMMEDIATE_TOKEN:
		*min = 1;
		*max = ARENA_TOKEN_BYTES;
		return !source;
	case IMMEDIATE_CREDIT:
		return source;
	case IMMEDIATE_CONTROL:
		*max = source ? 0 : ARENA_HEADER_BYTES + fabric->config.arena->shape.slot_bytes;
		return true;
	}
	return false;
}

static int frame_check(const struct tcp_fabric *fabric, struct tcp_lane *lane, uint32_t immediate, uint32_t bytes)
{
	enum immediate_kind kind = immediate_kind(immediate);
	size_t min, max;

	if (!body_range(fabric, kind, &min, &max))
		return tcp_lane_fail(lane, VFIOMIG_PROTOCOL, EPROTO, "lane-direction",
				     "lane %u brought a message of kind %d, which never comes this way", lane->index,
				     (int)kind);
	if (bytes < min || bytes > max || (has_header(immediate, bytes) && bytes < ARENA_HEADER_BYTES))
		return tcp_lane_fail(lane, VFIOMIG_PROTOCOL, EPROTO, "lane-frame-bytes",
				     "lane %u announced a message of kind %d with %u bytes, %zu to %zu are allowed",
				     lane->index, (int)kind, bytes, min, max);
	return 0;
}

/* The prefix is here: find out where the body goes. Negative: the lane is dead. */
static int frame_begin(struct tcp_fabric *fabric, struct tcp_lane *lane)
{
	struct tcp_receiver *receiver = &lane->receiver;
	const struct fabric_sink *sink = &fabric->config.sink;
	uint32_t immediate = get_be32(receiver->ahead + receiver->start);
	uint32_t bytes = get_be32(receiver->ahead + receiver->start + 4);
	struct fabric_place place = { 0 };
	int result = frame_check(fabric, lane, immediate, bytes);

	if (result)
		return result;
	if (bytes && (result = sink->place(sink->context, lane->index, immediate, bytes, &place)) != 0)
		return tcp_lane_fail(lane, VFIOMIG_PROTOCOL, EPROTO, "lane-refused",
				     "lane %u brought packet %u of device %u, for which there is no place now: %s",
				     lane->index, immediate_index(immediate), immediate_device(immediate),
				     strerror(-result));
	receiver->start += TCP_FRAME_BYTES;
	receiver->immediate = immediate;
	receiver->to = place.payload;
	receiver->missing = bytes;
	receiver->in_body = true;
	if (has_header(immediate, bytes)) {
		memcpy(place.header, receiver->ahead + receiver->start, ARENA_HEADER_BYTES);
		receiver->start += ARENA_HEADER_BYTES;
		receiver->missing -= ARENA_HEADER_BYTES;
	}
	return 0;
}

/* Body bytes that came along with the prefix. */
static void body_take_ahead(struct tcp_receiver *receiver)
{
	size_t bytes = ahead_bytes(receiver) < receiver->missing ? ahead_bytes(receiver) : receiver->missing;

	if (bytes == 0)
		return;
	memcpy(receiver->to, receiver->ahead + receiver->start, bytes);
	receiver->start += bytes;
	receiver->to += bytes;
	receiver->missing -= bytes;
}

/* Go on with what is here. 1: a message is whole; 0: more bytes are needed; negative: the lane is dead. */
static int frame_advance(struct tcp_fabric *fabric, struct tcp_lane *lane)
{
	struct tcp_receiver *receiver = &lane->receiver;

	if (!receiver->in_body) {
		int result;

		if (ahead_bytes(receiver) < prefix_bytes(receiver))
			return 0;
		result = frame_begin(fabric, lane);
		if (result)
			return result;
	}
	body_take_ahead(receiver);
	if (receiver->missing)
		return 0;
	receiver->in_body = false;
	return 1;
}

static int lane_closed(struct tcp_lane *lane)
{
	bool cut = tcp_lane_in_frame(lane);

	return tcp_lane_fail(lane, VFIOMIG_FABRIC, EPIPE, "lane-closed", "the peer closed lane %u%s", lane->index,
			     cut ? " in the middle of a packet" : "");
}

/* One recvmsg: the body's rest, and behind it what the next prefix needs. Bytes taken; 0: none now, or the lane died. */
static size_t lane_pull(struct tcp_lane *lane)
{
	struct tcp_receiver *receiver = &lane->receiver;
	struct iovec parts[2] = { { receiver->to, receiver->in_body ? receiver->missing : 0 } };
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };
	ssize_t got;
	size_t body;

	memmove(receiver->ahead, receiver->ahead + receiver->start, ahead_bytes(receiver));
	receiver->end -= receiver->start;
	receiver->start = 0;
	parts[1] = (struct iovec){ receiver->ahead + receiver->end, sizeof(receiver->ahead) - receiver->end };
	do
		got = recvmsg(lane->fd, &message, MSG_DONTWAIT);
	while (got < 0 && errno == EINTR);
	/* Less than asked for: the socket is empty, and epoll tells of whatever comes after. */
	receiver->readable = receiver->ended || got == (ssize_t)(parts[0].iov_len + parts[1].iov_len);
	if (got < 0 && errno == EAGAIN)
		return 0;
	if (got <= 0) {
		(void)(got == 0 ? lane_closed(lane)
				: tcp_lane_fail(lane, VFIOMIG_FABRIC, errno, tcp_lost_name(errno),
						"lane %u was lost: %s", lane->index, strerror(errno)));
		return 0;
	}
	body = (size_t)got < parts[0].iov_len ? (size_t)got : parts[0].iov_len;
	if (body)
		receiver->to += body;
	receiver->missing -= body;
	receiver->end += (size_t)got - body;
	return (size_t)got;
}

unsigned tcp_lane_receive(struct tcp_fabric *fabric, struct tcp_lane *lane, struct fabric_event *events, unsigned max)
{
	struct tcp_receiver *receiver = &lane->receiver;
	size_t taken_bytes = 0;
	unsigned count = 0;

	while (count < max) {
		int whole = frame_advance(fabric, lane);
		size_t bytes = 0;

		if (whole < 0)
			break;
		if (whole) {
			events[count++] = (struct fabric_event){ .kind = FABRIC_ARRIVED,
								 .lane = lane->index,
								 .immediate = receiver->immediate };
			continue;
		}
		if (receiver->readable && taken_bytes < TURN_BYTES)
			bytes = lane_pull(lane);
		if (bytes == 0)
			break;
		taken_bytes += bytes;
		receiver->moved_ns = fabric->now_ns;
	}
	return count;
}
