/* SPDX-License-Identifier: MIT */
/* What a witness of a core keeps in mind (core_witness.h), and the rules for what a device may be asked when. */
#ifndef SUPPORT_CORE_WITNESS_DEVICE_H
#define SUPPORT_CORE_WITNESS_DEVICE_H

#include <stdint.h>

#include "core/core.h"

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
	uint8_t p2p, gated, precopy; /* a bit per device */
	uint8_t purpose, serial, limited, external;
	uint8_t debts, debts_paid; /* enum witness_debt */
	uint8_t busy[WITNESS_DEVICES];
	uint8_t ends_sent, ends_came; /* STREAM_END, a bit per device */
	uint8_t control_up, lost, abort_came, commit_came, prepared_came, done_came;
	uint8_t token_came, token_posted, platform_ready, finished;
	uint8_t precopy_ended, overrun;
	uint8_t stuck;			     /* a bit per device */
	uint8_t may_run;		     /* a start is stuck: it may succeed yet */
	uint8_t tombstone, recorded_running; /* asked of the journal */
	uint8_t run_failed;		     /* a start came back with a failure */
	uint8_t zero[2];		     /* no padding: equal bytes are equal states */
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

/* As far as anyone can tell. */
static inline bool witness_ran(const struct witness *witness)
{
	if (witness->may_run)
		return true;
	for (unsigned d = 0; d < witness->devices; d++)
		if (witness->succeeded[d] & (1 << REQUEST_RUN_P2P | 1 << REQUEST_RUN))
			return true;
	return false;
}

static inline bool witness_idle(const struct witness *witness)
{
	return !witness->busy[0] && !witness->busy[1];
}

static inline bool witness_stopped(const struct witness *witness)
{
	for (unsigned d = 0; d < witness->devices; d++)
		if (witness->asked[d] & (1 << REQUEST_QUIESCE | 1 << REQUEST_STOP_COPY))
			return true;
	return false;
}

/* Nothing stops while a device still runs in PRE_COPY, and a probe stops nothing at all. */
static inline const char *witness_stop(const struct witness *witness)
{
	if (witness->purpose == CORE_PROBE)
		return "a probe stops a device, or reads it";
	if (!witness_all(witness, witness->succeeded, REQUEST_PRECOPY, witness->precopy))
		return "a device is stopped before all PRE_COPY is over";
	return NULL;
}

static inline const char *witness_precopy(const struct witness *witness, unsigned d)
{
	if (!(witness->precopy >> d & 1))
		return "PRECOPY of a device that has none";
	return witness->precopy_ended ? "PRECOPY after its end" : NULL;
}

static inline const char *witness_source_request(const struct witness *witness, unsigned d, enum device_request request)
{
	unsigned done = witness->succeeded[d];
	const char *broken;

	if (request == REQUEST_RESUME)
		return witness->sent >> MESSAGE_COMMIT & 1 && !witness->abort_came
			       ? "a source resumes after COMMIT without an ABORT"
			       : NULL;
	if (request == REQUEST_PRECOPY)
		return witness_precopy(witness, d);
	broken = witness_stop(witness);
	if (broken)
		return broken;
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
		if (!witness->commit_came || !(witness->external || witness->debts_paid & DEBT_COMMITTED))
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

static inline bool witness_takes_turns(enum device_request request)
{
	return request != REQUEST_NONE && request != REQUEST_LOAD && request != REQUEST_PRECOPY;
}

/* Serial states: of those that do more than wait for data, one at a time. */
static inline bool witness_out_of_turn(const struct witness *witness, enum device_request request)
{
	if (!witness->serial || !witness_takes_turns(request))
		return false;
	for (unsigned d = 0; d < witness->devices; d++)
		if (witness_takes_turns((enum device_request)witness->busy[d]))
			return true;
	return false;
}

/*
 * The way on is gone once the way back has begun, which is when the fence is asked for. The way back itself takes no turns: it is
 * to be short.
 */
static inline const char *witness_request(struct witness *witness, unsigned d, enum device_request request)
{
	bool back = request == REQUEST_RESUME || request == REQUEST_RESET;
	bool going_back = (witness->debts | witness->debts_paid) & DEBT_FENCE;

	if (d >= witness->devices || witness->busy[d])
		return "a device is asked while it is busy";
	if (witness->stuck >> d & 1)
		return "a device is asked that is stuck";
	if (witness->asked[d] >> request & 1)
		return "a device is asked for the same twice";
	if (back != going_back)
		return back ? "a device is put back outside the way back" : "a device goes on during the way back";
	if (back && !(witness->asked[d] & ~(1 << REQUEST_CHECK)))
		return "a device is put back that was not touched";
	if (back && !(witness->debts_paid & DEBT_FENCE))
		return "a device is put back before the lanes are fenced";
	if (!back && witness_out_of_turn(witness, request))
		return "two devices at once, though the states are serial";
	witness->asked[d] |= (uint16_t)(1 << request);
	witness->busy[d] = (uint8_t)request;
	return witness->source ? witness_source_request(witness, d, request)
			       : witness_destination_request(witness, d, request);
}

#endif
