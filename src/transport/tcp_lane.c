/* SPDX-License-Identifier: MIT */
/*
 * Life and death of one lane. It dies once, with one reason, whichever thread notices first; its descriptor is only shut
 * down then, and closed with the fabric, because another thread may be about to send on it.
 */
#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/error.h"
#include "transport/tcp.h"

/* Beyond what may be announced: a control message, a credit per device, and one of these that is half out already. */
enum { TCP_QUEUE_EXTRA = TCP_ANNOUNCED_MAX + 2 };

int tcp_lane_init(struct tcp_lane *lane, unsigned index, unsigned devices)
{
	lane->fd = -1;
	lane->index = index;
	lane->capacity = devices + TCP_QUEUE_EXTRA;
	lane->queue = calloc(lane->capacity, sizeof(*lane->queue));
	pthread_mutex_init(&lane->lock, NULL);
	return lane->queue ? 0 : -ENOMEM;
}

void tcp_lane_fini(struct tcp_lane *lane)
{
	if (lane->fd >= 0)
		close(lane->fd);
	free(lane->queue);
	pthread_mutex_destroy(&lane->lock);
}

int tcp_lane_start(struct tcp_fabric *fabric, struct tcp_lane *lane, int fd)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
				     .data = { .u32 = lane->index } };

	assert(lane->fd < 0);
	lane->fd = fd;
	tcp_socket_tune(fd, fabric->config.route.timeout_ms);
	if (epoll_ctl(fabric->epoll_fd, EPOLL_CTL_ADD, fd, &event))
		return -errno;
	lane->writable = true;
	atomic_store(&lane->state, TCP_LANE_LIVE);
	return 0;
}

bool tcp_lane_live(struct tcp_lane *lane)
{
	return atomic_load(&lane->state) == TCP_LANE_LIVE;
}

static int lane_fail(struct tcp_lane *lane, enum vfiomig_code code, int errnum, const char *name, const char *format,
		     va_list args)
{
	char text[sizeof(lane->error.text)];

	if (atomic_load(&lane->state) != TCP_LANE_LIVE)
		return -errnum;
	vsnprintf(text, sizeof(text), format, args);
	error_set(&lane->error, code, errnum, name, "%s", text);
	atomic_store(&lane->state, TCP_LANE_DYING);
	lane->count = 0;
	atomic_store(&lane->backlog, 0);
	shutdown(lane->fd, SHUT_RDWR); /* also what wakes the fabric thread */
	return -errnum;
}

int tcp_lane_fail_locked(struct tcp_lane *lane, enum vfiomig_code code, int errnum, const char *name,
			 const char *format, ...)
{
	va_list args;

	va_start(args, format);
	lane_fail(lane, code, errnum, name, format, args);
	va_end(args);
	return -errnum;
}

int tcp_lane_fail(struct tcp_lane *lane, enum vfiomig_code code, int errnum, const char *name, const char *format, ...)
{
	va_list args;

	pthread_mutex_lock(&lane->lock);
	va_start(args, format);
	lane_fail(lane, code, errnum, name, format, args);
	va_end(args);
	pthread_mutex_unlock(&lane->lock);
	return -errnum;
}

void tcp_lane_fence(struct tcp_lane *lane)
{
	pthread_mutex_lock(&lane->lock);
	atomic_store(&lane->state, TCP_LANE_GONE);
	lane->count = 0;
	atomic_store(&lane->backlog, 0);
	if (lane->fd >= 0)
		shutdown(lane->fd, SHUT_RDWR);
	pthread_mutex_unlock(&lane->lock);
	lane->sent_count = 0;
}
