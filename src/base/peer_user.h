/* SPDX-License-Identifier: MIT */
/*
 * Whose process the other end of a UNIX socket is, by the kernel's word: a path proves nothing of who listens at it, and its mode only
 * as much as whoever may change it wants.
 */
#ifndef BASE_PEER_USER_H
#define BASE_PEER_USER_H

#include <stdbool.h>

/* Root's, or of this process's user; true of every socket that is none of UNIX. @fd: connected. */
bool peer_user_trusted(int fd);

#endif
