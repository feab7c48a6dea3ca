/* SPDX-License-Identifier: MIT */
/* The words for spans, as tables, pages and JSON show them. */
#include <vfiomig/budget.h>

static const struct {
	const char *name;
	bool source;
} spans[VFIOMIG_SPAN_COUNT] = {
	[VFIOMIG_SPAN_QUIESCE] = { "quiesce", true },
	[VFIOMIG_SPAN_STOP_BARRIER] = { "stop barrier", true },
	[VFIOMIG_SPAN_STOP] = { "stop transition", true },
	[VFIOMIG_SPAN_FIRST_READ] = { "first read", true },
	[VFIOMIG_SPAN_READ] = { "read", true },
	[VFIOMIG_SPAN_SLOT_WAIT] = { "slot wait", true },
	[VFIOMIG_SPAN_SOURCE_STOP] = { "source stop", true },
	[VFIOMIG_SPAN_WIRE] = { "wire", false },
	[VFIOMIG_SPAN_REORDER_WAIT] = { "reorder wait", false },
	[VFIOMIG_SPAN_LOAD] = { "load", false },
	[VFIOMIG_SPAN_STARVED] = { "starved", false },
	[VFIOMIG_SPAN_HAND_OVER] = { "hand-over", false },
	[VFIOMIG_SPAN_GATE_WAIT] = { "gate wait", false },
	[VFIOMIG_SPAN_CONFIG] = { "config load", false },
	[VFIOMIG_SPAN_LOAD_TRANSITION] = { "load transition", false },
	[VFIOMIG_SPAN_COMMIT] = { "commit", false },
	[VFIOMIG_SPAN_RUN_P2P] = { "run P2P", false },
	[VFIOMIG_SPAN_RUN_BARRIER] = { "run barrier", false },
	[VFIOMIG_SPAN_RUN] = { "run transition", false },
	[VFIOMIG_SPAN_DONE] = { "done", false },
};

const char *vfiomig_span_name(enum vfiomig_span span)
{
	return (unsigned)span < VFIOMIG_SPAN_COUNT ? spans[span].name : "?";
}

bool vfiomig_span_at_source(enum vfiomig_span span)
{
	return (unsigned)span < VFIOMIG_SPAN_COUNT && spans[span].source;
}
