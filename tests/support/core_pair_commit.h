/* SPDX-License-Identifier: MIT */
/* Two joined cores (core_pair.h) whose callers commit: two programs that keep to the order of vfiomig/session.h. */
#ifndef SUPPORT_CORE_PAIR_COMMIT_H
#define SUPPORT_CORE_PAIR_COMMIT_H

#include <errno.h>

#include "support/core_pair.h"

/* Now and then one of the programs looks at its session, and at what the other one has said. */
static inline void callers_act(struct pair *pair, struct side *side)
{
	struct callers *callers = &pair->callers;
	unsigned s = side->witness.source ? SOURCE : DESTINATION;
	bool word = s == SOURCE ? callers->said_prepared : callers->said_commit;
	int may = core_may_commit(&side->core);

	if (!pair->external || !one_in(pair, 30))
		return;
	callers->gave_up[s] |= may == -ECANCELED;
	if (callers->gave_up[!s] && !may) {
		step(pair, side, &(struct core_event){ .kind = CORE_CANCEL });
		return;
	}
	if (word && (!may || may == -EAGAIN))
		step(pair, side, &(struct core_event){ .kind = CORE_COMMIT });
	if (word && !may)
		callers->committed[s] = true;
	callers->early += word && may == -EAGAIN;
	callers->said_commit = callers->committed[SOURCE];
	callers->said_prepared |= s == DESTINATION && !may;
}

#endif
