/* SPDX-License-Identifier: MIT */
/* Two joined cores (core_pair.h) that have ended: is what they say true? */
#ifndef SUPPORT_CORE_PAIR_JUDGE_H
#define SUPPORT_CORE_PAIR_JUDGE_H

#include "support/core_pair.h"

/* A probe leaves everything as it was, whatever happens to it. */
static inline const char *judge_probe(const struct pair *pair)
{
	const struct side *source = &pair->side[SOURCE], *destination = &pair->side[DESTINATION];
	enum vfiomig_code said = source->core.outcome.code;

	if (running(pair, destination))
		return "a probe lets the destination run";
	if (said != VFIOMIG_SOURCE_STUCK && running(pair, source) < pair->devices)
		return "a probe takes a device away";
	return said == VFIOMIG_IN_DOUBT || said == VFIOMIG_DEGRADED ? "a probe in doubt" : NULL;
}

/* Result codes against what the guests see; the source's may be that it does not know. */
static inline const char *judge_callers(const struct pair *pair)
{
	const struct side *source = &pair->side[SOURCE], *destination = &pair->side[DESTINATION];
	enum vfiomig_code said = source->core.outcome.code, meant = destination->core.outcome.code;
	bool alone = source->core.alone, stands = said == VFIOMIG_OK || said == VFIOMIG_DEGRADED;
	bool never_ran = meant >= VFIOMIG_INTERNAL && meant <= VFIOMIG_CANCELLED;

	if (pair->callers.committed[SOURCE] && !(stands || said == VFIOMIG_IN_DOUBT))
		return "the source was committed, and went back";
	if (!pair->callers.committed[SOURCE] && (stands || said == VFIOMIG_IN_DOUBT))
		return "the source was not committed, and stayed";
	if ((stands || said == VFIOMIG_IN_DOUBT) && running(pair, source))
		return "the source says that it does not run";
	if (stands && !alone && said != meant)
		return "the source says what became of the destination, and that does not";
	if (said == VFIOMIG_IN_DOUBT && !never_ran)
		return "the source says that the destination gave up";
	if (!pair->callers.committed[DESTINATION] && running(pair, destination))
		return "the destination runs without its caller's commit";
	if (never_ran && running(pair, destination))
		return "the destination says that it never ran";
	if (meant == VFIOMIG_OK && running(pair, destination) < pair->devices)
		return "the destination says that it runs";
	if (said >= VFIOMIG_INTERNAL && said <= VFIOMIG_CANCELLED && running(pair, source) < pair->devices)
		return "the source says that it runs";
	return NULL;
}

/* What an exit code promises (DESIGN of the codes in vfiomig/error.h), against what the guests see. */
static inline const char *judge(const struct pair *pair)
{
	const struct side *source = &pair->side[SOURCE], *destination = &pair->side[DESTINATION];
	enum vfiomig_code said = source->core.outcome.code, meant = destination->core.outcome.code;

	if (source->witness.purpose != CORE_MIGRATE)
		return judge_probe(pair);
	if (pair->external)
		return judge_callers(pair);
	if (said == VFIOMIG_OK && running(pair, destination) < pair->devices)
		return "the source says that the destination runs";
	if (said == VFIOMIG_OK && meant != VFIOMIG_OK)
		return "OK at the source alone";
	if (said == VFIOMIG_DEGRADED && meant != VFIOMIG_DEGRADED)
		return "degraded at the source alone";
	if (said >= VFIOMIG_INTERNAL && said <= VFIOMIG_CANCELLED && running(pair, source) < pair->devices)
		return "the source says that it runs";
	if (said == VFIOMIG_IN_DOUBT && running(pair, source))
		return "the source is in doubt and runs";
	if (meant == VFIOMIG_OK &&
	    (running(pair, destination) < pair->devices || (said != VFIOMIG_OK && said != VFIOMIG_IN_DOUBT)))
		return "the destination says that it runs";
	if (meant >= VFIOMIG_INTERNAL && meant <= VFIOMIG_CANCELLED &&
	    (running(pair, destination) || said == VFIOMIG_OK || said == VFIOMIG_DEGRADED))
		return "the destination says that it never ran";
	return NULL;
}

#endif
