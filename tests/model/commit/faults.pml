/* SPDX-License-Identifier: MIT */
/*
 * What goes wrong, and the person who puts it right; part of commit.pml.
 *
 * LOSS         the connection breaks, and all that was on it is lost; the source can ask over a new one (twice)
 * CUT          the link goes down for good
 * IMPATIENT    the source stops asking: its time is over, or it is cancelled
 * KILL_S       the source's process dies, and its devices with it
 * KILL_S_HELD  it dies, but a VMM holds the devices (twice)
 * KILL_D       the destination's dies, its devices are reset; a later one answers from the journal (twice)
 * KILL_D_HELD  the same, but a VMM holds the devices: they stay as they are
 * KILL_D_GONE  it dies, and nobody ever answers there again
 * SWEEP        a later process has removed what is old
 * MISJUDGED    who listens there takes the living process for dead (it cannot see it: another container)
 * PERSON       `resolve`, twice, on either machine, after the other side was fenced as he vouches
 * LIAR         the same, but nothing was fenced; LIAR_THERE: only where the destination's record is
 */

/* A fault may also stay away, or the rules of rest would only ever be asked of runs that had all of them. */
#define MAYBE(fault)	if :: fault :: true fi

#ifdef LOSS
#define LOSE_ALL	atomic { to_d != 0 || to_s != 0 -> to_d = 0; to_s = 0 }
active proctype Loss() { MAYBE(LOSE_ALL); MAYBE(LOSE_ALL) }
#endif

#ifdef CUT
active proctype Cut() { MAYBE(cut = true) }
#endif

#ifdef IMPATIENT
#define STOP_ASKING	atomic { source == ASKING -> source = IN_DOUBT }
active proctype Impatience() { MAYBE(STOP_ASKING) }
#endif

#ifdef KILL_S
#define KILL_IT \
	atomic { source != RETIRED -> source = DEAD; src[0] = FAILED; src[1] = FAILED }
active proctype KillSource() { MAYBE(KILL_IT) }
#endif

#ifdef KILL_S_HELD
#define ORPHAN_ITS_DEVICES \
	atomic { source != STUCK && source != DEAD && source != ORPHANED && !told -> source = ORPHANED }
active proctype KillHeldSource() { MAYBE(ORPHAN_ITS_DEVICES); MAYBE(ORPHAN_ITS_DEVICES) }
#endif

/* Its devices are reset when their last descriptor closes; a VMM that holds them keeps them as they are. */
#if defined(KILL_D) || defined(KILL_D_GONE)
#define DEVICES_GO	dst[0] = STOPPED; dst[1] = STOPPED; loaded[0] = false; loaded[1] = false
#else
#define DEVICES_GO	skip
#endif
#ifdef KILL_D_GONE
#define AFTER_DEATH	GONE
#else
#define AFTER_DEATH	DOWN
#endif
#define KILL_IT_THERE \
	atomic { destination != GONE && destination != DOWN -> \
		if :: LIVES -> DEVICES_GO :: else fi; \
		destination = AFTER_DEATH }

#if defined(KILL_D) || defined(KILL_D_HELD) || defined(KILL_D_GONE)
active proctype KillDestination() { MAYBE(KILL_IT_THERE); MAYBE(KILL_IT_THERE) }
#endif

/* What is old goes, but for a doubt, and for what a source has not told to its caller: none must stay "never". */
#ifdef NO_RETIREMENT_KEPT
#define MAY_GO_HERE	(s_record == ABORTED || s_record == RETIRED)
#else
#define MAY_GO_HERE	(s_record == ABORTED)
#endif
#ifdef SWEEP
#define SWEEP_THERE \
	atomic { destination == ANSWERING && d_record != NONE && d_record != COMMITTED -> d_record = NONE; swept = true }
#define SWEEP_HERE	atomic { source == ORPHANED && MAY_GO_HERE -> s_record = NONE }
active proctype Sweep() { MAYBE(SWEEP_THERE); MAYBE(SWEEP_HERE) }
#endif

/* Reading the record and writing it are one, for whoever writes there: whose judgement is wrong is stopped by that. */
#ifdef MISJUDGED
active proctype Stranger()
{
#ifdef NO_LOCK
	MAYBE(atomic { CAME_D(QUERY) && d_record == PREPARED && LIVES -> skip }; put(ABORTED))
#else
	MAYBE(atomic { CAME_D(QUERY) && d_record == PREPARED && LIVES -> put(ABORTED) })
#endif
}
#endif

/* ------------------------------------------------------------------------------------------------- person */

#if defined(PERSON) || defined(LIAR) || defined(LIAR_THERE)

/* "I made sure that it does not run and cannot start": for good. */
#ifdef PERSON
#define FENCE_D	if :: LIVES -> destination = DOWN :: else fi; dst[0] = FAILED; dst[1] = FAILED
#define FENCE_S	if :: source == RETIRED :: else -> source = DEAD; src[0] = FAILED; src[1] = FAILED fi
#else
#define FENCE_D	skip
#define FENCE_S	skip
#endif

/* A record whose process lives is that process's: it ends the session by itself. */
#ifdef NO_HELD_REFUSAL
#define HELD	false
#else
#define HELD	LIVES
#endif
#define IN_DOUBT_THERE	(!HELD && (d_record == PREPARED || d_record == COMMITTED))

/* What was told to the source, or decided, stands. */
#ifdef NO_FINAL_REFUSAL
#define RESUMABLE	(IN_DOUBT_THERE || d_record == RUNNING || d_record == DONE)
#define PROMOTABLE	(IN_DOUBT_THERE || d_record == RUNNING || d_record == ABORTED)
#else
#define RESUMABLE	IN_DOUBT_THERE
#define PROMOTABLE	(IN_DOUBT_THERE || d_record == RUNNING)
#endif

/* A VMM that still holds the devices starts them at his word. */
inline start_held(d)
{
#ifdef KILL_D_HELD
	if
	:: dst[d] == STOPPED || dst[d] == P2P || dst[d] == LATE -> dst[d] = ON; ran = true
	:: else
	fi
#else
	skip
#endif
}

#define WANTED		(!SOURCE_RUNS)	/* nobody asks for a decision while it runs */
#define DECIDE \
	if \
	:: atomic { NOT_ONLY_THERE && WANTED && s_record == COMMITTED -> FENCE_D; s_record = ABORTED; decided = true } \
	:: atomic { NOT_ONLY_THERE && WANTED && s_record == COMMITTED -> s_record = RETIRED; decided = true } \
	:: atomic { WANTED && d_record != NONE -> FENCE_D; \
		if :: RESUMABLE -> put(ABORTED); decided = true :: else fi } \
	:: atomic { NOT_ONLY_THERE && WANTED && d_record != NONE -> FENCE_S; \
		if \
		:: PROMOTABLE -> \
			if :: d_record == RUNNING || LIVES :: else -> start_held(0); start_held(1) fi; \
			put(DONE); decided = true \
		:: else \
		fi } \
	fi

#ifdef LIAR_THERE
#define NOT_ONLY_THERE	false
#else
#define NOT_ONLY_THERE	true
#endif

active proctype Person() { MAYBE(DECIDE); MAYBE(DECIDE) }
#endif
