/* SPDX-License-Identifier: MIT */
/* The caller's commit in a witness's eyes (core_witness.h): what it is answered at each moment, and what an answer binds. */
#ifndef SUPPORT_CORE_WITNESS_COMMIT_H
#define SUPPORT_CORE_WITNESS_COMMIT_H

#include <errno.h>

#include "support/core_witness_device.h"

static inline bool witness_goes_back(const struct witness *witness)
{
	return (witness->debts | witness->debts_paid) & DEBT_FENCE;
}

/* By what came and went. */
static inline bool witness_prepared(const struct witness *witness)
{
	uint8_t all = (uint8_t)((1u << witness->devices) - 1);

	if (!witness->source)
		return witness->sent >> MESSAGE_PREPARED & 1;
	return witness->prepared_came && witness_all(witness, witness->succeeded, REQUEST_STOP, all);
}

/* A destination that runs shows its source that the callers have committed. */
static inline bool witness_bound(const struct witness *witness)
{
	bool proven = witness->source && witness->done_came && witness->prepared_came;

	return (witness->commit_came || proven) && !witness_goes_back(witness);
}

/* What the caller's commit has to be answered now. */
static inline int witness_answer(const struct witness *witness)
{
	if (!witness->external)
		return -ENOTSUP;
	if (witness_bound(witness))
		return -EALREADY;
	if (witness_goes_back(witness) || witness->finished)
		return -ECANCELED;
	return witness_prepared(witness) ? 0 : -EAGAIN;
}

/* @before: the witness before @event; NULL, or the rule that was broken by what followed from it. */
static inline const char *witness_commit(const struct witness *before, const struct witness *after,
					 const struct core_event *event, const struct core_actions *actions)
{
	bool held = witness_answer(before) == 0, gone_back = !witness_goes_back(before) && witness_goes_back(after);
	bool in_time = !(after->limited && after->overrun);

	if (event->kind == CORE_COMMIT && !held && actions->count)
		return "a commit that is refused does something";
	if (!before->external || !gone_back)
		return NULL;
	if (held && (event->kind == CORE_LOST || event->kind == CORE_COMMIT || (event->kind == CORE_TICK && in_time)))
		return "what is prepared is given up by a loss, a silence, by time or at its commit";
	if (!witness_bound(before))
		return NULL;
	if (before->source)
		return "a source goes back from its caller's commit";
	return after->run_failed ? NULL : "a destination goes back from its caller's commit though none has failed";
}

/* A source that has ended, its caller having committed or not. */
static inline const char *witness_retired(const struct witness *witness, const struct core *core)
{
	struct vfiomig_result result;
	bool told;

	if (!witness->external || !witness->source)
		return NULL;
	if (core->outcome.code == VFIOMIG_IN_DOUBT)
		return witness->commit_came && witness->abort_came ? NULL : "stopped without a commit and an ABORT";
	if (core->phase != PHASE_DONE)
		return NULL;
	core_result(core, &result);
	told = strcmp(result.destination_state, "unknown") != 0;
	return (told ? witness->done_came : witness->commit_came) ? NULL : "retired without a commit or an answer";
}

#endif
