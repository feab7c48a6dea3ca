/* SPDX-License-Identifier: MIT */
/* From what both sides noted to one account of the downtime (struct vfiomig_budget). Pure. */
#ifndef CORE_BUDGET_H
#define CORE_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

#include <vfiomig/budget.h>

#include "core/clocks.h"
#include "wire/telemetry.h"

/* When a call to a device began and ended, on the own side's clock. Zero begin: it was not made. */
struct budget_call {
	uint64_t begin_ns, end_ns;
};

/* What the source notes of a device, on its clock. */
struct budget_source {
	struct budget_call quiesce, stop_copy, read, stop;
	uint64_t first_packet_ns; /* when the first packet of STOP_COPY was full */
	uint64_t precopy_bytes, precopy_ns;
	uint64_t stop_copy_bytes;
};

struct budget_facts {
	unsigned devices;
	uint64_t stop_ns, done_ns; /* on the source's clock; done 0: not known (the destination) */
	struct clocks clocks;	   /* the destination's against the source's */
	bool source_known, destination_known;
	struct budget_source source[VFIOMIG_DEVICES_MAX]; /* by the numbers on the wire */
	struct telemetry_spans destination[VFIOMIG_DEVICES_MAX];
};

/* Fills all of @budget but its size. */
void budget_make(const struct budget_facts *facts, struct vfiomig_budget *budget);

#endif
