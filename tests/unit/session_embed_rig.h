/* SPDX-License-Identifier: MIT */
/* A program around two sessions of its own, over loopback, by the public headers alone. */
#ifndef UNIT_SESSION_EMBED_RIG_H
#define UNIT_SESSION_EMBED_RIG_H

#include <criterion/criterion.h>

#include <errno.h>
#include <poll.h>
#include <string.h>

#include <vfiomig/vfiomig.h>

enum { LIMIT_MS = 60000, SIDES = 2 };

static struct vfiomig_session *session[SIDES]; /* source, destination */
static struct vfiomig_device *device[SIDES];
static struct vfiomig_listener *listener;
static struct vfiomig_options options[SIDES];
static struct vfiomig_error err;

static inline void on_prepared(void *context)
{
	(void)context;
	/* In the order that the header asks for, as both are in one program. */
	if (!vfiomig_session_prepared(session[0]) && !vfiomig_session_prepared(session[1]) &&
	    !vfiomig_session_commit(session[0]))
		vfiomig_session_commit(session[1]);
}

static inline void prepare(const char *from, const char *to)
{
	cr_assert_eq(vfiomig_listener_open(&listener, "127.0.0.1:0", &err), 0, "%s", err.text);
	for (unsigned i = 0; i < SIDES; i++)
		options[i] = (struct vfiomig_options){ .size = sizeof(options[i]),
						       .peer = i ? NULL : vfiomig_listener_address(listener),
						       .listener = i ? listener : NULL,
						       .transport = VFIOMIG_TRANSPORT_TCP,
						       .lanes = 2,
						       .slots = 4,
						       .slot_bytes = VFIOMIG_SLOT_BYTES_MIN,
						       .peer_timeout_ms = LIMIT_MS,
						       .flags = VFIOMIG_NO_PLATFORM,
						       .prepared = on_prepared };
	cr_assert_eq(vfiomig_device_open(&device[0], from, &err), 0, "%s", err.text);
	cr_assert_eq(vfiomig_device_open(&device[1], to, &err), 0, "%s", err.text);
}

static inline void create(unsigned i)
{
	cr_assert_eq(vfiomig_session_create(&session[i], i ? VFIOMIG_DESTINATION : VFIOMIG_SOURCE, &options[i], &err),
		     0, "%s", err.text);
	cr_assert_eq(vfiomig_session_add_device(session[i], device[i], &err), 0, "%s", err.text);
}

static inline void begin(void)
{
	for (unsigned i = SIDES; i-- > 0;) {
		create(i);
		cr_assert_eq(vfiomig_session_start(session[i], &err), 0, "%s", err.text);
	}
}

static inline void dispatch_to_the_end(void)
{
	bool over[SIDES] = { false };

	while (!over[0] || !over[1]) {
		struct pollfd fds[SIDES];

		for (unsigned i = 0; i < SIDES; i++)
			fds[i] = (struct pollfd){ over[i] ? -1 : vfiomig_session_fd(session[i]), POLLIN, 0 };
		cr_assert_gt(poll(fds, SIDES, LIMIT_MS), 0, "nothing happens any more");
		for (unsigned i = 0; i < SIDES; i++)
			over[i] = over[i] || vfiomig_session_dispatch(session[i]);
	}
}

static inline void assert_result(unsigned i, enum vfiomig_code code, const char *source, const char *destination)
{
	struct vfiomig_result result;

	cr_assert_eq(vfiomig_session_result(session[i], &result), 0);
	cr_assert_eq(result.error.code, code, "%s", result.error.text);
	cr_assert_str_eq(result.source_state, source);
	cr_assert_str_eq(result.destination_state, destination);
}

static inline void end(void)
{
	for (unsigned i = 0; i < SIDES; i++) {
		vfiomig_session_close(session[i]);
		vfiomig_device_close(device[i]);
	}
	vfiomig_listener_close(listener);
}

static inline bool both_are_prepared(void)
{
	return !vfiomig_session_prepared(session[0]) && !vfiomig_session_prepared(session[1]);
}

#endif
