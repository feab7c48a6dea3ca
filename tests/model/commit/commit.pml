/* SPDX-License-Identifier: MIT */
/*
 * The commit between two sides with two devices each, for Spin: at most one side runs, whatever is lost, late, repeated,
 * cut, killed or decided by a person. `run` checks it under mixes of faults, and that each rule, once removed, is missed.
 *
 * A message that was sent may arrive at once, late, out of order or again, until the connection that it was on is lost:
 * so what is under way is a set, and receiving takes nothing out of it. Time is not modelled: what a timer ends may end at
 * any instant. Faults and the person are in faults.pml, what must hold in rules.pml.
 *
 * NO_...   one rule less; what each one is for stands where it is used
 */

/* The source, the destination, a device, a record. */
mtype = { STREAMING, AWAITING, RECORDING, ASKING, IN_DOUBT, RETIRED, RESUMING, RESUMED, STUCK, DEAD, ORPHANED };
mtype = { RECEIVING, PREPARED, TAKING, STARTING, STARTED, DEGRADED, LEAVING, RESETTING, ABORTED, DOWN, GONE, ANSWERING };
mtype = { STOPPED, MOVING, P2P, ON, FAILED, HUNG, LATE };
mtype = { NONE, COMMITTED, RUNNING, DONE };

/* Messages, as bits of the set that is under way to one side. */
#define END(d)		(1 << (d))
#define ENDS		3
#define COMMIT		4
#define ABORT		8
#define QUERY		16
#define HAS_DONE	32	/* what the source sends next once it has DONE */

#define SAY_PREPARED	1
#define SAY_DONE	2
#define SAY_DEGRADED	4
#define SAY_ABORTED	8
#define SAY_COMMITTED	16	/* of a process that is gone */
#define SAY_NOTHING	32	/* "I do not know that session" */

byte to_d, to_s;
bool cut;
#define CAME_D(m)	(!cut && (to_d & (m)))
#define CAME_S(m)	(!cut && (to_s & (m)))

mtype source = STREAMING, destination = RECEIVING;
mtype src[2] = ON, dst[2] = STOPPED;
byte ended;		/* devices whose STREAM_END was sent */
bool loaded[2];		/* and validated: RESUMING -> STOP went well */
bool told_degraded;	/* what the source says when it retires */
bool may_have_run;	/* the destination: a device has left STOP, or is in a call that may yet make it leave */
bool told;		/* the source's caller has the result in its hands */

/* Journals: they survive a kill. */
mtype s_record = NONE, d_record = NONE;
bool d_degraded;	/* in the destination's RUNNING */

/* What happened, for the rules; nobody decides by it. */
bool ran, ran_all, said_ran, said_never, decided, overwritten, swept;

#define RUNS(device)	((device) == P2P || (device) == ON || (device) == LATE)
#define SOURCE_RUNS	(src[0] == ON || src[1] == ON)
#define SOURCE_RUNS_ALL	(src[0] == ON && src[1] == ON)
#define DEST_RUNS	(RUNS(dst[0]) || RUNS(dst[1]))
#define BOTH(x)		(dst[0] == x && dst[1] == x)
#define EITHER(x)	(dst[0] == x || dst[1] == x)
#define LIVES		(destination != DOWN && destination != GONE && destination != ANSWERING)

/* ------------------------------------------------------------------------------------------------ source */

/* The manifest is the stream's end: a device that still runs has not said its last. */
#ifdef NO_STOP_BEFORE_END
#define MAY_END(device)	true
#else
#define MAY_END(device)	((device) == STOPPED)
#endif

inline device_stops(d) { atomic { source == STREAMING && src[d] == ON -> src[d] = STOPPED } }

inline device_ends(d)
{
	atomic { source == STREAMING && !(ended & END(d)) && MAY_END(src[d]) ->
		ended = ended | END(d);
		to_d = to_d | END(d) }
}

inline device_resumes(d)
{
	atomic { source == RESUMING && src[d] == STOPPED -> if :: src[d] = ON :: src[d] = FAILED fi }
}

active proctype Source()
{
	do
	:: device_stops(0)
	:: device_stops(1)
	:: device_ends(0)
	:: device_ends(1)
	:: atomic { source == STREAMING && ended == ENDS -> source = AWAITING }

	/* Until it sends COMMIT it may change its mind at any instant (a cancel, a failure); after it, never by itself. */
	:: atomic { source == STREAMING || source == AWAITING || source == RECORDING ->
		to_d = to_d | ABORT; source = RESUMING }
#ifdef NO_POINT_OF_NO_RETURN
	:: atomic { source == ASKING -> to_d = to_d | ABORT; source = RESUMING }
#endif

	/* First the record, then COMMIT: whoever finds the devices after a kill must know that it may have been said. */
	:: atomic { source == AWAITING && CAME_S(SAY_PREPARED) -> source = RECORDING }
#ifdef NO_SOURCE_JOURNAL_FIRST
	:: atomic { source == RECORDING -> to_d = to_d | COMMIT; source = ASKING }
	:: atomic { source == ASKING && s_record == NONE -> s_record = COMMITTED }
#else
	:: atomic { source == RECORDING && s_record == NONE -> s_record = COMMITTED }
	:: atomic { source == RECORDING && s_record == COMMITTED -> to_d = to_d | COMMIT; source = ASKING }
#endif
#ifndef NO_QUERY
	:: atomic { source == ASKING && !(to_d & QUERY) -> to_d = to_d | QUERY }
#endif

	/* Only "it runs" and "it never will" are answers, from whoever has the record. */
	:: atomic { source == ASKING && CAME_S(SAY_DONE) -> source = RETIRED }
	:: atomic { source == ASKING && CAME_S(SAY_DEGRADED) -> told_degraded = true; source = RETIRED }
	:: atomic { source == ASKING && CAME_S(SAY_ABORTED) -> source = RESUMING }
#ifdef NO_PATIENCE
	:: atomic { source == ASKING -> source = RESUMING }			/* resume on silence */
#endif
#ifdef NO_ANSWER_NEEDED
	:: atomic { source == ASKING -> source = RETIRED }			/* retire on silence */
#endif
#ifdef NO_DOUBT_OF_COMMITTED
	:: atomic { source == ASKING && CAME_S(SAY_COMMITTED) -> source = RETIRED }
#endif
#ifdef NO_DOUBT_OF_NOTHING
	:: atomic { source == ASKING && CAME_S(SAY_NOTHING) -> source = RESUMING }
#endif

	/* A person's decision, in the own record. */
	:: atomic { (source == ASKING || source == IN_DOUBT) && s_record == ABORTED -> source = RESUMING }
	:: atomic { (source == ASKING || source == IN_DOUBT) && s_record == RETIRED -> source = RETIRED }

	/* What ended well stays on file until the caller knows: otherwise it would look as if it had never begun. */
	:: atomic { source == RETIRED && !(to_d & HAS_DONE) && !told -> to_d = to_d | HAS_DONE }
#ifdef NO_RECORD_UNTIL_TOLD
	:: atomic { source == RETIRED && !told && s_record != NONE -> s_record = NONE }
	:: atomic { source == RETIRED && !told && s_record == NONE -> told = true }
#else
	:: atomic { source == RETIRED && !told && s_record != RETIRED -> s_record = RETIRED }
	:: atomic { source == RETIRED && !told && s_record == RETIRED -> told = true }
#endif
	:: atomic { source == RETIRED && told && s_record != NONE -> s_record = NONE }

	/* Its process is dead, and the VMM that holds the devices goes by the record. None: COMMIT was never said. */
	:: atomic { source == ORPHANED ->
		if
		:: s_record == NONE || s_record == ABORTED -> source = RESUMING
		:: s_record == COMMITTED -> source = IN_DOUBT
		:: s_record == RETIRED -> source = RETIRED
		fi }

	:: device_resumes(0)
	:: device_resumes(1)
	:: atomic { source == RESUMING && src[0] != STOPPED && src[1] != STOPPED ->
		s_record = NONE;
		if :: SOURCE_RUNS_ALL -> source = RESUMED :: else -> source = STUCK fi }
	od
}

/* ------------------------------------------------------------------------------------------- destination */

inline put(state)
{
	overwritten = overwritten || (d_record == ABORTED && state != ABORTED) ||
		      ((d_record == RUNNING || d_record == DONE) && state == ABORTED);
	d_record = state
}

inline say(word)
{
	to_s = to_s | word;
	said_never = said_never || word == SAY_ABORTED;
	said_ran = said_ran || word == SAY_DONE || word == SAY_DEGRADED
}

/*
 * The way back: the tombstone, then the word, then the reset. A COMMIT that comes late is refused by where the process is;
 * who comes after it, and a person, by the tombstone. Without a record there is nothing to take back.
 */
inline bury_own() { if :: d_record == NONE :: else -> put(ABORTED) fi }

inline leave()
{
#ifdef NO_TOMBSTONE
	say(SAY_ABORTED)
#else
#if !defined(NO_TOMBSTONE_FIRST) && !defined(NO_TOMBSTONE_BEFORE_RESET)
	bury_own();
#endif
	destination = LEAVING
#endif
}

inline reset(d)
{
	if
	:: dst[d] == HUNG || dst[d] == LATE || dst[d] == MOVING
	:: else -> dst[d] = STOPPED; loaded[d] = false
	fi
}

inline device_loads(d) { atomic { destination == RECEIVING && CAME_D(END(d)) && !loaded[d] -> loaded[d] = true } }

inline device_moves(d) { atomic { destination == STARTING && dst[d] == STOPPED -> dst[d] = MOVING } }

/*
 * A call that is under way cannot be taken back: it ends as the driver likes, whatever was decided meanwhile, or not in time.
 * One that hangs may succeed yet, so that the side counts as one that runs; the device is never asked again.
 */
inline device_moved(d)
{
	atomic { dst[d] == MOVING ->
		if
		:: dst[d] = P2P; ran = true; may_have_run = true
		:: dst[d] = FAILED
#ifdef NO_HUNG_COUNTS
		:: destination == STARTING -> dst[d] = HUNG
#else
		:: destination == STARTING -> dst[d] = HUNG; may_have_run = true
#endif
		fi }
}

inline device_is_late(d) { atomic { dst[d] == HUNG -> if :: dst[d] = LATE; ran = true :: dst[d] = FAILED fi } }

/* The barrier: all are quiet to each other before one runs. */
inline device_runs(d)
{
	atomic { destination == STARTING && dst[d] == P2P && !EITHER(STOPPED) && !EITHER(MOVING) ->
		if :: dst[d] = ON :: dst[d] = FAILED fi }
}

#define OUT_OF_IT(device)	((device) == FAILED || (device) == HUNG || (device) == LATE)
#define SETTLED(device)		((device) == ON || OUT_OF_IT(device))

/* "Never ran" is said only when no device has left STOP and no call could still make one do so. */
#ifdef NO_WAIT_FOR_CALLS
#define NEVER_RAN	(!may_have_run)
#else
#define NEVER_RAN	(!may_have_run && !EITHER(MOVING))
#endif

#ifdef NO_WHOLE_MANIFEST
#define ALL_LOADED	(loaded[0] || loaded[1])
#else
#define ALL_LOADED	(loaded[0] && loaded[1])
#endif

/* Asked, whoever listens there answers from the record; PREPARED of a dead process is buried before that. */
#define ASKED_AND_NOT_SAID(word) \
	(CAME_D(QUERY) && destination != DOWN && destination != GONE && !(to_s & (word)))

inline answers()
{
	if
	:: atomic { ASKED_AND_NOT_SAID(SAY_DONE) && (d_record == RUNNING || d_record == DONE) && !d_degraded ->
		say(SAY_DONE) }
	:: atomic { ASKED_AND_NOT_SAID(SAY_DEGRADED) && (d_record == RUNNING || d_record == DONE) && d_degraded ->
		say(SAY_DEGRADED) }
	:: atomic { ASKED_AND_NOT_SAID(SAY_ABORTED) && d_record == ABORTED -> say(SAY_ABORTED) }
	:: atomic { ASKED_AND_NOT_SAID(SAY_COMMITTED) && d_record == COMMITTED && destination == ANSWERING ->
		say(SAY_COMMITTED) }
	:: atomic { ASKED_AND_NOT_SAID(SAY_NOTHING) && d_record == NONE && destination == ANSWERING ->
		say(SAY_NOTHING) }
#ifdef NO_BURIAL_BEFORE_ANSWER
	:: atomic { ASKED_AND_NOT_SAID(SAY_ABORTED) && d_record == PREPARED && destination == ANSWERING ->
		say(SAY_ABORTED) }
	:: atomic { d_record == PREPARED && destination == ANSWERING && (to_s & SAY_ABORTED) -> put(ABORTED) }
#else
	:: atomic { CAME_D(QUERY) && d_record == PREPARED && destination == ANSWERING -> put(ABORTED) }
#endif
#ifdef NO_DOUBT_THERE
	:: atomic { CAME_D(QUERY) && d_record == COMMITTED && destination == ANSWERING -> put(ABORTED) }
#endif
	fi
}

active proctype Destination()
{
	do
	:: device_loads(0)
	:: device_loads(1)
	:: atomic { destination == RECEIVING && ALL_LOADED ->
#ifndef NO_PREPARED_RECORD
		put(PREPARED);
#endif
		destination = PREPARED; say(SAY_PREPARED) }
	:: atomic { destination == RECEIVING -> leave() }

	/* Cancelled, or told to, or the source is gone, or it has held long enough. */
	:: atomic { destination == PREPARED && CAME_D(ABORT) -> leave() }
#ifndef NO_HOLD_TIMER
	:: atomic { destination == PREPARED -> leave() }
#endif
	:: atomic { destination == LEAVING ->
		say(SAY_ABORTED);
#ifdef NO_TOMBSTONE_BEFORE_RESET
		reset(0); reset(1);
#endif
		destination = RESETTING }
	:: atomic { destination == RESETTING ->
#if defined(NO_TOMBSTONE_FIRST) || defined(NO_TOMBSTONE_BEFORE_RESET)
		bury_own();
#endif
		reset(0); reset(1); destination = ABORTED }

	/* First the record, then the first device: who comes after it must know that it may have run. */
#ifdef NO_COMMIT_NEEDED
	:: atomic { destination == PREPARED -> destination = TAKING }	/* autostart */
#endif
	:: atomic { destination == PREPARED && CAME_D(COMMIT) -> destination = TAKING }
#if defined(NO_DESTINATION_JOURNAL_FIRST)
	:: atomic { destination == TAKING -> destination = STARTING }
	:: atomic { destination == STARTING && DEST_RUNS && d_record == PREPARED -> put(COMMITTED) }
#elif defined(NO_LOOK_AT_THE_RECORD) || defined(NO_PREPARED_RECORD)
	:: atomic { destination == TAKING -> put(COMMITTED); destination = STARTING }
#else
	:: atomic { destination == TAKING && d_record == PREPARED -> put(COMMITTED); destination = STARTING }
#endif
	:: atomic { destination == TAKING -> leave() }			/* it cannot be written */
	:: device_moves(0)
	:: device_moves(1)
	:: device_moved(0)
	:: device_moved(1)
	:: device_is_late(0)
	:: device_is_late(1)
	:: device_runs(0)
	:: device_runs(1)

	:: atomic { destination == STARTING && EITHER(FAILED) && NEVER_RAN -> leave() }
#ifdef NO_DEGRADED
	:: atomic { destination == STARTING && EITHER(FAILED) && !EITHER(MOVING) -> leave() }
#endif
#ifdef NO_TOO_LATE
	:: atomic { destination == STARTING -> leave() }		/* a cancel is obeyed */
#endif
	:: atomic { destination == STARTING && BOTH(ON) -> ran_all = true; say(SAY_DONE); destination = STARTED }
	:: atomic { destination == STARTING && may_have_run && !BOTH(ON) && SETTLED(dst[0]) && SETTLED(dst[1]) ->
#ifdef NO_DEGRADED_SAID
		say(SAY_DONE);
#else
		say(SAY_DEGRADED);
#endif
		destination = DEGRADED }

	/* On file until the source shows that it knows. */
	:: atomic { destination == STARTED && d_record == COMMITTED -> put(RUNNING) }
	:: atomic { destination == DEGRADED && d_record == COMMITTED ->
#ifndef NO_DEGRADED_RECORD
		d_degraded = true;
#endif
		put(RUNNING) }
	:: atomic { (destination == STARTED || destination == DEGRADED) && CAME_D(HAS_DONE) && d_record != NONE ->
		d_record = NONE }

	/* A later process: it has no devices of that session, and listens where the other one did. */
	:: atomic { destination == DOWN -> destination = ANSWERING }
	:: answers()
	od
}

#include "faults.pml"
#include "rules.pml"
