/* SPDX-License-Identifier: MIT */
/*
 * What the program may do, and gives up: nothing that it starts may become more than it is, and with --user it goes on as that user
 * once all that needs more is open. A filter of system calls is left out on purpose: io_uring goes around it, what the providers of
 * libibverbs call is theirs, and --then exec must be able to do anything that its user may.
 */
#ifndef CLI_PRIVILEGES_H
#define CLI_PRIVILEGES_H

#include <vfiomig/error.h>

/* No program that this one executes gains rights: no setuid bit, no file capability. For the whole process, for ever. */
void privileges_bind(void);

/*
 * Become @user, "USER[:GROUP]" by name or number: all three user and group ids, no other groups, no capability and none to be had
 * again. Memory may still be locked: the limit on that is lifted before. Before any other thread is there. A process that is that user
 * already is left as it is. -EINVAL: no such user or group; -EPERM: it takes root (VFIOMIG_PREFLIGHT).
 */
int privileges_drop(const char *user, struct vfiomig_error *err);

#endif
