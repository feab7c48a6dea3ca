/* SPDX-License-Identifier: MIT */
/* The migration state machine of <linux/vfio.h>: which step leads from one state towards another. */
#ifndef DEVICE_ARCS_H
#define DEVICE_ARCS_H

#include <stdbool.h>
#include <stdint.h>

#include <vfiomig/device.h>

/* Does a device with these VFIOMIG_MIGRATION_* flags have @state? */
bool arcs_has_state(enum vfiomig_state state, uint32_t flags);

/*
 * The next state on the way from @from to @to, states that the device does not have passed over; @from itself if they
 * are the same. VFIOMIG_STATE_ERROR: there is no such way.
 */
enum vfiomig_state arcs_next(enum vfiomig_state from, enum vfiomig_state to, uint32_t flags);

/*
 * Walk from *@state to @target by arcs of a device with @flags. @take_arc brings the device to the next state, sets *@state, and
 * returns 0 or the errno at which the walk ends. -EINVAL (VFIOMIG_DEVICE): there is no such way.
 */
int arcs_walk(const enum vfiomig_state *state, enum vfiomig_state target, uint32_t flags,
	      int (*take_arc)(void *dev, enum vfiomig_state next, struct vfiomig_error *err), void *dev,
	      struct vfiomig_error *err);

#endif
