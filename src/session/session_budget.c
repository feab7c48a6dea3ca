/* SPDX-License-Identifier: MIT */
#include "session/session.h"
#include <errno.h>

int vfiomig_session_estimate(struct vfiomig_session *session, struct vfiomig_estimate *estimate)
{
	(void)session;
	return estimate->size == sizeof(*estimate) ? -EAGAIN : -EINVAL;
}

int vfiomig_session_budget(struct vfiomig_session *session, struct vfiomig_budget *budget)
{
	(void)session;
	return budget->size == sizeof(*budget) ? -EAGAIN : -EINVAL;
}

void vfiomig_session_switchover(struct vfiomig_session *session)
{
	(void)session;
}
