/* SPDX-License-Identifier: MIT */
/*
 * The source's way up: all lanes are dialled at once, each says which lane of which session it is, and counts only when
 * the destination has answered. The answer is the destination's own preface, so that one of another version is named.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/peer_user.h"
#include "transport/tcp.h"
#include "wire/hello.h"

enum dial_state { DIAL_CONNECTING = 0, DIAL_ANSWER, DIAL_DONE };

struct dial {
	int fd; /* owned until the lane takes it; -1: not dialled, or the lane's */
	enum dial_state state;
	uint8_t answer[PREFACE_BYTES];
	size_t answer_bytes;
};

/* Any port of the local address will do: one port cannot serve several lanes to the same peer. */
static int dial_bind(int fd, const struct fabric_route *route)
{
	struct sockaddr_storage local = route->local;

	if (local.ss_family == AF_INET)
		((struct sockaddr_in *)&local)->sin_port = 0;
	else if (local.ss_family == AF_INET6)
		((struct sockaddr_in6 *)&local)->sin6_port = 0;
	else
		return 0;
	return bind(fd, (const struct sockaddr *)&local, tcp_address_bytes(&local)) ? -errno : 0;
}

static int dial_start(struct dial *dial, const struct fabric_route *route)
{
	int result;

	dial->fd = socket(route->peer.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (dial->fd < 0)
		return -errno;
	tcp_socket_tune(dial->fd, route->timeout_ms);
	result = dial_bind(dial->fd, route);
	if (result)
		return result;
	if (connect(dial->fd, (const struct sockaddr *)&route->peer, tcp_address_bytes(&route->peer)) == 0 ||
	    errno == EINPROGRESS)
		return 0;
	return -errno;
}

static int dial_greet(struct dial *dial, unsigned lane, const struct fabric_config *config)
{
	const struct preface preface = { .version = WIRE_VERSION, .kind = PREFACE_LANE };
	struct hello hello = { .version = WIRE_VERSION, .lane = (uint16_t)lane };
	uint8_t greeting[PREFACE_BYTES + HELLO_BYTES];
	socklen_t errnum_bytes = sizeof(int);
	int errnum = 0;
	ssize_t sent;

	if (getsockopt(dial->fd, SOL_SOCKET, SO_ERROR, &errnum, &errnum_bytes))
		return -errno;
	if (errnum)
		return -errnum;
	if (!peer_user_trusted(dial->fd))
		return -EKEYREJECTED; /* the path may be another's since the control connection came about */
	memcpy(hello.session, config->session, sizeof(hello.session));
	memcpy(hello.proof, config->proof[lane], sizeof(hello.proof));
	preface_encode(greeting, &preface);
	hello_encode(greeting + PREFACE_BYTES, &hello);
	sent = send(dial->fd, greeting, sizeof(greeting), MSG_NOSIGNAL);
	if (sent < 0)
		return -errno;
	dial->state = DIAL_ANSWER;
	return sent == (ssize_t)sizeof(greeting) ? 0 : -EIO; /* an empty socket takes 64 bytes at once */
}

/* 0 also while the answer is not whole. */
static int dial_listen(struct dial *dial, struct preface *preface)
{
	ssize_t got = recv(dial->fd, dial->answer + dial->answer_bytes, PREFACE_BYTES - dial->answer_bytes, 0);
	int result;

	if (got < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (got == 0)
		return -ECONNRESET;
	dial->answer_bytes += (size_t)got;
	if (dial->answer_bytes < PREFACE_BYTES)
		return 0;
	result = preface_decode(preface, dial->answer);
	if (result)
		return result;
	if (preface->kind != PREFACE_LANE)
		return -EPROTO;
	dial->state = DIAL_DONE;
	return 0;
}

static int dial_failed(const struct tcp_fabric *tcp, unsigned lane, int result, const struct preface *preface,
		       struct vfiomig_error *err)
{
	char peer[80];

	tcp_address_text(&tcp->config.route.peer, peer, sizeof(peer));
	if (result == -EPROTONOSUPPORT)
		return error_set(err, VFIOMIG_PREFLIGHT, EPROTONOSUPPORT, "peer-version",
				 "%s speaks version %u of the protocol, this side version %d", peer, preface->version,
				 WIRE_VERSION);
	if (result == -EPROTO)
		return error_set(err, VFIOMIG_PROTOCOL, EPROTO, "lane-answer",
				 "%s answered lane %u with something that is no answer", peer, lane);
	if (result == -ECONNRESET)
		return error_set(err, VFIOMIG_FABRIC, ECONNRESET, "lane-rejected", "%s did not take lane %u", peer,
				 lane);
	if (result == -EKEYREJECTED)
		return error_set(err, VFIOMIG_AUTH, EACCES, "peer-user",
				 "lane %u: who listens at %s is neither root nor this process's user", lane, peer);
	return error_set(err, VFIOMIG_FABRIC, -result, "lane-connect", "lane %u cannot be connected to %s: %s", lane,
			 peer, strerror(-result));
}

static int dial_advance(struct tcp_fabric *tcp, unsigned lane, struct dial *dial, struct vfiomig_error *err)
{
	struct preface preface = { 0 };
	int result;

	if (dial->state == DIAL_CONNECTING)
		result = dial_greet(dial, lane, &tcp->config);
	else
		result = dial_listen(dial, &preface);
	if (result)
		return dial_failed(tcp, lane, result, &preface, err);
	if (dial->state != DIAL_DONE)
		return 0;
	result = tcp_lane_start(tcp, &tcp->lanes[lane], dial->fd);
	dial->fd = -1;
	return result ? dial_failed(tcp, lane, result, &preface, err) : 1;
}

static int dials_given_up(const struct tcp_fabric *tcp, int result, unsigned up, struct vfiomig_error *err)
{
	char peer[80];

	if (result == -ECANCELED)
		return error_set(err, VFIOMIG_CANCELLED, ECANCELED, NULL, "cancelled while the lanes were connected");
	tcp_address_text(&tcp->config.route.peer, peer, sizeof(peer));
	if (result == -ETIMEDOUT)
		return error_set(err, VFIOMIG_TIMEOUT, ETIMEDOUT, "lane-connect",
				 "%u of %u lanes were up after %u ms: %s does not answer the others", up,
				 tcp->config.lanes, tcp->config.route.timeout_ms, peer);
	return error_set(err, VFIOMIG_FABRIC, -result, NULL, "cannot wait for the lanes: %s", strerror(-result));
}

/* One round of waiting and going on; returns how many lanes came up in it, or negative. */
static int dials_step(struct tcp_fabric *tcp, struct dial *dials, unsigned up, uint64_t deadline_ns,
		      struct vfiomig_error *err)
{
	struct pollfd fds[1 + VFIOMIG_LANES_MAX] = { { .fd = tcp->config.route.cancel_fd, .events = POLLIN } };
	unsigned lanes = tcp->config.lanes;
	int result, came_up = 0;

	for (unsigned i = 0; i < lanes; i++)
		fds[1 + i] = (struct pollfd){ .fd = dials[i].fd,
					      .events = dials[i].state == DIAL_CONNECTING ? POLLOUT : POLLIN };
	result = tcp_wait(fds, 1 + lanes, deadline_ns);
	if (result)
		return dials_given_up(tcp, result, up, err);
	for (unsigned i = 0; i < lanes; i++) {
		if (dials[i].fd < 0 || !fds[1 + i].revents)
			continue;
		result = dial_advance(tcp, i, &dials[i], err);
		if (result < 0)
			return result;
		came_up += result;
	}
	return came_up;
}

int tcp_connect_lanes(struct tcp_fabric *tcp, struct vfiomig_error *err)
{
	struct dial dials[VFIOMIG_LANES_MAX];
	uint64_t deadline_ns = clock_now_ns() + tcp_timeout_ns(tcp);
	unsigned lanes = tcp->config.lanes, up = 0;
	int result = 0;

	for (unsigned i = 0; i < lanes; i++)
		dials[i] = (struct dial){ .fd = -1 };
	for (unsigned i = 0; i < lanes && result == 0; i++) {
		result = dial_start(&dials[i], &tcp->config.route);
		if (result)
			result = dial_failed(tcp, i, result, NULL, err);
	}
	while (result >= 0 && up < lanes) {
		result = dials_step(tcp, dials, up, deadline_ns, err);
		if (result > 0)
			up += (unsigned)result;
	}
	for (unsigned i = 0; i < lanes; i++)
		if (dials[i].fd >= 0)
			close(dials[i].fd);
	return result < 0 ? result : 0;
}
