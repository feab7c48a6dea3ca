/* SPDX-License-Identifier: MIT */
/*
 * What the shell tells those who watch: events for the caller's callback, and notes for the description. Nothing is decided by any of it. A
 * part of session.h, which includes it.
 */
#ifndef SESSION_SESSION_TELL_H
#define SESSION_SESSION_TELL_H

#include "session/session.h"

/*
 * session_tell.c. Control thread: @event gets its times, its session, and its phase if it has none; nothing happens where the caller does not
 * listen. An estimate is dropped rather than let the ring run over. The caller is woken at the end of this thread's round.
 */
void session_tell(struct vfiomig_session *session, struct vfiomig_event *event);

/* What core was before a step. */
struct session_witness {
	enum core_phase phase;
	uint32_t facts;
	uint64_t lanes_lost; /* bit per lane */
	bool stopped;
};

struct session_witness session_witness(const struct vfiomig_session *session);
/*
 * Control thread, with snapshot_lock held since before that step: what it did, as events. So nobody sees what core has come to before it is
 * noted who is to be told.
 */
void session_tell_step(struct vfiomig_session *session, const struct session_witness *before,
		       const struct core_event *event, const struct core_actions *actions);
/* Any thread: the next one that the caller has not heard. */
bool session_take_told(struct vfiomig_session *session, struct vfiomig_event *event);

/* session_device.c. The device's thread: it waits for @what since @since_ns. */
void session_await(struct session_device *device, enum session_await what, uint64_t since_ns);
/* session_call.c. Any thread: when the call that it is in began; 0: it is in none, or was given up. */
uint64_t session_call_since(struct session_device *device);

#endif
