/* SPDX-License-Identifier: MIT */
/*
 * The port of a destination. It belongs to the caller, not to a session, so that it is bound (and found in use) before
 * anything else is done, and outlives one migration for the next.
 */
#include "control/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
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
	int fds[LISTENER_FDS_MAX]; /* owned */
	unsigned count;
	struct sockaddr_storage bound; /* of the first; the others are addresses of rails */
	struct sockaddr_storage rail[VFIOMIG_RAILS_MAX];
	unsigned rails;
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

/* One more socket, at @address. 0 or a negative errno. */
static int listener_enter(struct vfiomig_listener *listener, const struct sockaddr_storage *address, socklen_t bytes)
{
	int fd = socket(address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int result = fd < 0 ? -errno : listener_bind(fd, address, bytes);

	if (result && fd >= 0)
		close(fd);
	if (!result)
		listener->fds[listener->count++] = fd;
	return result;
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
	result = listener_enter(listener, &bound, bytes);
	if (bound.ss_family != AF_UNIX)
		bytes = sizeof(bound);
	if (result == 0 && bound.ss_family != AF_UNIX &&
	    getsockname(listener->fds[0], (struct sockaddr *)&bound, &bytes))
		result = -errno;
	if (result) {
		vfiomig_listener_close(listener);
		return listener_refused(address, result, err);
	}
	listener->bound = bound;
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
	listener->fds[listener->count++] = fd;
	listener->bound = bound;
	address_format(&bound, listener->address);
	*out = listener;
	return 0;
}

const char *vfiomig_listener_address(const struct vfiomig_listener *listener)
{
	return listener->address;
}

unsigned listener_fds(const struct vfiomig_listener *listener, int fds[LISTENER_FDS_MAX])
{
	memcpy(fds, listener->fds, listener->count * sizeof(fds[0]));
	return listener->count;
}

in_port_t listener_port(const struct vfiomig_listener *listener)
{
	struct sockaddr_storage bound = listener->bound;

	return bound.ss_family == AF_UNIX ? 0 : *address_port(&bound);
}

/* On the wire an address has no interface, which bind(2) would want of a link-local one. */
static bool is_an_interfaces(const struct sockaddr_storage *address)
{
	struct ifaddrs *list;
	bool found = false;

	if (getifaddrs(&list))
		return false;
	for (const struct ifaddrs *entry = list; entry && !found; entry = entry->ifa_next)
		found = entry->ifa_addr && address_is_same_host(entry->ifa_addr, address);
	freeifaddrs(list);
	return found;
}

/* 0, or a negative errno: EADDRNOTAVAIL where the address is another machine's. */
static int check_own(const struct sockaddr_storage *address)
{
	struct sockaddr_storage probe = *address;
	int fd = socket(address->ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0), result = 0;

	*address_port(&probe) = 0;
	if (fd < 0 || bind(fd, (struct sockaddr *)&probe, address_bytes(&probe)))
		result = -errno;
	if (fd >= 0)
		close(fd);
	return result;
}

static bool hears_only_v6(int fd)
{
	int only = 0;
	socklen_t bytes = sizeof(only);

	return !getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, &bytes) && only;
}

/* A listener on all IPv6 addresses hears IPv4 too, unless it was made otherwise, as by systemd's BindIPv6Only=. */
static bool hears_all(const struct vfiomig_listener *listener, sa_family_t family)
{
	const struct sockaddr_storage *bound = &listener->bound;

	return address_is_any(bound) &&
	       (bound->ss_family == family || (bound->ss_family == AF_INET6 && !hears_only_v6(listener->fds[0])));
}

bool listener_covers(const struct vfiomig_listener *listener, const struct sockaddr_storage *address)
{
	if (hears_all(listener, address->ss_family))
		return !address_is_any(address) &&
		       (address_lacks_interface(address) ? is_an_interfaces(address) : check_own(address) == 0);
	for (unsigned i = 0; i < listener->rails; i++)
		if (address_is_same_host((const struct sockaddr *)&listener->rail[i], address))
			return true;
	return address_is_same_host((const struct sockaddr *)&listener->bound, address);
}

int vfiomig_listener_add_rail(struct vfiomig_listener *listener, const char *host, struct vfiomig_error *err)
{
	struct sockaddr_storage at;
	socklen_t bytes;
	int result = address_resolve_host(host, &at, &bytes, err);

	if (result)
		return result;
	if (listener->bound.ss_family == AF_UNIX || address_is_any(&at))
		return error_set(err, VFIOMIG_USAGE, EINVAL, "rail",
				 "'%s' is no rail of '%s': a rail is one address of this machine, beside a port", host,
				 listener->address);
	if (listener->rails == VFIOMIG_RAILS_MAX)
		return error_set(err, VFIOMIG_USAGE, E2BIG, "rail", "'%s': there are at most %d rails", host,
				 VFIOMIG_RAILS_MAX);
	*address_port(&at) = listener_port(listener);
	result = check_own(&at);
	if (!result && !hears_all(listener, at.ss_family) && !listener_covers(listener, &at))
		result = listener_enter(listener, &at, bytes);
	if (result)
		return listener_refused(host, result, err);
	listener->rail[listener->rails++] = at;
	return 0;
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
	for (unsigned i = 0; i < listener->count; i++)
		close(listener->fds[i]);
	free(listener);
}
