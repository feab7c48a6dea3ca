/* SPDX-License-Identifier: MIT */
/* What must hold, and what must be reachable; part of commit.pml. */

/* At every instant. What a person decided is his: he may give up a run that has happened, but not make two of them. */
#define AT_MOST_ONE_RUNS	(!(SOURCE_RUNS && DEST_RUNS))
#define NEVER_BACK_AFTER_A_RUN	(!(ran && SOURCE_RUNS && !decided))
#define RUNS_ON_WHOLE_STATE	(!DEST_RUNS || (loaded[0] && loaded[1]))
#define RETIRES_FOR_A_RUN	(source != RETIRED || may_have_run || decided)
#define TELLS_THE_TRUTH		(source != RETIRED || told_degraded || ran_all || decided)
#define ONE_WORD		(!(said_ran && said_never && !decided))
#define WORD_STANDS		(!(said_never && DEST_RUNS))
#define RECORD_STANDS		(!overwritten)

/* And when nothing can happen any more. */
#define DESTINATION_ENDS \
	(destination == STARTED || destination == DEGRADED || destination == ABORTED || destination == ANSWERING || \
	 destination == GONE)
#define NOBODY_KNOWS \
	(cut || swept || destination == GONE || (destination == ANSWERING && d_record == COMMITTED))
#define SOURCE_ENDS \
	((source == RESUMED && SOURCE_RUNS_ALL && (!ran || decided)) || source == RETIRED || source == STUCK || \
	 source == DEAD || source == IN_DOUBT || (source == ASKING && NOBODY_KNOWS))
#define NOTHING_LEFT \
	(source == ASKING || source == IN_DOUBT || source == DEAD || s_record == NONE)

/* What the model must be able to reach, or its rules would hold for nothing: the checker is asked to refute it. */
#ifdef SHOW_DONE
#define SHOW	(source == RETIRED && destination == STARTED && BOTH(ON) && d_record == NONE && s_record == NONE)
#endif
#ifdef SHOW_DEGRADED
#define SHOW	(source == RETIRED && destination == DEGRADED && EITHER(ON) && EITHER(FAILED))
#endif
#ifdef SHOW_HUNG
#define SHOW	(source == RETIRED && destination == DEGRADED && EITHER(ON) && EITHER(LATE))
#endif
#ifdef SHOW_NEVER_RAN
#define SHOW	(source == RESUMED && (to_d & COMMIT) && d_record == ABORTED && EITHER(STOPPED) && s_record == NONE)
#endif
#ifdef SHOW_LATE_COMMIT
#define SHOW	(source == RESUMED && destination == ABORTED && (to_d & COMMIT) && !said_ran && d_record == ABORTED)
#endif
#ifdef SHOW_DOUBT
#define SHOW	(source == ASKING && cut && destination == STARTED)
#endif
#ifdef SHOW_BURIED
#define SHOW	(source == RESUMED && destination == ANSWERING && d_record == ABORTED && (to_d & QUERY))
#endif
#ifdef SHOW_HEARD_LATER
#define SHOW	(source == RETIRED && destination == ANSWERING && d_record == RUNNING && !decided)
#endif
#ifdef SHOW_RESOLVED_HERE
#define SHOW	(source == RESUMED && decided && ran && cut)
#endif
#ifdef SHOW_RESOLVED_THERE
#define SHOW	(source == RESUMED && decided && d_record == ABORTED && (to_s & SAY_ABORTED) && ran)
#endif
#ifdef SHOW_PROMOTED
#define SHOW	(source == DEAD && decided && destination == ANSWERING && BOTH(ON))
#endif
#define NOT_SHOWN	(!SHOW)

#define ALWAYS(rule)	:: atomic { !(rule) -> assert(rule) }

active proctype Rules()
{
	do
	ALWAYS(AT_MOST_ONE_RUNS)
	ALWAYS(NEVER_BACK_AFTER_A_RUN)
#ifndef RUNS_ONLY
	ALWAYS(RUNS_ON_WHOLE_STATE)
	ALWAYS(RETIRES_FOR_A_RUN)
	ALWAYS(TELLS_THE_TRUTH)
	ALWAYS(ONE_WORD)
	ALWAYS(WORD_STANDS)
	ALWAYS(RECORD_STANDS)
#endif
#ifdef SHOW
	ALWAYS(NOT_SHOWN)
#endif
	od
}

/* Not only may they end: they do, if every step that stays possible is taken some time. */
#ifdef FAIR
ltl BOTH_END { <> (DESTINATION_ENDS && SOURCE_ENDS) }
#else
active proctype Rest()
{
	timeout;
	assert(DESTINATION_ENDS);
	assert(SOURCE_ENDS);
	assert(NOTHING_LEFT)
}
#endif
