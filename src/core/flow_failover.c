/* SPDX-License-Identifier: MIT */
/*
 * What becomes of packets whose lane died. Sent is not arrived: whatever the lane was given and is not known to be loaded is suspect,
 * also where its completion came, and stays where it is until both sides have fenced the lane and the other one has said what it
 * saw. Then, and not before, what was not seen may be carried by another lane: two lanes must never write the same slot.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "core/flow_parts.h"

void flow_lane_dead(struct flow *flow, unsigned lane)
{
	if (flow->lane[lane].state == LANE_LIVE)
		flow->lane[lane].state = LANE_DEAD;
	flow->lane[lane].outstanding = 0;
}

void flow_lane_fenced(struct flow *flow, unsigned lane)
{
	flow_lane_dead(flow, lane);
	if (flow->lane[lane].state == LANE_FENCED)
		return;
	flow->lane[lane].state = LANE_FENCED;
	flow->fenced++;
}

unsigned flow_living(const struct flow *flow)
{
	unsigned living = 0;

	for (unsigned l = 0; l < flow->lanes; l++)
		living += flow->lane[l].state == LANE_LIVE;
	return living;
}

static int lowest_lane(const struct flow *flow)
{
	for (unsigned l = 0; l < flow->lanes; l++)
		if (flow->lane[l].state == LANE_LIVE)
			return (int)l;
	return -ENOTCONN;
}

int flow_token(struct flow *flow)
{
	int lane = lowest_lane(flow);

	if (lane >= 0)
		flow->token_lane = lane;
	return lane;
}

void flow_report(const struct flow *flow, unsigned lane, unsigned d, struct message_fenced *report)
{
	const struct window *window = &flow->device[d].window;

	assert(flow->lane[lane].state == LANE_FENCED);
	memset(report, 0, sizeof(*report));
	report->lane = (uint16_t)lane;
	report->number = (uint16_t)d;
	report->loaded = window->base;
	report->slots = flow->slots;
	for (uint32_t i = 0; i < flow->slots; i++)
		if (window->entries[(window->base + i) % flow->slots].here)
			report->here[i / 8] |= (uint8_t)(1U << i % 8);
}

static bool was_given(const struct flow *flow, unsigned d, uint64_t index)
{
	return index < flow->lane[flow_home(flow, d, index)].given[d];
}

static int check_report(const struct flow *flow, const struct message_fenced *report, const char **why)
{
	*why = "fenced-shape";
	if (report->lane >= flow->lanes || report->number >= flow->devices || report->slots != flow->slots)
		return -EPROTO;
	*why = "fenced-beyond-sent";
	if (report->loaded > flow_given(flow, report->number))
		return -EPROTO;
	for (uint32_t i = 0; i < report->slots; i++)
		if (message_here(report, i) && !was_given(flow, report->number, report->loaded + i))
			return -EPROTO;
	return 0;
}

/* Has the other side, as @report says, packet @index? */
static bool seen(const struct message_fenced *report, uint64_t index)
{
	if (index < report->loaded)
		return true;
	return index - report->loaded < report->slots && message_here(report, (uint32_t)(index - report->loaded));
}

static void settle(struct flow *flow, const struct message_fenced *report, struct flow_slot *slot)
{
	unsigned d = report->number;
	uint64_t *next = &flow->lane[flow_home(flow, d, slot->index)].next[d];

	if (slot->index < flow->device[d].credit) {
		slot->owner = OWNER_NOBODY;
	} else if (seen(report, slot->index)) {
		slot->owner = OWNER_PEER;
	} else {
		slot->owner = OWNER_QUEUE;
		if (slot->index < *next)
			*next = slot->index;
		flow->lane[report->lane].resent++;
	}
}

int flow_resend(struct flow *flow, const struct message_fenced *report, const char **why)
{
	int rc = check_report(flow, report, why);
	struct flow_device *device;
	uint64_t before;

	if (rc)
		return rc;
	flow_lane_fenced(flow, report->lane);
	device = &flow->device[report->number];
	before = device->credit;
	if (report->loaded > before)
		device->credit = report->loaded;
	flow_free_loaded(flow, report->number, before);
	for (unsigned s = 0; s < flow->slots; s++) {
		struct flow_slot *slot = &device->slots[s];

		if ((slot->owner == OWNER_LANE || slot->owner == OWNER_PEER) && slot->lane == report->lane)
			settle(flow, report, slot);
	}
	if (flow->token_lane == (int)report->lane) {
		flow->token_due = !report->token;
		flow->token_lane = -1; /* asked once, not again for each device */
	}
	return 0;
}

static void recover_token(struct flow *flow, struct flow_actions *actions)
{
	int lane = flow->token_due ? flow_token(flow) : -ENOTCONN;

	if (lane < 0)
		return;
	flow->token_due = false;
	flow_emit(actions, FLOW_TOKEN)->lane = (unsigned)lane;
}

bool flow_recover(struct flow *flow, unsigned n, struct flow_actions *actions)
{
	actions->count = 0;
	if (n < flow->lanes)
		flow_pump(flow, n, actions);
	else if (n < flow->lanes + flow->devices)
		flow_wake(flow, n - flow->lanes, actions);
	else if (n == flow->lanes + flow->devices)
		recover_token(flow, actions);
	else
		return false;
	return true;
}
