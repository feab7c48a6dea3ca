/* SPDX-License-Identifier: MIT */
/*
 * The yank: whoever calls it may hold any lock, or be a signal handler that has interrupted whoever holds one. So it only stores, shuts
 * the control connection down and wakes the fabric thread, whose the lanes are. Who closes the descriptor waits for it, not the other
 * way round: a yank is two system calls long.
 */
#include <errno.h>
#include <sched.h>
#include <sys/socket.h>

#include "session/session.h"

void vfiomig_session_yank(struct vfiomig_session *session)
{
	const int before = errno;
	int fd;

	atomic_store(&session->yanked, true);
	atomic_fetch_add(&session->yankers, 1);
	fd = atomic_load(&session->yank_fd);
	if (fd >= 0)
		shutdown(fd, SHUT_RDWR);
	atomic_fetch_sub(&session->yankers, 1);
	errno = before;
	session_ask_fabric(session, FABRIC_YANK);
}

void session_let_yank(struct vfiomig_session *session)
{
	int fd = control_fd(session->conn);

	atomic_store(&session->yank_fd, fd);
	if (atomic_load(&session->yanked)) /* it came before there was anything to cut */
		shutdown(fd, SHUT_RDWR);
}

void session_end_yank(struct vfiomig_session *session)
{
	atomic_store(&session->yank_fd, -1);
	while (atomic_load(&session->yankers))
		sched_yield();
}

void session_yank_lanes(struct vfiomig_session *session)
{
	for (unsigned lane = 0; session->lanes_up && lane < session->plan.lanes; lane++)
		session->fabric->ops->lose(session->fabric, lane);
}
