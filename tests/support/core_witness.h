/* SPDX-License-Identifier: MIT */
/*
 * A witness of one core: it sees each event that goes in and each action that comes out, believes nothing else, and says
 * which rule of the migration was broken. Plain numbers without padding, so that it can be part of a state's key.
 */
#ifndef SUPPORT_CORE_WITNESS_H
#define SUPPORT_CORE_WITNESS_H

#include <stdint.h>
#include <string.h>

#include "support/core_witness_commit.h"
#include "support/core_witness_device.h"

static inline void witness_hear(struct witness *witness, const struct core_event *event)
{
	unsigned d = event->device;

	switch (event->kind) {
	case CORE_FACT:
		witness->control_up |= event->fact == FACT_CONTROL_UP;
		witness->platform_ready |= event->fact == FACT_PLATFORM_READY;
		for (unsigned debt = DEBT_PROBE; debt <= DEBT_FENCE; debt <<= 1)
			if (witness_fact(debt) == event->fact && witness->debts & debt) {
				witness->debts &= (uint8_t)~debt;
				witness->debts_paid |= (uint8_t)debt;
			}
		break;
	case CORE_MESSAGE:
		witness->commit_came |= event->message == MESSAGE_COMMIT && !witness->external;
		witness->prepared_came |= event->message == MESSAGE_PREPARED;
		witness->done_came |= event->message == MESSAGE_DONE;
		break;
	case CORE_STREAM_END:
		if (d < witness->devices)
			witness->ends_came |= (uint8_t)(1 << d);
		break;
	case CORE_TOKEN:
		witness->token_came = 1;
		break;
	case CORE_DEVICE_DONE:
		witness->busy[d] = REQUEST_NONE;
		witness->answered[d] |= (uint16_t)(1 << event->request);
		if (!event->error || event->error->code == VFIOMIG_OK)
			witness->succeeded[d] |= (uint16_t)(1 << event->request);
		else
			witness->run_failed |= event->request == REQUEST_RUN_P2P || event->request == REQUEST_RUN;
		break;
	case CORE_DEVICE_STUCK:
		witness->may_run |= witness->busy[d] == REQUEST_RUN_P2P || witness->busy[d] == REQUEST_RUN;
		witness->answered[d] |= (uint16_t)(1 << witness->busy[d]);
		witness->busy[d] = REQUEST_NONE;
		witness->stuck |= (uint8_t)(1 << d);
		break;
	case CORE_LOST:
		witness->lost = 1;
		break;
	case CORE_ABORT:
		witness->abort_came = 1;
		break;
	case CORE_UNWRITTEN:
		witness->debts &= (uint8_t) ~(DEBT_PREPARED | DEBT_COMMITTED);
		break;
	case CORE_COMMIT:
		witness->commit_came |= witness_answer(witness) == 0;
		break;
	case CORE_START:
	case CORE_FAILED:
	case CORE_LANE_LOST:
	case CORE_LANE_FENCED:
	case CORE_CANCEL:
	case CORE_TICK:
		break;
	}
}

/* Destination: what could still be run must be in its grave before anything says so, or is done on the strength of it. */
static inline bool witness_unburied(const struct witness *witness)
{
	return !witness->source && !witness->external && (witness->debts | witness->debts_paid) & DEBT_PREPARED &&
	       !witness->tombstone;
}

static inline const char *witness_send(struct witness *witness, const struct core_action *action)
{
	unsigned bit = 1u << action->message, all = (1u << witness->devices) - 1;
	unsigned due = witness->external ? DEBT_RELEASE : DEBT_PREPARED | DEBT_RELEASE;

	if (!witness->control_up || witness->lost)
		return "sends without a connection";
	if (witness->source ? action->message == MESSAGE_AGREED || action->message == MESSAGE_READY ||
				      action->message == MESSAGE_LANES_READY || action->message == MESSAGE_PREPARED ||
				      action->message == MESSAGE_DONE
			    : action->message == MESSAGE_OFFER || action->message == MESSAGE_DEVICE ||
				      action->message == MESSAGE_SWITCHOVER || action->message == MESSAGE_STREAM_END ||
				      action->message == MESSAGE_COMMIT)
		return "sends a message of the other side";
	if (action->message == MESSAGE_FENCE || action->message == MESSAGE_FENCED ||
	    action->message == MESSAGE_LANE_LOST)
		return witness->source == (action->message == MESSAGE_FENCE) ? NULL
									     : "speaks for the other side's lane";
	if (action->message == MESSAGE_STREAM_END) {
		if (witness->ends_sent >> action->device & 1 ||
		    !(witness->succeeded[action->device] >> REQUEST_READ & 1))
			return "STREAM_END twice, or of a stream that is not read";
		witness->ends_sent |= (uint8_t)(1 << action->device);
		return NULL;
	}
	if (action->message == MESSAGE_HEARTBEAT || action->message == MESSAGE_DEVICE)
		return NULL;
	if (witness->sent & bit)
		return "sends a message twice";
	witness->sent |= (uint16_t)bit;
	if (action->message == MESSAGE_COMMIT && witness->external)
		return "COMMIT where it is the caller's";
	if (action->message == MESSAGE_COMMIT && witness->overrun)
		return "COMMIT after the downtime limit";
	if (witness->purpose == CORE_PROBE && action->message == MESSAGE_SWITCHOVER)
		return "SWITCHOVER of a probe";
	if (action->message == MESSAGE_COMMIT && witness->purpose != CORE_MIGRATE)
		return "COMMIT of a probe or a recording";
	if ((action->message == MESSAGE_COMMIT || action->message == MESSAGE_PREPARED) && witness->stuck)
		return "COMMIT or PREPARED with a device that is stuck";
	if (action->message == MESSAGE_COMMIT && !(witness->prepared_came && witness->debts_paid & DEBT_COMMITTED))
		return "COMMIT before PREPARED and its record";
	if (action->message == MESSAGE_PREPARED &&
	    !((witness->debts_paid & due) == due &&
	      witness_all(witness, witness->succeeded, REQUEST_FINISH, (uint8_t)all)))
		return "PREPARED before it is true";
	if (action->message == MESSAGE_DONE && !witness_ran(witness))
		return "DONE, but nothing ran";
	if (action->message == MESSAGE_ABORT && !witness->source && witness_ran(witness))
		return "ABORT from a destination that ran";
	if (action->message == MESSAGE_ABORT && witness_unburied(witness))
		return "ABORT before the tombstone";
	return NULL;
}

static inline const char *witness_debt(struct witness *witness, unsigned debt)
{
	if ((witness->debts | witness->debts_paid) & debt)
		return "something is asked of the shell twice";
	witness->debts |= (uint8_t)debt;
	return NULL;
}

/* Nobody knows what a stuck device does: whoever has one claims neither that it runs nor that it was reset. */
static inline const char *witness_stuck(const struct witness *witness, const struct core *core)
{
	struct vfiomig_result result;

	if (!witness->stuck)
		return NULL;
	if (witness->external && witness->source && witness->done_came && core->phase == PHASE_DONE)
		return NULL; /* it was the destination's by then */
	core_result(core, &result);
	if (core->phase == PHASE_DONE)
		return !witness->source && result.error.code == VFIOMIG_DEGRADED ? NULL
										 : "all is well with a stuck device";
	if (strcmp(witness->source ? result.source_state : result.destination_state, "stuck") != 0)
		return "a side with a stuck device does not say so";
	return witness->source && result.error.code != VFIOMIG_SOURCE_STUCK
		       ? "a source with a stuck device says that it runs"
		       : NULL;
}

static inline const char *witness_journal(struct witness *witness, enum core_fact fact)
{
	if (witness->external)
		return "a record where the caller's protocol is the record";
	if (fact == FACT_ABORTED)
		return witness->source || witness->tombstone++ || witness_ran(witness)
			       ? "a tombstone twice, of a source, or of what ran"
			       : NULL;
	if (fact == FACT_RUNNING)
		return witness->source || witness->recorded_running++ || !witness_ran(witness)
			       ? "RUNNING twice, of a source, or of what never ran"
			       : NULL;
	if (fact == FACT_COMMITTED && witness->purpose != CORE_MIGRATE)
		return "a probe or a recording is committed";
	return witness_debt(witness, fact == FACT_PREPARED ? DEBT_PREPARED : DEBT_COMMITTED);
}

static inline const char *witness_finish(struct witness *witness, const struct core *core)
{
	enum vfiomig_code code = core->outcome.code;
	bool stays = core->phase == PHASE_DONE || code == VFIOMIG_IN_DOUBT;

	if (witness->finished++)
		return "FINISH twice";
	if (!witness_idle(witness))
		return "FINISH while a device is busy";
	for (unsigned d = 0; d < witness->devices; d++) {
		bool touched = witness->asked[d] & ~(1 << REQUEST_CHECK);
		bool back = witness->asked[d] & (1 << REQUEST_RESUME | 1 << REQUEST_RESET);
		bool stuck = witness->stuck >> d & 1;

		if (back != (touched && !stays) && (back || !stuck))
			return stays ? "a device was put back though it must stay"
				     : "a touched device was not put back";
	}
	if (witness_stuck(witness, core))
		return witness_stuck(witness, core);
	if (witness_retired(witness, core))
		return witness_retired(witness, core);
	if (core->phase == PHASE_DONE)
		return code == VFIOMIG_OK || code == VFIOMIG_DEGRADED ? NULL : "DONE with a code of failure";
	if (code == VFIOMIG_IN_DOUBT)
		return witness->source && (witness->external || witness->debts_paid + witness->debts >= DEBT_COMMITTED)
			       ? NULL
			       : "doubt too early";
	if (code == VFIOMIG_SOURCE_STUCK)
		return witness->source ? NULL : "a destination says source-stuck";
	if (code == VFIOMIG_OK && witness->purpose == CORE_PROBE)
		return witness->precopy_ended ? NULL : "a probe ends well before its end";
	if (code == VFIOMIG_OK && witness->purpose == CORE_RECORD)
		return witness->prepared_came ? NULL : "a recording ends well before its end";
	return code >= VFIOMIG_INTERNAL && code <= VFIOMIG_CANCELLED ? NULL : "FAILED with a code that means otherwise";
}

/* NULL, or the rule that this action breaks. @core: after the step. */
static inline const char *witness_action(struct witness *witness, const struct core_action *action,
					 const struct core *core)
{
	uint8_t all = (uint8_t)((1u << witness->devices) - 1);

	if (witness->finished)
		return "an action after FINISH";
	switch (action->kind) {
	case ACTION_PROBE:
		return witness_debt(witness, DEBT_PROBE);
	case ACTION_OPEN_FABRIC:
		return witness_debt(witness, DEBT_OPEN);
	case ACTION_CONNECT_LANES:
		return witness_debt(witness, DEBT_LANES);
	case ACTION_RELEASE:
		return witness_debt(witness, DEBT_RELEASE);
	case ACTION_JOURNAL:
		return witness_journal(witness, action->fact);
	case ACTION_FENCE:
		if (witness_unburied(witness))
			return "the way back before the tombstone";
		return witness_debt(witness, DEBT_FENCE);
	case ACTION_SEND:
		return witness_send(witness, action);
	case ACTION_DEVICE:
		return witness_request(witness, action->device, action->request);
	case ACTION_END_PRECOPY:
		if (!witness->source || witness->precopy_ended++ || witness_stopped(witness))
			return "PRE_COPY ends twice, or after a device was stopped";
		return NULL;
	case ACTION_TOKEN:
		if (!witness->gated || witness->token_posted++ ||
		    !witness_all(witness, witness->succeeded, REQUEST_READ, all))
			return "the token twice, unwanted or before the last iterable";
		return NULL;
	case ACTION_RESEND:
		return witness->source ? NULL : "a destination sends again";
	case ACTION_FENCE_LANE: /* in which order: tests/model/core_pair.c */
	case ACTION_STOP_WAITS:
		return NULL;
	case ACTION_FINISH:
		return witness_finish(witness, core);
	}
	return "an unknown action";
}

/* One event through @core under the witness's eyes. NULL, or the rule that was broken. */
static inline const char *witness_step(struct witness *witness, struct core *core, const struct core_event *event,
				       uint64_t now, struct core_actions *actions)
{
	const struct witness before = *witness;
	bool stood = witness_stopped(witness);
	const char *bound;

	witness_hear(witness, event);
	if (witness->limited && core->stop_ns && now - core->stop_ns > core->downtime_limit_ns)
		witness->overrun = 1;
	core_step(core, event, now, actions);
	for (unsigned i = 0; i < actions->count; i++) {
		const char *broken = witness_action(witness, &actions->action[i], core);

		if (broken)
			return broken;
	}
	bound = witness_commit(&before, witness, event, actions);
	if (bound)
		return bound;
	if (core_may_commit(core) != witness_answer(witness))
		return "the caller's commit is to be answered otherwise";
	if (core->phase < PHASE_ROLLBACK &&
	    (witness_stopped(witness) ? !core->stop_ns || (!stood && core->stop_ns != now) : core->stop_ns != 0))
		return "the stop is noted at another time than it happened";
	return core_finished(core) == (witness->finished > 0) ? NULL : "finished, but FINISH was not said";
}

#endif
