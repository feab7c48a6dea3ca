/* SPDX-License-Identifier: MIT */
/* The few socket matters that both ends of a lane share: options, addresses in sentences, waiting with a way out. */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/un.h>

#include "base/clock.h"
#include "transport/tcp.h"

/*
 * How many bytes may lie in the kernel unsent: one packet of the default size, so that its thread is rid of it at once,
 * and no more, so that another device's packet on this lane does not stand behind megabytes. Measured on loopback, eight
 * lanes: 256 KiB cost 4 to 16 %, 4 MiB bring nothing.
 */
enum { TCP_UNSENT_BYTES_MAX = 1 << 20 };

/*
 * Buffers are left to the kernel: it grows them with the path; explicit sizes of 2 and 4 MiB were no faster on loopback,
 * and elsewhere rmem_max would cap them.
 */
void tcp_socket_tune(int fd, unsigned timeout_ms)
{
	const int on = 1, unsent_bytes = TCP_UNSENT_BYTES_MAX;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent_bytes, sizeof(unsent_bytes));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof(timeout_ms));
}

socklen_t tcp_address_bytes(const struct sockaddr_storage *address)
{
	switch (address->ss_family) {
	case AF_INET:
		return sizeof(struct sockaddr_in);
	case AF_INET6:
		return sizeof(struct sockaddr_in6);
	case AF_UNIX:
		return sizeof(struct sockaddr_un);
	default:
		return sizeof(*address);
	}
}

void tcp_address_text(const struct sockaddr_storage *address, char *out, size_t bytes)
{
	char host[NI_MAXHOST], port[NI_MAXSERV];

	if (getnameinfo((const struct sockaddr *)address, tcp_address_bytes(address), host, sizeof(host), port,
			sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) == 0)
		snprintf(out, bytes, "%s port %s", host, port);
	else
		snprintf(out, bytes, "the peer");
}

int tcp_wait(struct pollfd *fds, unsigned count, uint64_t deadline_ns)
{
	for (;;) {
		uint64_t now_ns = clock_now_ns();
		uint64_t left_ns = now_ns < deadline_ns ? deadline_ns - now_ns : 0;
		struct timespec left = { .tv_sec = (time_t)(left_ns / NS_PER_S),
					 .tv_nsec = (long)(left_ns % NS_PER_S) };
		int ready = ppoll(fds, count, &left, NULL);

		if (ready < 0 && errno == EINTR)
			continue;
		if (ready < 0)
			return -errno;
		if (ready == 0)
			return -ETIMEDOUT;
		return fds[0].fd >= 0 && fds[0].revents ? -ECANCELED : 0;
	}
}
