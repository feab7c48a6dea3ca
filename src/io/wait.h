/* SPDX-License-Identifier: MIT */
/* The wait of this room: for a descriptor and the session's cancel_fd together. */
#ifndef IO_WAIT_H
#define IO_WAIT_H

#include <stdbool.h>

/*
 * Sleep until @fd has one of @events (or an error, which the next call on it will name) or @cancel_fd is readable. A
 * descriptor without .poll counts as ready; -1 as @fd asks for a cancel without sleeping, -1 as @cancel_fd can never
 * cancel. Returns 0, -ECANCELED (which wins if both are there), or poll(2)'s -ENOMEM or -EINVAL.
 */
int wait_ready(int fd, short events, int cancel_fd);

/* Does EAGAIN from @fd mean "wait"? On a blocking descriptor it is a failure, and to wait there would be to spin. */
bool wait_may_block(int fd);

#endif
