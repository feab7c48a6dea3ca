/* SPDX-License-Identifier: MIT */
/*
 * The destination's way up: connections that said "lane" come from the control thread, and each must show that it
 * belongs to this session. One that does not is closed and forgotten: whoever can reach the port could send it, and must
 * not be able to end a session with it, nor hold it up; where too many only wait, the oldest goes.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "transport/tcp.h"
#include "wire/hello.h"

/* A connection that has not shown yet which lane it is. */
struct guest {
	int fd; /* owned */
	size_t got_bytes;
	uint8_t hello[HELLO_BYTES];
};

struct guests {
	unsigned count;
	struct guest guest[TCP_ARRIVALS_MAX]; /* the first @count, the oldest first */
};

int tcp_arrivals_init(struct tcp_arrivals *arrivals)
{
	pthread_mutex_init(&arrivals->lock, NULL);
	arrivals->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return arrivals->event_fd < 0 ? -errno : 0;
}

/* Nobody is let in from here on, and whoever waits is sent away. */
static void arrivals_shut(struct tcp_arrivals *arrivals)
{
	pthread_mutex_lock(&arrivals->lock);
	arrivals->closed = true;
	for (unsigned i = 0; i < arrivals->count; i++)
		close(arrivals->fds[i]);
	arrivals->count = 0;
	pthread_mutex_unlock(&arrivals->lock);
}

void tcp_arrivals_fini(struct tcp_arrivals *arrivals)
{
	arrivals_shut(arrivals);
	if (arrivals->event_fd >= 0)
		close(arrivals->event_fd);
	pthread_mutex_destroy(&arrivals->lock);
}

int tcp_adopt(struct fabric *fabric, int fd)
{
	struct tcp_arrivals *arrivals = &tcp_fabric_of(fabric)->arrivals;
	const uint64_t one = 1;
	int result = 0;

	pthread_mutex_lock(&arrivals->lock);
	if (arrivals->closed)
		result = -EBUSY;
	else if (arrivals->count == TCP_ARRIVALS_MAX)
		result = -ENOBUFS;
	else
		arrivals->fds[arrivals->count++] = fd;
	pthread_mutex_unlock(&arrivals->lock);
	if (result) {
		close(fd);
		return result;
	}
	/* It can only fail with the counter full, and then the fabric thread is awake. */
	return write(arrivals->event_fd, &one, sizeof(one)) < 0 && errno != EAGAIN ? -errno : 0;
}

static void guest_leave(struct guests *guests, unsigned index)
{
	if (guests->guest[index].fd >= 0)
		close(guests->guest[index].fd);
	guests->count--;
	memmove(&guests->guest[index], &guests->guest[index + 1], (guests->count - index) * sizeof(guests->guest[0]));
}

/* Take over what the control thread has handed in; where there is no room the oldest goes. */
static void guests_enter(struct guests *guests, struct tcp_fabric *tcp)
{
	struct tcp_arrivals *arrivals = &tcp->arrivals;
	uint64_t wakes;

	(void)!read(arrivals->event_fd, &wakes, sizeof(wakes));
	pthread_mutex_lock(&arrivals->lock);
	for (unsigned i = 0; i < arrivals->count; i++) {
		if (guests->count == TCP_ARRIVALS_MAX)
			guest_leave(guests, 0);
		guests->guest[guests->count++] = (struct guest){ .fd = arrivals->fds[i] };
	}
	arrivals->count = 0;
	pthread_mutex_unlock(&arrivals->lock);
}

/* Is this one of ours? NULL: no. */
static struct tcp_lane *guest_lane(struct tcp_fabric *tcp, const struct guest *guest)
{
	struct hello hello;

	if (hello_decode(&hello, guest->hello) || hello.lane >= tcp->config.lanes)
		return NULL;
	if (memcmp(hello.session, tcp->config.session, sizeof(hello.session)) != 0)
		return NULL;
	if (!hello_proves(&hello, tcp->config.proof[hello.lane]))
		return NULL;
	return tcp->lanes[hello.lane].fd < 0 ? &tcp->lanes[hello.lane] : NULL;
}

static bool guest_answer(int fd)
{
	const struct preface preface = { .version = WIRE_VERSION, .kind = PREFACE_LANE };
	uint8_t answer[PREFACE_BYTES];

	preface_encode(answer, &preface);
	return send(fd, answer, sizeof(answer), MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)sizeof(answer);
}

enum guest_fate { GUEST_STAYS, GUEST_LEAVES, GUEST_LANE };

static enum guest_fate guest_read(struct tcp_fabric *tcp, struct guest *guest)
{
	ssize_t got = recv(guest->fd, guest->hello + guest->got_bytes, HELLO_BYTES - guest->got_bytes, MSG_DONTWAIT);
	struct tcp_lane *lane;

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return GUEST_STAYS;
	if (got <= 0)
		return GUEST_LEAVES;
	guest->got_bytes += (size_t)got;
	if (guest->got_bytes < HELLO_BYTES)
		return GUEST_STAYS;
	lane = guest_lane(tcp, guest);
	if (!lane)
		atomic_fetch_add(&tcp->fabric.refused, 1);
	if (!lane || !guest_answer(guest->fd))
		return GUEST_LEAVES;
	got = tcp_lane_start(tcp, lane, guest->fd);
	guest->fd = -1;
	return got ? GUEST_LEAVES : GUEST_LANE;
}

/* Returns how many have become lanes. */
static unsigned guests_serve(struct guests *guests, struct tcp_fabric *tcp, const struct pollfd *fds)
{
	unsigned lanes = 0;

	/* From the last one on, so that one who leaves does not shift those still to be looked at. */
	for (unsigned i = guests->count; i-- > 0;) {
		enum guest_fate fate = GUEST_STAYS;

		if (fds[i].revents)
			fate = guest_read(tcp, &guests->guest[i]);
		if (fate == GUEST_LANE)
			lanes++;
		if (fate != GUEST_STAYS)
			guest_leave(guests, i);
	}
	return lanes;
}

/* Where the first lane that has not come was to come to, which is its rail's end; "" where there are no rails. */
static void missing_text(const struct tcp_fabric *tcp, char *out, size_t bytes)
{
	unsigned lane = 0;
	char here[80];

	*out = 0;
	while (lane + 1 < tcp->config.lanes && tcp->lanes[lane].fd >= 0)
		lane++;
	if (!tcp->config.rails)
		return;
	tcp_address_text(&tcp->config.rail[lane % tcp->config.rails].local, here, sizeof(here));
	snprintf(out, bytes, ": lane %u was to come to %s", lane, here);
}

static int guests_given_up(const struct tcp_fabric *tcp, int result, unsigned up, struct vfiomig_error *err)
{
	char missing[128];

	if (result == -ECANCELED)
		return error_set(err, VFIOMIG_CANCELLED, ECANCELED, NULL, "cancelled while the lanes were awaited");
	missing_text(tcp, missing, sizeof(missing));
	if (result == -ETIMEDOUT)
		return error_set(err, VFIOMIG_TIMEOUT, ETIMEDOUT, "lane-connect",
				 "%u of %u lanes have come from the source, and for %u ms no other%s", up,
				 tcp->config.lanes, tcp->config.route.timeout_ms, missing);
	return error_set(err, VFIOMIG_FABRIC, -result, NULL, "cannot wait for the lanes: %s", strerror(-result));
}

int tcp_adopt_lanes(struct tcp_fabric *tcp, struct vfiomig_error *err)
{
	struct pollfd fds[2 + TCP_ARRIVALS_MAX];
	struct guests *guests = calloc(1, sizeof(*guests));
	const struct fabric_route *route = &tcp->config.route;
	uint64_t first_ms = route->first_lane_ms ? route->first_lane_ms : route->timeout_ms;
	uint64_t deadline_ns = clock_now_ns() + first_ms * NS_PER_MS;
	unsigned up = 0;
	int result = guests ? 0 : -ENOMEM;

	while (result == 0 && up < tcp->config.lanes) {
		unsigned came_up;

		fds[0] = (struct pollfd){ .fd = tcp->config.route.cancel_fd, .events = POLLIN };
		fds[1] = (struct pollfd){ .fd = tcp->arrivals.event_fd, .events = POLLIN };
		for (unsigned i = 0; i < guests->count; i++)
			fds[2 + i] = (struct pollfd){ .fd = guests->guest[i].fd, .events = POLLIN };
		result = tcp_wait(fds, 2 + guests->count, deadline_ns);
		if (result)
			break;
		came_up = guests_serve(guests, tcp, fds + 2);
		if (came_up)
			deadline_ns = clock_now_ns() + tcp_timeout_ns(tcp);
		up += came_up;
		if (fds[1].revents)
			guests_enter(guests, tcp);
	}
	while (guests && guests->count)
		guest_leave(guests, guests->count - 1);
	free(guests);
	arrivals_shut(&tcp->arrivals);
	return result ? guests_given_up(tcp, result, up, err) : 0;
}
