/* SPDX-License-Identifier: MIT */
/*
 * Takes connections from the listener and finds out what each is for: nothing but 8 bytes of preface are read here, with a
 * deadline, and never waiting. A few half-open strangers are borne; beyond that the oldest goes, so that no one who only
 * connects can keep the port. Of one thread.
 */
#ifndef CONTROL_ACCEPT_H
#define CONTROL_ACCEPT_H

#include <stdint.h>

#include <vfiomig/session.h>

enum { ACCEPT_PENDING_MAX = 2 * VFIOMIG_LANES_MAX };

struct control_accept;

struct control_guest {
	uint16_t kind; /* enum preface_kind of wire/hello.h, not BUSY; nothing else comes out */
	int fd;	       /* non-blocking, its preface consumed; the caller's */
};

/*
 * @listener stays the caller's and outlives it. Whoever has not sent a preface within @preface_ms is dropped.
 * -ENOMEM (VFIOMIG_INTERNAL), or an errno of epoll (VFIOMIG_FABRIC); *@out is NULL then.
 */
int control_accept_open(struct control_accept **out, const struct vfiomig_listener *listener, unsigned preface_ms,
			struct vfiomig_error *err);

/* Readable when there is something to poll. Stays the accept's. */
int control_accept_fd(const struct control_accept *accept);

/* 1: @guest is filled in, ask again; 0: nobody now. Never waits. @now_ns: CLOCK_MONOTONIC. */
int control_accept_poll(struct control_accept *accept, uint64_t now_ns, struct control_guest *guest);

/* When it must be polled at the latest; UINT64_MAX: no need. */
uint64_t control_accept_deadline_ns(const struct control_accept *accept);

/* How many have come by a UNIX socket so far that are neither root nor this process's user, and were sent away at once. */
unsigned control_accept_refused(const struct control_accept *accept);

/* Drops everybody who waits. NULL is fine. */
void control_accept_close(struct control_accept *accept);

#endif
