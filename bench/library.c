/* SPDX-License-Identifier: MIT */
/* See library.h. */
#include "library.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>

struct library_end {
	struct vfiomig_device *device;
	struct vfiomig_session *session;
};

static int end_start(struct library_end *end, enum vfiomig_role role, struct memory_device *memory,
		     const struct vfiomig_options *options, struct vfiomig_error *err)
{
	int rc;

	memory->state = VFIOMIG_STATE_RUNNING;
	rc = vfiomig_device_wrap(&end->device, &memory_device_ops, memory, NULL, VFIOMIG_GATE_AUTO, err);
	if (!rc)
		rc = vfiomig_session_create(&end->session, role, options, err);
	if (!rc)
		rc = vfiomig_session_add_device(end->session, end->device, err);
	return rc ? rc : vfiomig_session_start(end->session, err);
}

static void end_close(struct library_end *end)
{
	vfiomig_session_close(end->session);
	vfiomig_device_close(end->device);
}

static void wait_both(struct library_end ends[2])
{
	bool over[2] = { false, false };

	while (!over[0] || !over[1]) {
		struct pollfd fds[2];

		for (int i = 0; i < 2; i++)
			fds[i] = (struct pollfd){ .fd = over[i] ? -1 : vfiomig_session_fd(ends[i].session),
						  .events = POLLIN };
		if (poll(fds, 2, -1) < 0)
			continue;
		for (int i = 0; i < 2; i++)
			if (fds[i].revents)
				over[i] = vfiomig_session_dispatch(ends[i].session) == 1;
	}
}

static int check(const struct library_end *end, struct vfiomig_error *err)
{
	struct vfiomig_result result;

	if (vfiomig_session_result(end->session, &result))
		return -EBUSY;
	if (result.error.code == VFIOMIG_OK)
		return 0;
	*err = result.error;
	return -EIO;
}

static int migrate(struct library_end ends[2], struct memory_device *from, struct memory_device *to,
		   struct vfiomig_options *session, struct vfiomig_listener *listener, struct vfiomig_error *err)
{
	int rc;

	session->listener = listener;
	rc = end_start(&ends[1], VFIOMIG_DESTINATION, to, session, err);
	if (rc)
		return rc;
	session->listener = NULL;
	session->peer = vfiomig_listener_address(listener);
	rc = end_start(&ends[0], VFIOMIG_SOURCE, from, session, err);
	if (rc)
		return rc;
	wait_both(ends);
	rc = check(&ends[0], err);
	return rc ? rc : check(&ends[1], err);
}

int library_copy(struct memory_device *from, struct memory_device *to, const struct library_options *options,
		 enum vfiomig_integrity integrity, struct moment *cost, struct vfiomig_error *err)
{
	struct vfiomig_options session = {
		.size = sizeof(session),
		.transport = VFIOMIG_TRANSPORT_TCP,
		.loader = options->loader,
		.integrity = integrity,
		.gate = VFIOMIG_GATE_OFF,
		.lanes = options->lanes,
		.slots = options->slots,
		.slot_bytes = options->slot_bytes,
		.flags = VFIOMIG_NO_PLATFORM,
	};
	struct library_end ends[2] = { 0 };
	struct vfiomig_listener *listener;
	int rc = vfiomig_listener_open(&listener, "127.0.0.1:0", err);

	if (rc)
		return rc;
	rc = migrate(ends, from, to, &session, listener, err);
	*cost = moment_since(from->started, to->loaded);
	end_close(&ends[0]);
	end_close(&ends[1]);
	vfiomig_listener_close(listener);
	return rc;
}
