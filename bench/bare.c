/* SPDX-License-Identifier: MIT */
/* See bare.h. */
#include "bare.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct bare_end {
	int from, to;
	void *buffer; /* of piece_bytes, own */
	size_t piece_bytes;
	int rc;
};

static int connect_pair(int listener, int *near, int *far)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t length = sizeof(address);
	int one = 1;

	if (bind(listener, (struct sockaddr *)&address, length) || listen(listener, 1) ||
	    getsockname(listener, (struct sockaddr *)&address, &length))
		return -errno;
	*near = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (*near < 0 || connect(*near, (struct sockaddr *)&address, length))
		return -errno;
	*far = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (*far < 0 || setsockopt(*near, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)))
		return -errno;
	return 0;
}

static int socket_pair(int *near, int *far)
{
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int rc;

	if (listener < 0)
		return -errno;
	rc = connect_pair(listener, near, far);
	close(listener);
	return rc;
}

static int write_all(int fd, const char *data, size_t bytes)
{
	while (bytes) {
		ssize_t done = write(fd, data, bytes);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return done ? -errno : -EIO;
		data += done;
		bytes -= (size_t)done;
	}
	return 0;
}

/* A socket gives what has come, so a piece is gathered; a file gives it at once. */
static ssize_t read_piece(int fd, char *buffer, size_t bytes)
{
	size_t got = 0;

	while (got < bytes) {
		ssize_t done = read(fd, buffer + got, bytes - got);

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

static void *carry(void *context)
{
	struct bare_end *end = context;
	ssize_t got;

	while ((got = read_piece(end->from, end->buffer, end->piece_bytes)) > 0) {
		end->rc = write_all(end->to, end->buffer, (size_t)got);
		if (end->rc)
			return NULL;
	}
	end->rc = (int)got;
	return NULL;
}

static int end_init(struct bare_end *end, int from, int to, size_t piece_bytes)
{
	*end = (struct bare_end){ .from = from, .to = to, .piece_bytes = piece_bytes };
	if (posix_memalign(&end->buffer, 4096, piece_bytes)) {
		end->buffer = NULL;
		return -ENOMEM;
	}
	memset(end->buffer, 1, piece_bytes); /* present before the clock runs */
	return 0;
}

static int copy(const struct memory_device *from, const struct memory_device *to, int near, int far,
		struct bare_end ends[2], struct moment *cost)
{
	struct moment start;
	pthread_t thread;

	if (lseek(from->fd, 0, SEEK_SET) < 0 || lseek(to->fd, 0, SEEK_SET) < 0)
		return -errno;
	if (pthread_create(&thread, NULL, carry, &ends[1]))
		return -EAGAIN;
	start = moment_now();
	carry(&ends[0]);
	shutdown(near, SHUT_WR);
	if (ends[0].rc)
		shutdown(far, SHUT_RDWR);
	pthread_join(thread, NULL);
	*cost = moment_since(start, moment_now());
	return ends[0].rc ? ends[0].rc : ends[1].rc;
}

int bare_copy(const struct memory_device *from, const struct memory_device *to, size_t piece_bytes, struct moment *cost)
{
	struct bare_end ends[2] = { 0 };
	int near = -1, far = -1;
	int rc = socket_pair(&near, &far);

	if (!rc)
		rc = end_init(&ends[0], from->fd, near, piece_bytes);
	if (!rc)
		rc = end_init(&ends[1], far, to->fd, piece_bytes);
	if (!rc)
		rc = copy(from, to, near, far, ends, cost);
	free(ends[0].buffer);
	free(ends[1].buffer);
	if (near >= 0)
		close(near);
	if (far >= 0)
		close(far);
	return rc;
}
