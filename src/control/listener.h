/* SPDX-License-Identifier: MIT */
/* What the library itself needs of a listener, beyond the calls of vfiomig/session.h. */
#ifndef CONTROL_LISTENER_H
#define CONTROL_LISTENER_H

#include <vfiomig/session.h>

/* Non-blocking, listening; stays the listener's. */
int listener_fd(const struct vfiomig_listener *listener);

#endif
