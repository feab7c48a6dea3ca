/* SPDX-License-Identifier: MIT */
/*
 * The arcs that <linux/vfio.h> describes, in one table: a device and whoever drives it must agree on the way between
 * two states, because a failed transition may leave the device anywhere on it.
 */
#include "device/arcs.h"

#include <errno.h>

#include "base/error.h"

enum {
	NO = 0,
	STOP = VFIOMIG_STATE_STOP,
	RUN = VFIOMIG_STATE_RUNNING,
	SAVE = VFIOMIG_STATE_STOP_COPY,
	LOAD = VFIOMIG_STATE_RESUMING,
	RUNP = VFIOMIG_STATE_RUNNING_P2P,
	PRE = VFIOMIG_STATE_PRE_COPY,
	PREP = VFIOMIG_STATE_PRE_COPY_P2P,
};

/*
 * The first step from the row's state towards the column's, by the shortest path. NO means "no way": nothing leads into or
 * out of ERROR, and a stream that is in STOP_COPY cannot go back to PRE_COPY.
 */
/* clang-format off */
static const uint8_t steps[VFIOMIG_STATE_COUNT][VFIOMIG_STATE_COUNT] = {
	/* to:     ERROR STOP  RUN   SAVE  LOAD  RUNP  PRE   PREP */
	[STOP] = { NO,   STOP, RUNP, SAVE, LOAD, RUNP, RUNP, RUNP },
	[RUN]  = { NO,   RUNP, RUN,  RUNP, RUNP, RUNP, PRE,  RUNP },
	[SAVE] = { NO,   STOP, STOP, SAVE, STOP, STOP, NO,   NO   },
	[LOAD] = { NO,   STOP, STOP, STOP, LOAD, STOP, STOP, STOP },
	[RUNP] = { NO,   STOP, RUN,  STOP, STOP, RUNP, RUN,  PREP },
	[PRE]  = { NO,   RUN,  RUN,  PREP, RUN,  RUN,  PRE,  PREP },
	[PREP] = { NO,   RUNP, RUNP, SAVE, RUNP, RUNP, PRE,  PREP },
};
/* clang-format on */

static const struct {
	const char *name;
	uint32_t flags; /* that a device needs to have it */
} states[VFIOMIG_STATE_COUNT] = {
	[NO] = { "ERROR", 0 },
	[STOP] = { "STOP", VFIOMIG_MIGRATION_STOP_COPY },
	[RUN] = { "RUNNING", 0 },
	[SAVE] = { "STOP_COPY", VFIOMIG_MIGRATION_STOP_COPY },
	[LOAD] = { "RESUMING", VFIOMIG_MIGRATION_STOP_COPY },
	[RUNP] = { "RUNNING_P2P", VFIOMIG_MIGRATION_STOP_COPY | VFIOMIG_MIGRATION_P2P },
	[PRE] = { "PRE_COPY", VFIOMIG_MIGRATION_STOP_COPY | VFIOMIG_MIGRATION_PRE_COPY },
	[PREP] = { "PRE_COPY_P2P", VFIOMIG_MIGRATION_STOP_COPY | VFIOMIG_MIGRATION_P2P | VFIOMIG_MIGRATION_PRE_COPY },
};

static bool is_state(enum vfiomig_state state)
{
	return (unsigned)state < VFIOMIG_STATE_COUNT;
}

const char *vfiomig_state_name(enum vfiomig_state state)
{
	return is_state(state) ? states[state].name : "?";
}

bool arcs_has_state(enum vfiomig_state state, uint32_t flags)
{
	return is_state(state) && (states[state].flags & flags) == states[state].flags;
}

enum vfiomig_state arcs_next(enum vfiomig_state from, enum vfiomig_state to, uint32_t flags)
{
	enum vfiomig_state next;

	if (!arcs_has_state(from, flags) || !arcs_has_state(to, flags))
		return VFIOMIG_STATE_ERROR;
	next = (enum vfiomig_state)steps[from][to];
	while (next != VFIOMIG_STATE_ERROR && !arcs_has_state(next, flags))
		next = (enum vfiomig_state)steps[next][to];
	return next;
}

int arcs_walk(const enum vfiomig_state *state, enum vfiomig_state target, uint32_t flags,
	      int (*take_arc)(void *dev, enum vfiomig_state next, struct vfiomig_error *err), void *dev,
	      struct vfiomig_error *err)
{
	if (arcs_next(*state, target, flags) == VFIOMIG_STATE_ERROR)
		return error_set(err, VFIOMIG_DEVICE, EINVAL, "set-state", "there is no way from %s to %s",
				 vfiomig_state_name(*state), vfiomig_state_name(target));
	while (*state != target) {
		int rc = take_arc(dev, arcs_next(*state, target, flags), err);

		if (rc)
			return rc;
	}
	return 0;
}
