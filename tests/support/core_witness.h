/* SPDX-License-Identifier: MIT */
/*
 * A witness of one core: it sees each event that goes in and each action that comes out, believes nothing else, and says
 * which rule of the migration was broken. Plain numbers without padding, so that it can be part of a state's key.
 */
#ifndef SUPPORT_CORE_WITNESS_H
#define SUPPORT_CORE_WITNESS_H

#include <stdint.h>

#include "session/core.h"

enum { WITNESS_DEVICES = 2 };

/* What the shell owes an answer for, besides device requests. */
enum witness_debt {
	DEBT_PROBE = 1,
	DEBT_OPEN = 2,
	DEBT_LANES = 4,
	DEBT_RELEASE = 8,
	DEBT_PREPARED = 16,
	DEBT_COMMITTED = 32,
	DEBT_FENCE = 64,
};

struct witness {
	uint16_t asked[WITNESS_DEVICES];     /* requests, a bit each */
	uint16_t succeeded[WITNESS_DEVICES]; /* those that were answered well */
	uint16_t answered[WITNESS_DEVICES];
	uint16_t sent; /* messages, a bit each; HEARTBEAT and STREAM_END apart */
	uint8_t source, devices;
	uint8_t p2p, gated;	   /* a bit per device */
	uint8_t debts, debts_paid; /* enum witness_debt */
	uint8_t busy[WITNESS_DEVICES];
	uint8_t ends_sent, ends_came; /* STREAM_END, a bit per device */
	uint8_t control_up, lost, abort_came, commit_came, prepared_came, done_came;
	uint8_t token_came, token_posted, platform_ready, finished;
};

/* The shell's answer to each debt. */
static inline enum core_fact witness_fact(unsigned debt)
{
	switch (debt) {
	case DEBT_PROBE:
		return FACT_PROBED;
	case DEBT_OPEN:
		return FACT_FABRIC_OPEN;
	case DEBT_LANES:
		return FACT_LANES_UP;
	case DEBT_RELEASE:
		return FACT_RELEASED;
	case DEBT_PREPARED:
		return FACT_PREPARED;
	case DEBT_COMMITTED:
		return FACT_COMMITTED;
	default:
		return FACT_FABRIC_DOWN;
	}
}

static inline bool witness_all(const struct witness *witness, const uint16_t *bits, enum device_request request,
			       uint8_t which)
{
	for (unsigned d = 0; d < witness->devices; d++)
		if (which >> d & 1 && !(bits[d] >> request & 1))
			return false;
	return true;
}

static inline bool witness_ran(const struct witness *witness)
{
	for (unsigned d = 0; d < witness->devices; d++)
		if (witness->succeeded[d] & (1 << REQUEST_RUN_P2P | 1 << REQUEST_RUN))
			return true;
	return false;
}

static inline bool witness_idle(const struct witness *witness)
{
	return !witness->busy[0] && !witness->busy[1];
}

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
		witness->commit_came |= event->message == MESSAGE_COMMIT;
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
		break;
	case CORE_LOST:
		witness->lost = 1;
		break;
	case CORE_ABORT:
		witness->abort_came = 1;
		break;
	case CORE_START:
	case CORE_FAILED:
	case CORE_LANE_LOST:
	case CORE_CANCEL:
	case CORE_TICK:
		break;
	}
}

static inline const char *witness_send(struct witness *witness, const struct core_action *action)
{
	unsigned bit = 1u << action->message, all = (1u << witness->devices) - 1;

	if (!witness->control_up || witness->lost)
		return "sends without a connection";
	if (witness->source ? action->message == MESSAGE_AGREED || action->message == MESSAGE_READY ||
				      action->message == MESSAGE_LANES_READY || action->message == MESSAGE_PREPARED ||
				      action->message == MESSAGE_DONE
			    : action->message == MESSAGE_OFFER || action->message == MESSAGE_DEVICE ||
				      action->message == MESSAGE_SWITCHOVER || action->message == MESSAGE_STREAM_END ||
				      action->message == MESSAGE_COMMIT)
		return "sends a message of the other side";
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
	if (action->message == MESSAGE_COMMIT && !(witness->prepared_came && witness->debts_paid & DEBT_COMMITTED))
		return "COMMIT before PREPARED and its record";
	if (action->message == MESSAGE_PREPARED &&
	    !((witness->debts_paid & (DEBT_PREPARED | DEBT_RELEASE)) == (DEBT_PREPARED | DEBT_RELEASE) &&
	      witness_all(witness, witness->succeeded, REQUEST_FINISH, (uint8_t)all)))
		return "PREPARED before it is true";
	if (action->message == MESSAGE_DONE && !witness_ran(witness))
		return "DONE, but nothing ran";
	if (action->message == MESSAGE_ABORT && !witness->source && witness_ran(witness))
		return "ABORT from a destination that ran";
	return NULL;
}

/* May the way on still be gone? Not once the way back has begun, which is when the fence is asked for. */
static inline const char *witness_source_request(const struct witness *witness, unsigned d, enum device_request request)
{
	unsigned done = witness->succeeded[d];

	if (request == REQUEST_RESUME)
		return witness->sent >> MESSAGE_COMMIT & 1 && !witness->abort_came
			       ? "a source resumes after COMMIT without an ABORT"
			       : NULL;
	if (request == REQUEST_QUIESCE)
		return witness->p2p >> d & 1 ? NULL : "QUIESCE of a device without P2P";
	if (request == REQUEST_STOP_COPY)
		return witness_all(witness, witness->succeeded, REQUEST_QUIESCE, witness->p2p)
			       ? NULL
			       : "STOP_COPY before all devices are quiet";
	if (request == REQUEST_READ)
		return done >> REQUEST_STOP_COPY & 1 ? NULL : "READ before STOP_COPY";
	if (request == REQUEST_STOP)
		return done >> REQUEST_READ & 1 ? NULL : "STOP before READ";
	return "a source's device is asked for a destination's step";
}

static inline const char *witness_destination_request(const struct witness *witness, unsigned d,
						      enum device_request request)
{
	unsigned done = witness->succeeded[d];
	uint8_t all = (uint8_t)((1u << witness->devices) - 1);

	switch (request) {
	case REQUEST_CHECK:
		return NULL;
	case REQUEST_RESUMING:
		return witness_all(witness, witness->succeeded, REQUEST_CHECK, all) ? NULL
										    : "RESUMING before all checks";
	case REQUEST_LOAD:
		return witness_all(witness, witness->succeeded, REQUEST_RESUMING, all) ? NULL : "LOAD before RESUMING";
	case REQUEST_CONFIG:
		if (!(done >> REQUEST_LOAD & 1))
			return "CONFIG before the data is loaded";
		return !(witness->gated >> d & 1) || (witness->token_came && witness->platform_ready)
			       ? NULL
			       : "CONFIG through a closed gate";
	case REQUEST_FINISH:
		return done >> REQUEST_CONFIG & 1 && witness->ends_came >> d & 1 ? NULL : "FINISH before its time";
	case REQUEST_RUN_P2P:
	case REQUEST_RUN:
		if (!witness->commit_came || !(witness->debts_paid & DEBT_COMMITTED))
			return "a destination runs before COMMIT and its record";
		if (!witness_all(witness, witness->succeeded, REQUEST_FINISH, all))
			return "a destination runs before all devices are validated";
		if (request == REQUEST_RUN_P2P)
			return witness->p2p >> d & 1 ? NULL : "RUN_P2P of a device without P2P";
		return witness_all(witness, witness->answered, REQUEST_RUN_P2P, witness->p2p) ? NULL
											      : "RUN before all P2P";
	case REQUEST_RESET:
		return witness_ran(witness) ? "a destination that ran is reset" : NULL;
	default:
		return "a destination's device is asked for a source's step";
	}
}

static inline const char *witness_request(struct witness *witness, unsigned d, enum device_request request)
{
	bool back = request == REQUEST_RESUME || request == REQUEST_RESET;
	bool going_back = (witness->debts | witness->debts_paid) & DEBT_FENCE;

	if (d >= witness->devices || witness->busy[d])
		return "a device is asked while it is busy";
	if (witness->asked[d] >> request & 1)
		return "a device is asked for the same twice";
	if (back != going_back)
		return back ? "a device is put back outside the way back" : "a device goes on during the way back";
	if (back && !(witness->asked[d] & ~(1 << REQUEST_CHECK)))
		return "a device is put back that was not touched";
	if (back && !(witness->debts_paid & DEBT_FENCE))
		return "a device is put back before the lanes are fenced";
	witness->asked[d] |= (uint16_t)(1 << request);
	witness->busy[d] = (uint8_t)request;
	return witness->source ? witness_source_request(witness, d, request)
			       : witness_destination_request(witness, d, request);
}

static inline const char *witness_debt(struct witness *witness, unsigned debt)
{
	if ((witness->debts | witness->debts_paid) & debt)
		return "something is asked of the shell twice";
	witness->debts |= (uint8_t)debt;
	return NULL;
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

		if (back != (touched && !stays))
			return stays ? "a device was put back though it must stay"
				     : "a touched device was not put back";
	}
	if (core->phase == PHASE_DONE)
		return code == VFIOMIG_OK || code == VFIOMIG_DEGRADED ? NULL : "DONE with a code of failure";
	if (code == VFIOMIG_IN_DOUBT)
		return witness->source && witness->debts_paid + witness->debts >= DEBT_COMMITTED ? NULL
												 : "doubt too early";
	if (code == VFIOMIG_SOURCE_STUCK)
		return witness->source ? NULL : "a destination says source-stuck";
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
		return witness_debt(witness, action->fact == FACT_PREPARED ? DEBT_PREPARED : DEBT_COMMITTED);
	case ACTION_FENCE:
		return witness_debt(witness, DEBT_FENCE);
	case ACTION_SEND:
		return witness_send(witness, action);
	case ACTION_DEVICE:
		return witness_request(witness, action->device, action->request);
	case ACTION_TOKEN:
		if (!witness->gated || witness->token_posted++ ||
		    !witness_all(witness, witness->succeeded, REQUEST_READ, all))
			return "the token twice, unwanted or before the last iterable";
		return NULL;
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
	witness_hear(witness, event);
	core_step(core, event, now, actions);
	for (unsigned i = 0; i < actions->count; i++) {
		const char *broken = witness_action(witness, &actions->action[i], core);

		if (broken)
			return broken;
	}
	return core_finished(core) == (witness->finished > 0) ? NULL : "finished, but FINISH was not said";
}

#endif
