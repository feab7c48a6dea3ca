/* SPDX-License-Identifier: MIT */
/* What the parts of the flow share. Private to flow*.c. */
#ifndef CORE_FLOW_PARTS_H
#define CORE_FLOW_PARTS_H

#include "core/flow.h"

/* The home of packet @index of device @d: neighbours have different ones, and devices start on different ones. */
static inline unsigned flow_home(const struct flow *flow, unsigned d, uint64_t index)
{
	return (unsigned)((d + index) % flow->lanes);
}

struct flow_action *flow_emit(struct flow_actions *actions, enum flow_action_kind kind);
void flow_wake(struct flow *flow, unsigned d, struct flow_actions *actions);

/* Give lane @l what it may carry and has room for. */
void flow_pump(struct flow *flow, unsigned l, struct flow_actions *actions);

/* Packets of @d that were given to lanes, from the first on without a gap: no credit may speak of more. */
uint64_t flow_given(const struct flow *flow, unsigned d);

/* The credit of @d has grown from @before: slots that nobody reads any more are free. */
void flow_free_loaded(struct flow *flow, unsigned d, uint64_t before);

#endif
