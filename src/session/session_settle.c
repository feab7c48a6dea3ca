/* SPDX-License-Identifier: MIT */
/*
 * A source that ended in doubt and still holds its devices obeys the decision in its record. Its control thread has ended, so the
 * caller's takes its place: the devices' own threads are asked, as ever. The caller's thread.
 */
#include <errno.h>
#include <poll.h>

#include "base/clock.h"
#include "base/error.h"
#include "session/session.h"

enum { WATCH_MS = 20 }; /* how often the calls are looked at */

static bool in_doubt(struct vfiomig_session *session)
{
	bool doubt;

	pthread_mutex_lock(&session->snapshot_lock);
	doubt = session->ended && session->journal && session->role == VFIOMIG_SOURCE &&
		session->core.outcome.code == VFIOMIG_IN_DOUBT;
	pthread_mutex_unlock(&session->snapshot_lock);
	return doubt;
}

struct resumption {
	bool left[VFIOMIG_DEVICES_MAX];
	unsigned count;
	struct vfiomig_error *failed; /* the first that failed */
};

static void ended(struct resumption *resumption, unsigned d, const struct vfiomig_error *error)
{
	resumption->left[d] = false;
	resumption->count--;
	if (error->code != VFIOMIG_OK && resumption->failed->code == VFIOMIG_OK)
		*resumption->failed = *error;
}

static void hear(struct vfiomig_session *session, struct resumption *resumption)
{
	struct pollfd fd = { session->events.fd, POLLIN, 0 };
	struct session_event event;

	poll(&fd, 1, WATCH_MS);
	session_drain(session->events.fd);
	while (session_take_event(session, &event))
		if (event.event.kind == CORE_DEVICE_DONE && event.event.request == REQUEST_RESUME)
			ended(resumption, event.event.device, &event.error);
}

/* All at once; with the same deadline as ever. */
static void resume(struct vfiomig_session *session, struct vfiomig_error *failed)
{
	struct resumption resumption = { .count = session->devices, .failed = failed };
	uint64_t began = clock_now_ns();

	for (unsigned d = 0; d < session->devices; d++) {
		resumption.left[d] = true;
		session_ask_device(session_device_of(session, d), REQUEST_RESUME);
	}
	while (resumption.count) {
		hear(session, &resumption);
		for (unsigned d = 0; d < session->devices; d++) {
			struct vfiomig_error stuck = { 0 };

			if (resumption.left[d] &&
			    session_call_expired(session_device_of(session, d), REQUEST_RESUME, began, &stuck))
				ended(&resumption, d, &stuck);
		}
	}
}

static void settle(struct vfiomig_session *session, bool resumes, const struct vfiomig_error *decision,
		   struct vfiomig_result *result)
{
	struct vfiomig_error failed = { 0 };

	*result = (struct vfiomig_result){ 0 };
	if (resumes)
		resume(session, &failed);
	if (failed.code != VFIOMIG_OK) {
		failed.code = VFIOMIG_SOURCE_STUCK;
		result->error = failed;
	} else if (resumes) {
		result->error = *decision;
	}
	pthread_mutex_lock(&session->snapshot_lock);
	session->core.outcome = result->error;
	session->core.phase = resumes ? PHASE_FAILED : PHASE_DONE;
	session->core.peer_knows = true; /* whoever decided vouches for the other side */
	core_result(&session->core, result);
	pthread_mutex_unlock(&session->snapshot_lock);
	if (resumes)
		session_journal_forget(session);
	else
		session->journal->state = VFIOMIG_JOURNAL_RETIRED; /* as the record says, and stays until the end */
}

int vfiomig_session_settle(struct vfiomig_session *session, struct vfiomig_result *result)
{
	struct vfiomig_error decision = { 0 };
	struct vfiomig_journal journal;

	if (!in_doubt(session))
		return -EINVAL;
	if (journal_file_read(session->journal_fd, session->id, VFIOMIG_SOURCE, &journal))
		return -EAGAIN;
	if (journal.state != VFIOMIG_JOURNAL_ABORTED && journal.state != VFIOMIG_JOURNAL_RETIRED)
		return -EAGAIN;
	error_set(&decision, VFIOMIG_CANCELLED, ECANCELED, "resolved",
		  "it was decided that the source goes on: its devices run again");
	settle(session, journal.state == VFIOMIG_JOURNAL_ABORTED, &decision, result);
	return 0;
}

/* Once, whoever else asks at the same time. */
static bool begin_taking_back(struct vfiomig_session *session)
{
	const struct core *core = &session->core;
	bool may;

	pthread_mutex_lock(&session->snapshot_lock);
	may = session->ended && core->external && core->role == VFIOMIG_SOURCE && core->overtaken &&
	      (core->outcome.code == VFIOMIG_IN_DOUBT || (core->outcome.code == VFIOMIG_OK && core->alone)) &&
	      !session->taken_back;
	session->taken_back |= may;
	pthread_mutex_unlock(&session->snapshot_lock);
	return may;
}

int vfiomig_session_take_back(struct vfiomig_session *session, struct vfiomig_result *result)
{
	struct vfiomig_error decision = { 0 };

	if (!begin_taking_back(session))
		return -EINVAL;
	error_set(&decision, VFIOMIG_CANCELLED, ECANCELED, "taken-back",
		  "the source was taken back after its commit: its devices run again");
	settle(session, true, &decision, result);
	return 0;
}
