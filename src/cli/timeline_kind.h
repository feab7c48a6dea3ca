/* SPDX-License-Identifier: MIT */
/* What kind of work a span is: twenty colours tell nothing, seven do. */
#ifndef CLI_TIMELINE_KIND_H
#define CLI_TIMELINE_KIND_H

#include <vfiomig/vfiomig.h>

enum timeline_kind {
	TIMELINE_TRANSITION,
	TIMELINE_READ,
	TIMELINE_WIRE,
	TIMELINE_LOAD,
	TIMELINE_CONFIG,
	TIMELINE_COMMIT,
	TIMELINE_WAIT,
	TIMELINE_KINDS,
};

enum timeline_kind timeline_kind(enum vfiomig_span span);

/* The class of the style sheet, and what the legend says. */
const char *timeline_kind_class(enum timeline_kind kind);
const char *timeline_kind_word(enum timeline_kind kind);

#endif
