/* SPDX-License-Identifier: MIT */
/* A listener is where sources come to: it outlives a session, for the next one. */
#ifndef VFIOMIG_LISTENER_H
#define VFIOMIG_LISTENER_H

#include <vfiomig/error.h>

#ifdef __cplusplus
extern "C" {
#endif

struct vfiomig_listener;

/*
 * Listen on @address, HOST:PORT or [V6]:PORT or :PORT (port 0: any free one). One port number serves control, TCP lanes
 * and rdma_cm. Or unix:PATH, for this machine's own processes of root and the caller's user (mode 0600, SO_PEERCRED):
 * control and lanes without RDMA go over that socket, which _close removes; one that nobody listens on any more is
 * replaced.
 *
 * Returns 0, and *@out is the caller's to close after all sessions that have it; or leaves it NULL and returns
 *   -EINVAL      it cannot be read, or its name cannot be resolved (VFIOMIG_USAGE)
 *   -EADDRINUSE  another program has it, -ENOMEM, and other errnos of socket, bind and listen (VFIOMIG_PREFLIGHT)
 */
int vfiomig_listener_open(struct vfiomig_listener **out, const char *address, struct vfiomig_error *err);
/*
 * The same on @fd, a TCP or UNIX stream socket that somebody else has bound and that listens (socket activation). @fd
 * is the listener's from here on, which makes it non-blocking and close-on-exec; on failure it stays the caller's. A
 * UNIX socket's path is left to whoever made it.
 *   -EINVAL  it is no such socket (VFIOMIG_USAGE); -ENOMEM and errnos of fcntl (VFIOMIG_INTERNAL)
 */
int vfiomig_listener_adopt(struct vfiomig_listener **out, int fd, struct vfiomig_error *err);
/* "ADDRESS:PORT" as bound, with the port that the kernel chose, or "unix:PATH". The listener's. */
const char *vfiomig_listener_address(const struct vfiomig_listener *listener);
/*
 * Be there at @host as well, an address of this machine without a port: for lanes of a source that names it as a rail,
 * over the same port. With a listener on all addresses it is only made sure that @host is one. Before any session uses
 * the listener.
 *   -EINVAL         it cannot be read, is no single address, or the listener is a UNIX socket (VFIOMIG_USAGE)
 *   -E2BIG          there are VFIOMIG_RAILS_MAX already (VFIOMIG_USAGE)
 *   -EADDRNOTAVAIL  this machine has no such address; -EADDRINUSE and others as of _open (VFIOMIG_PREFLIGHT)
 */
int vfiomig_listener_add_rail(struct vfiomig_listener *listener, const char *host, struct vfiomig_error *err);
/* No session may have it any more. NULL is fine. */
void vfiomig_listener_close(struct vfiomig_listener *listener);

#ifdef __cplusplus
}
#endif
#endif
