/* SPDX-License-Identifier: MIT */
/* What the library itself needs of a listener, beyond the calls of vfiomig/session.h. */
#ifndef CONTROL_LISTENER_H
#define CONTROL_LISTENER_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

#include <vfiomig/session.h>

enum { LISTENER_FDS_MAX = 1 + VFIOMIG_RAILS_MAX };

/* Non-blocking, listening; they stay the listener's. Returns how many there are, at least one. */
unsigned listener_fds(const struct vfiomig_listener *listener, int fds[LISTENER_FDS_MAX]);

/* In network order; 0 of a UNIX socket. */
in_port_t listener_port(const struct vfiomig_listener *listener);

/* Is @address, whatever its port, one of this machine's at which the listener takes connections? */
bool listener_covers(const struct vfiomig_listener *listener, const struct sockaddr_storage *address);

#endif
