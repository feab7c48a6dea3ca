/* SPDX-License-Identifier: MIT */
#include "core/clocks.h"

void clocks_take(struct clocks *clocks, uint64_t sent_ns, uint64_t answered_ns, uint64_t heard_ns)
{
	uint64_t half_ns, error_ns;

	if (heard_ns < sent_ns)
		return;
	half_ns = (heard_ns - sent_ns) / 2;
	error_ns = heard_ns - sent_ns - half_ns; /* of an odd round trip, the larger half */
	if (clocks->samples++ && error_ns >= clocks->error_ns)
		return;
	clocks->error_ns = error_ns;
	clocks->offset_ns = (int64_t)(answered_ns - (sent_ns + half_ns));
}

struct clocks clocks_between(const struct clocks *before, const struct clocks *after)
{
	struct clocks both;
	uint64_t apart_ns;

	if (!before->samples || !after->samples)
		return before->samples ? *before : *after;
	apart_ns = before->offset_ns > after->offset_ns ? (uint64_t)before->offset_ns - (uint64_t)after->offset_ns
							: (uint64_t)after->offset_ns - (uint64_t)before->offset_ns;
	both.samples = before->samples + after->samples;
	both.error_ns =
		(before->error_ns > after->error_ns ? before->error_ns : after->error_ns) + apart_ns - apart_ns / 2;
	both.offset_ns =
		(before->offset_ns < after->offset_ns ? before->offset_ns : after->offset_ns) + (int64_t)(apart_ns / 2);
	return both;
}
