/* SPDX-License-Identifier: MIT */
/* See timeline_kind.h. */
#include "timeline_kind.h"

static const struct {
	const char *name, *word;
} kinds[TIMELINE_KINDS] = {
	[TIMELINE_TRANSITION] = { "transition", "state transition" },
	[TIMELINE_READ] = { "read", "read" },
	[TIMELINE_WIRE] = { "wire", "wire" },
	[TIMELINE_LOAD] = { "load", "load" },
	[TIMELINE_CONFIG] = { "config", "config load" },
	[TIMELINE_COMMIT] = { "commit", "commit" },
	[TIMELINE_WAIT] = { "wait", "waits for others" },
};

enum timeline_kind timeline_kind(enum vfiomig_span span)
{
	switch (span) {
	case VFIOMIG_SPAN_QUIESCE:
	case VFIOMIG_SPAN_STOP:
	case VFIOMIG_SPAN_SOURCE_STOP:
	case VFIOMIG_SPAN_LOAD_TRANSITION:
	case VFIOMIG_SPAN_RUN_P2P:
	case VFIOMIG_SPAN_RUN:
		return TIMELINE_TRANSITION;
	case VFIOMIG_SPAN_FIRST_READ:
	case VFIOMIG_SPAN_READ:
		return TIMELINE_READ;
	case VFIOMIG_SPAN_WIRE:
		return TIMELINE_WIRE;
	case VFIOMIG_SPAN_LOAD:
		return TIMELINE_LOAD;
	case VFIOMIG_SPAN_CONFIG:
		return TIMELINE_CONFIG;
	case VFIOMIG_SPAN_COMMIT:
	case VFIOMIG_SPAN_DONE:
		return TIMELINE_COMMIT;
	default:
		return TIMELINE_WAIT;
	}
}

const char *timeline_kind_class(enum timeline_kind kind)
{
	return kinds[kind].name;
}

const char *timeline_kind_word(enum timeline_kind kind)
{
	return kinds[kind].word;
}
