/* SPDX-License-Identifier: MIT */
/*
 * The port of a destination. It belongs to the caller, not to a session, so that it is bound (and found in use) before
 * anything else is done, and outlives one migration for the next.
 */
#include "control/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"
#include "control/address.h"

/* All lanes of a session may knock at once. */
enum { LISTENER_BACKLOG = 2 * VFIOMIG_LANES_MAX };

struct vfiomig_listener {
	int fd; /* owned */
	char address[ADDRESS_TEXT_BYTES];
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path) + 1]; /* of our own UNIX socket, removed at the end */
	struct stat made; /* what was there then: it may be another's by now */
};

static bool is_socket(const char *path)
{
	struct stat status;

	return !lstat(path, &status) && S_ISSOCK(status.st_mode);
}

/* Nobody listens on it any more: what it was left by has not ended well, and its name is free. */
static bool is_left_over(const struct sockaddr_storage *address, socklen_t bytes)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	bool refused = fd >= 0 && connect(fd, (const struct sockaddr *)address, bytes) && errno == ECONNREFUSED;

	if (fd >= 0)
		close(fd);
	return refused;
}

/* Only its owner may connect, from the moment that it is there. */
static int unix_bind(int fd, const struct sockaddr_storage *address, socklen_t bytes)
{
	const char *path = ((const struct sockaddr_un *)address)->sun_path;

	if (fchmod(fd, 0600))
		return -errno;
	if (!bind(fd, (const struct sockaddr *)address, bytes))
		return 0;
	if (errno != EADDRINUSE)
		return -errno;
	if (!is_socket(path) || !is_left_over(address, bytes) || unlink(path))
		return -EADDRINUSE;
	return bind(fd, (const struct sockaddr *)address, bytes) ? -errno : 0;
}

static int listener_bind(int fd, const struct sockaddr_storage *address, socklen_t bytes)
{
	const int on = 1;

	if (address->ss_family == AF_UNIX) {
		int result = unix_bind(fd, address, bytes);

		return result ? result : listen(fd, LISTENER_BACKLOG) ? -errno : 0;
	}
	/* A destination that is started again must not wait for the last session's TIME_WAIT. */
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)))
		return -errno;
	if (bind(fd, (const struct sockaddr *)address, bytes))
		return -errno;
	return listen(fd, LISTENER_BACKLOG) ? -errno : 0;
}

static int listener_refused(const char *text, int result, struct vfiomig_error *err)
{
	if (result == -EADDRINUSE)
		return error_set(err, VFIOMIG_PREFLIGHT, EADDRINUSE, "address-in-use",
				 "cannot listen on '%s': another program has it", text);
	return error_set(err, VFIOMIG_PREFLIGHT, -result, "listen", "cannot listen on '%s': %s", text,
			 strerror(-result));
}

int vfiomig_listener_open(struct vfiomig_listener **out, const char *address, struct vfiomig_error *err)
{
	struct sockaddr_storage bound;
	struct vfiomig_listener *listener;
	socklen_t bytes;
	int result;

	*out = NULL;
	result = address_resolve(address, true, &bound, &bytes, err);
	if (result)
		return result;
	listener = calloc(1, sizeof(*listener));
	if (!listener)
		return listener_refused(address, -ENOMEM, err);
	listener->fd = socket(bound.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	result = listener->fd < 0 ? -errno : listener_bind(listener->fd, &bound, bytes);
	if (bound.ss_family != AF_UNIX)
		bytes = sizeof(bound);
	if (result == 0 && bound.ss_family != AF_UNIX && getsockname(listener->fd, (struct sockaddr *)&bound, &bytes))
		result = -errno;
	if (result) {
		vfiomig_listener_close(listener);
		return listener_refused(address, result, err);
	}
	address_format(&bound, listener->address);
	if (bound.ss_family == AF_UNIX) {
		memcpy(listener->path, ((struct sockaddr_un *)&bound)->sun_path,
		       sizeof(((struct sockaddr_un *)&bound)->sun_path));
		(void)lstat(listener->path, &listener->made);
	}
	*out = listener;
	return 0;
}

static bool is_listening_stream(int fd)
{
	int type = 0, listening = 0;
	socklen_t bytes = sizeof(type);

	return !getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &bytes) && type == SOCK_STREAM &&
	       !getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &bytes) && listening;
}

static int set_flags(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) || fcntl(fd, F_SETFD, FD_CLOEXEC))
		return -errno;
	return 0;
}

int vfiomig_listener_adopt(struct vfiomig_listener **out, int fd, struct vfiomig_error *err)
{
	struct sockaddr_storage bound = { 0 };
	struct vfiomig_listener *listener;
	socklen_t bytes = sizeof(bound);
	int result;

	*out = NULL;
	if (!is_listening_stream(fd) || getsockname(fd, (struct sockaddr *)&bound, &bytes) ||
	    (bound.ss_family != AF_INET && bound.ss_family != AF_INET6 && bound.ss_family != AF_UNIX))
		return error_set(err, VFIOMIG_USAGE, EINVAL, "listener-fd",
				 "descriptor %d is not a TCP or UNIX stream socket that listens", fd);
	listener = calloc(1, sizeof(*listener));
	result = listener ? set_flags(fd) : -ENOMEM;
	if (result) {
		free(listener);
		return error_set(err, VFIOMIG_INTERNAL, -result, "listen", "cannot listen on descriptor %d: %s", fd,
				 strerror(-result));
	}
	listener->fd = fd;
	address_format(&bound, listener->address);
	*out = listener;
	return 0;
}

const char *vfiomig_listener_address(const struct vfiomig_listener *listener)
{
	return listener->address;
}

int listener_fd(const struct vfiomig_listener *listener)
{
	return listener->fd;
}

static bool is_ours(const struct vfiomig_listener *listener)
{
	struct stat now;

	return !lstat(listener->path, &now) && now.st_dev == listener->made.st_dev &&
	       now.st_ino == listener->made.st_ino;
}

void vfiomig_listener_close(struct vfiomig_listener *listener)
{
	if (!listener)
		return;
	if (listener->path[0] && is_ours(listener))
		unlink(listener->path);
	if (listener->fd >= 0)
		close(listener->fd);
	free(listener);
}
