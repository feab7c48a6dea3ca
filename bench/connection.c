/* SPDX-License-Identifier: MIT */
/* See connection.h. */
#include "connection.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

static int connect_pair(int listener, struct connection *connection)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t length = sizeof(address);
	int one = 1;

	if (bind(listener, (struct sockaddr *)&address, length) || listen(listener, 1) ||
	    getsockname(listener, (struct sockaddr *)&address, &length))
		return -errno;
	connection->near = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connection->near < 0 || connect(connection->near, (struct sockaddr *)&address, length))
		return -errno;
	connection->far = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (connection->far < 0 || setsockopt(connection->near, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) ||
	    setsockopt(connection->far, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)))
		return -errno;
	return 0;
}

int connection_open(struct connection *connection)
{
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int rc;

	*connection = (struct connection){ -1, -1 };
	if (listener < 0)
		return -errno;
	rc = connect_pair(listener, connection);
	close(listener);
	return rc;
}

void connection_close(struct connection *connection)
{
	if (connection->near >= 0)
		close(connection->near);
	if (connection->far >= 0)
		close(connection->far);
	*connection = (struct connection){ -1, -1 };
}

int write_all(int fd, const void *data, size_t bytes)
{
	const char *at = data;

	while (bytes) {
		ssize_t done = write(fd, at, bytes);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return done ? -errno : -EIO;
		at += done;
		bytes -= (size_t)done;
	}
	return 0;
}

ssize_t read_piece(int fd, void *buffer, size_t bytes)
{
	size_t got = 0;

	while (got < bytes) {
		ssize_t done = read(fd, (char *)buffer + got, bytes - got);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -errno;
		if (!done)
			break;
		got += (size_t)done;
	}
	return (ssize_t)got;
}
