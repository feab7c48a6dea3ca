/* SPDX-License-Identifier: MIT */
/* The critical path as sums: a span may have more than one piece of it. See budget.h. */
#include "budget.h"

uint64_t budget_path_ns(const struct vfiomig_budget *budget, enum vfiomig_span span)
{
	uint64_t sum_ns = 0;

	for (unsigned i = 0; i < budget->path_pieces; i++)
		if (budget->path[i].span == span)
			sum_ns += budget->path[i].end_ns - budget->path[i].begin_ns;
	return sum_ns;
}

enum vfiomig_span budget_path_longest(const struct vfiomig_budget *budget)
{
	enum vfiomig_span longest = VFIOMIG_SPAN_COUNT;
	uint64_t longest_ns = 0;

	for (unsigned i = 0; i < budget->path_pieces; i++) {
		uint64_t ns = budget_path_ns(budget, budget->path[i].span);

		if (ns > longest_ns) {
			longest = budget->path[i].span;
			longest_ns = ns;
		}
	}
	return longest;
}

const char *budget_side(enum vfiomig_span span)
{
	return vfiomig_span_at_source(span) ? "source" : "destination";
}
