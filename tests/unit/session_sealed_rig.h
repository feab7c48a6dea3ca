/* SPDX-License-Identifier: MIT */
/*
 * Both ends of a session with a key over TCP, and a destination's device that takes its state only when the test lets it: so there is
 * a moment at which the first packet is being written and all others lie in their slots.
 */
#ifndef UNIT_SESSION_SEALED_RIG_H
#define UNIT_SESSION_SEALED_RIG_H

#include <stddef.h>
#include <stdint.h>

#include <vfiomig/vfiomig.h>

enum {
	SEALED_SLOTS = 16, /* more than are loaded at once */
	SEALED_SLOT_BYTES = VFIOMIG_SLOT_BYTES_MIN,
	SEALED_STATE_BYTES = 40 * SEALED_SLOT_BYTES - 5,
	SEALED_LANES = 3,
	SEALED_LIMIT_MS = 30000,
};

/* A device that does as it is told. */
struct sealed_device {
	enum vfiomig_state state;
	int fd;
	struct vfiomig_device *handle;
};

/* One per test, which is a process of its own. */
struct sealed_rig {
	uint8_t sent[SEALED_STATE_BYTES], came[SEALED_STATE_BYTES];
	size_t came_bytes;
	struct sealed_device from, to;
	int tap; /* the other end of to.fd */
	struct vfiomig_listener *listener;
	struct vfiomig_session *source, *destination;
	struct vfiomig_result outcome; /* the destination's */
};

extern struct sealed_rig sealed;

/* @way: the destination's address in, the one that the source is told out; NULL: the same. */
void sealed_begin(enum vfiomig_payload payload, const char *(*way)(const char *address));
/* Let the device take its state, up to the end of both sessions. */
void sealed_go_on(void);
void sealed_end(void);

void sealed_assert_whole(void);
/* It ended with a protocol error of that name, and of packet @index, and what follows it, nothing was given to the device. */
void sealed_assert_refused(const char *name, unsigned index);

#endif
