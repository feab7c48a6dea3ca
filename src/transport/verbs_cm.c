/* SPDX-License-Identifier: MIT */
#include "transport/verbs_cm.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "transport/verbs_errno.h"

int verbs_cm_open(struct rdma_event_channel **out)
{
	struct rdma_event_channel *channel = rdma_create_event_channel();

	*out = NULL;
	if (!channel)
		return errno == ENOENT || errno == ENOSYS ? -ENODEV : -verbs_errno();
	if (fcntl(channel->fd, F_SETFL, fcntl(channel->fd, F_GETFL) | O_NONBLOCK) < 0) {
		int rc = -verbs_errno();

		rdma_destroy_event_channel(channel);
		return rc;
	}
	*out = channel;
	return 0;
}

int verbs_cm_take(struct rdma_event_channel *channel, struct verbs_cm_event *event)
{
	struct rdma_cm_event *got;

	if (rdma_get_cm_event(channel, &got))
		return errno == EAGAIN || errno == EINTR ? 0 : -verbs_errno();
	*event = (struct verbs_cm_event){ .type = got->event, .status = got->status, .id = got->id };
	if (got->event == RDMA_CM_EVENT_CONNECT_REQUEST && got->param.conn.private_data) {
		size_t bytes = got->param.conn.private_data_len;

		event->hello_bytes = bytes < HELLO_BYTES ? bytes : HELLO_BYTES;
		memcpy(event->hello, got->param.conn.private_data, event->hello_bytes);
	}
	rdma_ack_cm_event(got);
	return 1;
}

/* Milliseconds for poll(2), rounded up so that the deadline has passed when it returns. */
static int wait_ms(uint64_t deadline_ns, uint64_t now_ns)
{
	uint64_t left_ms = (deadline_ns - now_ns + NS_PER_MS - 1) / NS_PER_MS;

	return left_ms < INT32_MAX ? (int)left_ms : INT32_MAX;
}

int verbs_cm_wait(struct rdma_event_channel *channel, int cancel_fd, uint64_t deadline_ns, struct verbs_cm_event *event)
{
	for (;;) {
		struct pollfd fds[2] = { { .fd = cancel_fd, .events = POLLIN },
					 { .fd = channel->fd, .events = POLLIN } };
		uint64_t now_ns = clock_now_ns();
		int rc;

		if (poll(fds, 2, now_ns < deadline_ns ? wait_ms(deadline_ns, now_ns) : 0) < 0 && errno != EINTR)
			return -verbs_errno();
		if (fds[0].revents)
			return -ECANCELED;
		rc = verbs_cm_take(channel, event);
		if (rc)
			return rc < 0 ? rc : 0;
		if (clock_now_ns() >= deadline_ns)
			return -ETIMEDOUT;
	}
}

int verbs_cm_resolve(struct rdma_cm_id **out, struct rdma_event_channel *channel, void *context,
		     const struct fabric_route *route, const struct sockaddr_storage *local)
{
	struct sockaddr_storage from = { .ss_family = AF_UNSPEC }, to = verbs_address_plain(&route->peer);

	*out = NULL;
	if (rdma_create_id(channel, out, context, RDMA_PS_TCP))
		return -verbs_errno();
	if (local && verbs_address_is_ip(local)) {
		from = verbs_address_plain(local);
		((struct sockaddr_in *)&from)->sin_port = 0; /* the same place in sockaddr_in6 */
	}
	if (rdma_resolve_addr(*out, from.ss_family == AF_UNSPEC ? NULL : (struct sockaddr *)&from,
			      (struct sockaddr *)&to, (int)route->timeout_ms)) {
		int rc = -verbs_errno();

		rdma_destroy_id(*out);
		*out = NULL;
		return rc;
	}
	return 0;
}

int verbs_cm_bind(struct rdma_cm_id **out, struct rdma_event_channel *channel, const struct sockaddr_storage *local,
		  bool any_port)
{
	struct sockaddr_storage at = verbs_address_plain(local);

	*out = NULL;
	if (any_port)
		((struct sockaddr_in *)&at)->sin_port = 0;
	if (rdma_create_id(channel, out, NULL, RDMA_PS_TCP))
		return -verbs_errno();
	if (rdma_bind_addr(*out, (struct sockaddr *)&at)) {
		int rc = -verbs_errno();

		rdma_destroy_id(*out);
		*out = NULL;
		return rc;
	}
	return 0;
}

struct sockaddr_storage verbs_address_plain(const struct sockaddr_storage *address)
{
	struct sockaddr_storage plain = *address;
	struct sockaddr_in6 six;
	struct sockaddr_in four = { .sin_family = AF_INET };

	if (address->ss_family != AF_INET6)
		return plain;
	memcpy(&six, address, sizeof(six));
	if (!IN6_IS_ADDR_V4MAPPED(&six.sin6_addr))
		return plain;
	four.sin_port = six.sin6_port;
	memcpy(&four.sin_addr, &six.sin6_addr.s6_addr[12], sizeof(four.sin_addr));
	plain = (struct sockaddr_storage){ 0 };
	memcpy(&plain, &four, sizeof(four));
	return plain;
}

bool verbs_address_is_ip(const struct sockaddr_storage *address)
{
	return address->ss_family == AF_INET || address->ss_family == AF_INET6;
}

bool verbs_address_is_loopback(const struct sockaddr_storage *address)
{
	struct sockaddr_storage plain = verbs_address_plain(address);

	if (plain.ss_family == AF_INET)
		return ntohl(((struct sockaddr_in *)&plain)->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
	return plain.ss_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&((struct sockaddr_in6 *)&plain)->sin6_addr);
}

const char *verbs_address_text(char text[VERBS_ADDRESS_TEXT_BYTES], const struct sockaddr_storage *address)
{
	struct sockaddr_storage plain = verbs_address_plain(address);
	const void *number = plain.ss_family == AF_INET ? (const void *)&((struct sockaddr_in *)&plain)->sin_addr
							: (const void *)&((struct sockaddr_in6 *)&plain)->sin6_addr;

	if (!verbs_address_is_ip(&plain) || !inet_ntop(plain.ss_family, number, text, VERBS_ADDRESS_TEXT_BYTES))
		snprintf(text, VERBS_ADDRESS_TEXT_BYTES, "?");
	return text;
}
