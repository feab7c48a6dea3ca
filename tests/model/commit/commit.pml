/* SPDX-License-Identifier: MIT */
/*
 * The commit between two sides with two devices each, for Spin: at most one side runs, whatever is lost, late, repeated,
 * cut or killed. `run` checks it under mixes of faults, and that each rule, once removed, is missed.
 *
 * A message that was sent may arrive at once, late, out of order or again, until the connection that it was on is lost:
 * so what is under way is a set, and receiving takes nothing out of it.
 *
 * Faults       LOSS         the connection breaks, and all that was on it is lost; a new one is made (twice)
 *              CUT          the link goes down for good
 *              KILL_S       the source's process dies, and its devices with it
 *              KILL_S_HELD  it dies, but a VMM holds the devices: it starts again and reads its journal (twice)
 *              KILL_D       the destination's dies, its devices are reset; it starts again and reads its journal (twice)
 *              KILL_D_GONE  it dies and never comes back
 * NO_...       one rule less; what each one is for stands where it is used
 * SHOW_...     something that must be reachable
 */

/* The source, the destination, a device. */
mtype = { STREAMING, AWAITING, RECORDING, DOUBT, RETIRED, RESUMING, RESUMED, STUCK, DEAD };
mtype = { RECEIVING, PREPARED, COMMITTING, STARTED, DEGRADED, ABORTED, LOST, DOWN, GONE };
mtype = { STOPPED, MOVING, P2P, ON, FAILED };

/* Messages, as bits of the set that is under way to one side. */
#define END(d)		(1 << (d))
#define ENDS		3
#define COMMIT		4
#define ABORT		8
#define QUERY		16

#define SAY_PREPARED	1
#define SAY_DONE	2
#define SAY_DEGRADED	4
#define SAY_ABORTED	8
#define SAY_LOST	16

byte to_d, to_s;
bool cut;
#define CAME_D(m)	(!cut && (to_d & (m)))
#define CAME_S(m)	(!cut && (to_s & (m)))

mtype source = STREAMING, destination = RECEIVING;
mtype src[2] = ON, dst[2] = STOPPED;
byte ended;		/* devices whose STREAM_END was sent */
bool loaded[2];		/* and validated: RESUMING -> STOP went well */
bool told_degraded;	/* what the source says when it retires */

/* Journals: they survive a kill. */
bool s_committed, d_committed, d_tombstone;
bool aborting;		/* the hold is over, and the tombstone is not written yet: without NO_TOMBSTONE_FIRST never seen */

/* What happened, for the rules; nobody decides by it. */
bool ran, ran_all;

#define RUNS(device)	((device) == P2P || (device) == ON)
#define SOURCE_RUNS	(src[0] == ON || src[1] == ON)
#define SOURCE_RUNS_ALL	(src[0] == ON && src[1] == ON)
#define DEST_RUNS	(RUNS(dst[0]) || RUNS(dst[1]))
#define BOTH(x)		(dst[0] == x && dst[1] == x)
#define EITHER(x)	(dst[0] == x || dst[1] == x)

/* The rules, at every instant. */
#define AT_MOST_ONE_RUNS	(!(SOURCE_RUNS && DEST_RUNS))
#define NEVER_BACK_AFTER_A_RUN	(!(ran && SOURCE_RUNS))
#define RUNS_ON_WHOLE_STATE	(!DEST_RUNS || (loaded[0] && loaded[1]))
#define RETIRES_FOR_A_RUN	(source != RETIRED || ran)
#define TELLS_THE_TRUTH		(source != RETIRED || told_degraded || ran_all)

/* And when nothing can happen any more. */
#define DESTINATION_ENDS \
	(destination == STARTED || destination == DEGRADED || destination == ABORTED || destination == LOST || \
	 destination == GONE)
#define SOURCE_ENDS \
	((source == RESUMED && SOURCE_RUNS_ALL && !ran) || source == RETIRED || source == STUCK || source == DEAD || \
	 (source == DOUBT && (cut || destination == LOST || destination == GONE)))

/* ------------------------------------------------------------------------------------------------ source */

/* The manifest is the stream's end: a device that still runs has not said its last. */
#ifdef NO_STOP_BEFORE_END
#define MAY_END(device)	true
#else
#define MAY_END(device)	((device) == STOPPED)
#endif

inline give_up() { to_d = to_d | ABORT; source = RESUMING }

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

	/* Before its record it may change its mind at any instant; after it, never by itself. */
	:: atomic { source == STREAMING || source == AWAITING -> give_up() }
#ifdef NO_POINT_OF_NO_RETURN
	:: atomic { source == DOUBT && (to_d & COMMIT) -> give_up() }
#endif

	/* First the record, then COMMIT: a source that starts again must know that it may have said it. */
#ifdef NO_SOURCE_JOURNAL_FIRST
	:: atomic { source == AWAITING && CAME_S(SAY_PREPARED) -> to_d = to_d | COMMIT; source = RECORDING }
	:: atomic { source == RECORDING -> s_committed = true; source = DOUBT }
#else
	:: atomic { source == AWAITING && CAME_S(SAY_PREPARED) -> source = RECORDING }
	:: atomic { source == RECORDING -> s_committed = true; source = DOUBT }
#endif
	:: atomic { source == DOUBT && !(to_d & COMMIT) -> to_d = to_d | COMMIT }
#ifndef NO_QUERY
	:: atomic { source == DOUBT && !(to_d & QUERY) -> to_d = to_d | QUERY }
#endif

	/* Only the destination's word ends the doubt. LOST is none: who started it again may know more, it does not. */
	:: atomic { source == DOUBT && CAME_S(SAY_DONE) -> source = RETIRED }
	:: atomic { source == DOUBT && CAME_S(SAY_DEGRADED) -> told_degraded = true; source = RETIRED }
	:: atomic { source == DOUBT && CAME_S(SAY_ABORTED) -> source = RESUMING }
#ifdef NO_PATIENCE
	:: atomic { source == DOUBT && (to_d & COMMIT) -> source = RESUMING }	/* resume on silence */
#endif
#ifdef NO_ANSWER_NEEDED
	:: atomic { source == DOUBT && (to_d & COMMIT) -> source = RETIRED }	/* retire on silence */
#endif

	:: device_resumes(0)
	:: device_resumes(1)
	:: atomic { source == RESUMING && src[0] != STOPPED && src[1] != STOPPED ->
		if :: SOURCE_RUNS_ALL -> source = RESUMED :: else -> source = STUCK fi }
	od
}

/* ------------------------------------------------------------------------------------------- destination */

inline reset(d) { if :: dst[d] != MOVING -> dst[d] = STOPPED; :: else fi }

/* The tombstone is what refuses a late COMMIT, so it is written before anybody hears of it. */
inline abort_it()
{
	reset(0);
	reset(1);
#ifdef NO_TOMBSTONE
	to_s = to_s | SAY_ABORTED;
	destination = (destination == PREPARED -> PREPARED : ABORTED)
#else
#ifdef NO_TOMBSTONE_FIRST
	to_s = to_s | SAY_ABORTED;
	if :: destination == PREPARED -> aborting = true :: else -> d_tombstone = true; destination = ABORTED fi
#else
	d_tombstone = true;
	to_s = to_s | SAY_ABORTED;
	destination = ABORTED
#endif
#endif
}

inline device_loads(d) { atomic { destination == RECEIVING && CAME_D(END(d)) && !loaded[d] -> loaded[d] = true } }

inline device_moves(d) { atomic { destination == COMMITTING && dst[d] == STOPPED -> dst[d] = MOVING } }

/* A call that is under way cannot be taken back: it ends as the driver likes, whatever was decided meanwhile. */
inline device_moved(d) { atomic { dst[d] == MOVING -> if :: dst[d] = P2P; ran = true :: dst[d] = FAILED fi } }

/* The barrier: all are quiet to each other before one runs. */
inline device_runs(d)
{
	atomic { destination == COMMITTING && dst[d] == P2P && !EITHER(STOPPED) && !EITHER(MOVING) ->
		if :: dst[d] = ON :: dst[d] = FAILED fi }
}

inline start_again()
{
#ifndef NO_JOURNAL_READ
	if
	:: d_committed && !d_tombstone -> to_s = to_s | SAY_LOST; destination = LOST
	:: else ->
#endif
		d_tombstone = true; to_s = to_s | SAY_ABORTED; destination = ABORTED
#ifndef NO_JOURNAL_READ
	fi
#endif
}

/* "Never ran" is said only when no device has left STOP and no call could still make one do so. */
#ifdef NO_WAIT_FOR_CALLS
#define CALLS_ARE_BACK	true
#else
#define CALLS_ARE_BACK	(!EITHER(MOVING))
#endif

#ifdef NO_WHOLE_MANIFEST
#define ALL_LOADED	(loaded[0] || loaded[1])
#else
#define ALL_LOADED	(loaded[0] && loaded[1])
#endif

active proctype Destination()
{
	do
	:: device_loads(0)
	:: device_loads(1)
	:: atomic { destination == RECEIVING && ALL_LOADED -> destination = PREPARED; to_s = to_s | SAY_PREPARED }
	:: atomic { destination == RECEIVING -> abort_it() }
	:: atomic { destination == PREPARED && CAME_D(ABORT) -> abort_it() }
#ifndef NO_HOLD_TIMER
	:: atomic { destination == PREPARED && !aborting && !(to_s & SAY_ABORTED) -> abort_it() }
#endif
	:: atomic { aborting && destination == PREPARED -> aborting = false; d_tombstone = true; destination = ABORTED }

	/* First the record, then the first device: one that starts again must know that it may have run. */
#ifdef NO_COMMIT_NEEDED
	:: atomic { destination == PREPARED -> d_committed = true; destination = COMMITTING }	/* autostart */
#endif
#ifdef NO_DESTINATION_JOURNAL_FIRST
	:: atomic { destination == PREPARED && CAME_D(COMMIT) && !d_tombstone -> destination = COMMITTING }
	:: atomic { destination == COMMITTING && DEST_RUNS -> d_committed = true }
#else
	:: atomic { destination == PREPARED && CAME_D(COMMIT) && !d_tombstone ->
		d_committed = true; destination = COMMITTING }
#endif
	:: device_moves(0)
	:: device_moves(1)
	:: device_moved(0)
	:: device_moved(1)
	:: device_runs(0)
	:: device_runs(1)

	:: atomic { destination == COMMITTING && EITHER(FAILED) && !ran && CALLS_ARE_BACK -> abort_it() }
#ifdef NO_DEGRADED
	:: atomic { destination == COMMITTING && EITHER(FAILED) && !EITHER(MOVING) -> abort_it() }
#endif
	:: atomic { destination == COMMITTING && BOTH(ON) -> ran_all = true; to_s = to_s | SAY_DONE; destination = STARTED }
	:: atomic { destination == COMMITTING && ran && EITHER(FAILED) && (EITHER(ON) || BOTH(FAILED)) ->
#ifdef NO_DEGRADED_SAID
		to_s = to_s | SAY_DONE;
#else
		to_s = to_s | SAY_DEGRADED;
#endif
		destination = DEGRADED }

	/* Asked again, it says again what it said. */
	:: atomic { CAME_D(QUERY | COMMIT) && destination == STARTED && !(to_s & SAY_DONE) -> to_s = to_s | SAY_DONE }
	:: atomic { CAME_D(QUERY) && destination == DEGRADED && !(to_s & (SAY_DEGRADED | SAY_DONE)) ->
		to_s = to_s | SAY_DEGRADED }
	:: atomic { CAME_D(QUERY) && destination == ABORTED && !(to_s & SAY_ABORTED) -> to_s = to_s | SAY_ABORTED }
	:: atomic { CAME_D(QUERY) && destination == LOST && !(to_s & SAY_LOST) -> to_s = to_s | SAY_LOST }
	:: atomic { destination == DOWN -> start_again() }
	od
}

/* ------------------------------------------------------------------------------------------------- faults */

#ifdef LOSS
active proctype Loss()
{
	atomic { to_d = 0; to_s = 0 }
	atomic { to_d = 0; to_s = 0 }
}
#endif

#ifdef CUT
active proctype Cut()
{
	cut = true
}
#endif

#ifdef KILL_S
active proctype KillSource()
{
	atomic { source != RETIRED -> source = DEAD; src[0] = FAILED; src[1] = FAILED }
}
#endif

#ifdef KILL_S_HELD
#define START_SOURCE_AGAIN \
	atomic { source != RETIRED && source != STUCK -> \
		if :: s_committed -> source = DOUBT :: else -> give_up() fi }
active proctype KillHeldSource()
{
	START_SOURCE_AGAIN;
	START_SOURCE_AGAIN
}
#endif

#if defined(KILL_D) || defined(KILL_D_GONE)
active proctype KillDestination()
{
	byte times = 2;

	do
	:: atomic { times > 0 && destination != GONE && destination != DOWN ->
		times--;
		aborting = false;
		dst[0] = STOPPED;
		dst[1] = STOPPED;
		loaded[0] = false;
		loaded[1] = false;
#ifdef KILL_D_GONE
		destination = GONE;
#else
		destination = DOWN;
#endif
		}
	:: times > 0 -> break
	:: times == 0 -> break
	od
}
#endif

/* -------------------------------------------------------------------------------------------------- rules */

/* What the model must be able to reach, or its rules would hold for nothing: the checker is asked to refute it. */
#ifdef SHOW_DONE
#define SHOW	(source == RETIRED && destination == STARTED && BOTH(ON))
#endif
#ifdef SHOW_DEGRADED
#define SHOW	(source == RETIRED && destination == DEGRADED && EITHER(ON) && EITHER(FAILED))
#endif
#ifdef SHOW_NEVER_RAN
#define SHOW	(source == RESUMED && SOURCE_RUNS_ALL && s_committed && d_committed && d_tombstone)
#endif
#ifdef SHOW_HELD
#define SHOW	(source == RESUMED && d_tombstone && loaded[0] && (to_d & COMMIT) && !d_committed)
#endif
#ifdef SHOW_DOUBT
#define SHOW	(source == DOUBT && cut && destination == STARTED)
#endif
#define NOT_SHOWN	(!SHOW)

#define ALWAYS(rule)	:: atomic { !(rule) -> assert(rule) }

active proctype Rules()
{
	do
	ALWAYS(AT_MOST_ONE_RUNS)
	ALWAYS(NEVER_BACK_AFTER_A_RUN)
	ALWAYS(RUNS_ON_WHOLE_STATE)
	ALWAYS(RETIRES_FOR_A_RUN)
	ALWAYS(TELLS_THE_TRUTH)
#ifdef SHOW
	ALWAYS(NOT_SHOWN)
#endif
	od
}

active proctype Rest()
{
	timeout;
	assert(DESTINATION_ENDS);
	assert(SOURCE_ENDS)
}
