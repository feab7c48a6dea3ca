/* SPDX-License-Identifier: MIT */
/* poll(2) and not epoll, because epoll refuses descriptors without .poll, as many data_fds are. */
#include "io/wait.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>

int wait_ready(int fd, short events, int cancel_fd)
{
	struct pollfd fds[] = { { .fd = fd, .events = events }, { .fd = cancel_fd, .events = POLLIN } };
	int rc;

	do
		rc = poll(fds, 2, fd < 0 ? 0 : -1);
	while (rc < 0 && errno == EINTR);
	if (rc < 0)
		return -errno;
	return fds[1].revents ? -ECANCELED : 0;
}

bool wait_may_block(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags >= 0 && flags & O_NONBLOCK;
}
