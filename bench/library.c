/* SPDX-License-Identifier: MIT */
/* See library.h. */
#include "library.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "key_file.h"

enum { SOURCE, DESTINATION, ENDS };

static int start(struct vfiomig_session **out, enum vfiomig_role role, struct vfiomig_device *const *devices,
		 unsigned count, const struct vfiomig_options *options, struct vfiomig_error *err)
{
	int rc = vfiomig_session_create(out, role, options, err);

	for (unsigned d = 0; !rc && d < count; d++)
		rc = vfiomig_session_add_device(*out, devices[d], err);
	return rc ? rc : vfiomig_session_start(*out, err);
}

/* A source that fails before it has connected leaves a destination that waits for it. */
static void leave_nobody_waiting(struct vfiomig_session *const ends[ENDS])
{
	struct vfiomig_result result;

	if (!vfiomig_session_result(ends[SOURCE], &result) && result.error.code != VFIOMIG_OK)
		vfiomig_session_cancel(ends[DESTINATION]);
}

static void wait_both(struct vfiomig_session *const ends[ENDS])
{
	bool over[ENDS] = { false, false };

	while (!over[SOURCE] || !over[DESTINATION]) {
		struct pollfd fds[ENDS];

		for (int i = 0; i < ENDS; i++)
			fds[i] = (struct pollfd){ .fd = over[i] ? -1 : vfiomig_session_fd(ends[i]), .events = POLLIN };
		if (poll(fds, ENDS, -1) < 0)
			continue;
		for (int i = 0; i < ENDS; i++)
			if (fds[i].revents)
				over[i] = vfiomig_session_dispatch(ends[i]) == 1;
		if (over[SOURCE] && !over[DESTINATION])
			leave_nobody_waiting(ends);
	}
}

static int check(struct vfiomig_session *session, struct vfiomig_error *err)
{
	struct vfiomig_result result;

	if (vfiomig_session_result(session, &result))
		return -EBUSY;
	if (result.error.code == VFIOMIG_OK)
		return 0;
	*err = result.error;
	return -EIO;
}

static int look(struct vfiomig_session *const ends[ENDS], struct library_outcome *outcome)
{
	struct vfiomig_stats stats = { .size = sizeof(stats) };
	int rc = vfiomig_session_stats(ends[DESTINATION], &stats);

	snprintf(outcome->loader, sizeof(outcome->loader), "%s", stats.loader ? stats.loader : "");
	if (!rc)
		rc = vfiomig_session_stats(ends[SOURCE], &stats);
	if (rc)
		return rc;
	snprintf(outcome->transport, sizeof(outcome->transport), "%s", stats.transport);
	outcome->downtime_us = stats.downtime_us;
	outcome->bytes = stats.bytes;
	outcome->budget.size = sizeof(outcome->budget);
	outcome->has_budget = !vfiomig_session_budget(ends[SOURCE], &outcome->budget);
	return 0;
}

static void translate(const struct library_options *options, struct vfiomig_options *session)
{
	*session = (struct vfiomig_options){
		.size = sizeof(*session),
		.transport = options->transport,
		.loader = options->loader,
		.integrity = options->integrity,
		.payload = options->sealed ? VFIOMIG_PAYLOAD_AEAD : VFIOMIG_PAYLOAD_AUTO,
		.gate = options->gate ? VFIOMIG_GATE_ON : VFIOMIG_GATE_OFF,
		.lanes = options->lanes,
		.slots = options->slots,
		.slot_bytes = options->slot_bytes,
		.peer_timeout_ms = options->peer_timeout_ms,
		.flags = VFIOMIG_OWN_COMMIT | VFIOMIG_NO_PLATFORM |
			 (options->serial_states ? (unsigned)VFIOMIG_SERIAL_STATES : 0),
	};
}

int library_migrate(struct vfiomig_device *const *from, struct vfiomig_device *const *to, unsigned devices,
		    const struct library_options *options, struct library_outcome *outcome, struct vfiomig_error *err)
{
	struct vfiomig_session *ends[ENDS] = { NULL, NULL };
	struct vfiomig_listener *listener;
	struct vfiomig_options session;
	char address[256], key[KEY_FILE_PATH_BYTES] = "";
	int rc;

	translate(options, &session);
	snprintf(address, sizeof(address), "%s:0", options->address);
	rc = vfiomig_listener_open(&listener, address, err);
	if (rc)
		return rc;
	if (options->sealed)
		rc = key_file_make(key, err);
	session.psk_file = options->sealed ? key : NULL;
	session.listener = listener;
	if (!rc)
		rc = start(&ends[DESTINATION], VFIOMIG_DESTINATION, to, devices, &session, err);
	session.listener = NULL;
	session.peer = vfiomig_listener_address(listener);
	if (!rc)
		rc = start(&ends[SOURCE], VFIOMIG_SOURCE, from, devices, &session, err);
	if (key[0])
		unlink(key); /* it was read */
	if (!rc) {
		wait_both(ends);
		rc = check(ends[SOURCE], err);
	}
	if (!rc)
		rc = check(ends[DESTINATION], err);
	if (!rc)
		rc = look(ends, outcome);
	vfiomig_session_close(ends[SOURCE]);
	vfiomig_session_close(ends[DESTINATION]);
	vfiomig_listener_close(listener);
	return rc;
}
