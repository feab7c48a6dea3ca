/* SPDX-License-Identifier: MIT */
/* The source's first step towards its peer; how it ends, control_poll tells. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "control/address.h"
#include "control/conn.h"

int control_connect_start(const struct sockaddr_storage *peer, const struct sockaddr_storage *local,
			  struct vfiomig_error *err)
{
	char text[ADDRESS_TEXT_BYTES];
	int errnum = 0;
	int fd = socket(peer->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return error_set(err, VFIOMIG_FABRIC, errno, "connect", "no socket for %s: %s",
				 address_format(peer, text), strerror(errno));
	if (local && local->ss_family != AF_UNSPEC && bind(fd, (const struct sockaddr *)local, address_bytes(local))) {
		errnum = errno;
		error_set(err, VFIOMIG_FABRIC, errnum, "bind", "cannot connect from %s: %s",
			  address_format(local, text), strerror(errnum));
	} else if (connect(fd, (const struct sockaddr *)peer, address_bytes(peer)) && errno != EINPROGRESS) {
		errnum = errno;
		error_set(err, VFIOMIG_FABRIC, errnum, "connect", "cannot connect to %s: %s",
			  address_format(peer, text), strerror(errnum));
	}
	if (errnum == 0)
		return fd;
	close(fd);
	return -errnum;
}
