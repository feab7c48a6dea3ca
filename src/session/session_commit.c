/* SPDX-License-Identifier: MIT */
/*
 * External commit: the program around the session carries "prepared" and "commit" in a protocol of its own. Its commit is decided at once,
 * on its own thread, because what it says to the other side next depends on the answer: once it is taken, core hears of it before
 * anything else. With it, the phases, which the caller hears of in order.
 */
#include <errno.h>

#include "session/session.h"

bool session_commits_externally(const struct vfiomig_session *session)
{
	return !(session->options.flags & VFIOMIG_OWN_COMMIT);
}

bool session_holds_alone(const struct vfiomig_session *session)
{
	return session->core.external && session->core.phase == PHASE_HOLD;
}

bool session_decide(struct vfiomig_session *session, enum session_decision decision)
{
	int before = DECISION_NONE;

	return atomic_compare_exchange_strong(&session->decision, &before, (int)decision) || before == (int)decision;
}

static int judge(const struct vfiomig_session *session)
{
	int rc;

	if (!session->started)
		return session_commits_externally(session) ? -EAGAIN : -ENOTSUP;
	if (session->commit_owed)
		return -EALREADY;
	rc = core_may_commit(&session->core);
	if ((rc && rc != -EAGAIN) || atomic_load(&session->decision) != DECISION_CANCEL)
		return rc;
	return -ECANCELED; /* core has not heard it yet, or does not need to any more */
}

int vfiomig_session_commit(struct vfiomig_session *session)
{
	int rc;

	pthread_mutex_lock(&session->snapshot_lock);
	rc = judge(session);
	if (!rc && !session_decide(session, DECISION_COMMIT))
		rc = -ECANCELED;
	if (!rc) {
		session->commit_owed = true;
		atomic_store(&session->committed, true);
	}
	pthread_mutex_unlock(&session->snapshot_lock);
	if (!rc)
		session_signal(session->events.fd);
	return rc;
}

int vfiomig_session_prepared(struct vfiomig_session *session)
{
	int rc;

	pthread_mutex_lock(&session->snapshot_lock);
	rc = judge(session);
	pthread_mutex_unlock(&session->snapshot_lock);
	return rc;
}

void session_note_phase(struct vfiomig_session *session)
{
	if (session->phases_entered < PHASE_COUNT)
		session->phases[session->phases_entered++] = core_phase_name(&session->core);
	session->wake_caller = true;
}

bool session_take_prepared(struct vfiomig_session *session)
{
	bool news;

	pthread_mutex_lock(&session->snapshot_lock);
	news = !session->prepared_told && !judge(session);
	session->prepared_told |= news;
	pthread_mutex_unlock(&session->snapshot_lock);
	return news;
}

void session_tell_phases(struct vfiomig_session *session)
{
	void (*tell)(void *context, const char *phase) = session->options.phase;

	pthread_mutex_lock(&session->snapshot_lock);
	while (session->phases_told < session->phases_entered) {
		const char *name = session->phases[session->phases_told++];

		pthread_mutex_unlock(&session->snapshot_lock);
		if (tell)
			tell(session->options.context, name);
		pthread_mutex_lock(&session->snapshot_lock);
	}
	pthread_mutex_unlock(&session->snapshot_lock);
}
