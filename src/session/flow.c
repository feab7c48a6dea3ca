/* SPDX-License-Identifier: MIT */
#include "session/flow.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "order/credit.h"

/* Lane of packet @index of device @d: neighbours travel on different lanes, and devices start on different ones. */
static unsigned lane_of(const struct flow *flow, unsigned d, uint64_t index)
{
	return (unsigned)((d + index) % flow->lanes);
}

static size_t memory_bytes(const struct flow_shape *shape)
{
	size_t entry = shape->role == VFIOMIG_SOURCE ? sizeof(struct flow_slot) : sizeof(struct window_entry);

	return shape->devices * (shape->slots * entry + shape->lanes * sizeof(uint64_t));
}

int flow_init(struct flow *flow, const struct flow_shape *shape)
{
	uint64_t *next;
	char *entries;

	*flow = (struct flow){ .role = shape->role,
			       .devices = shape->devices,
			       .lanes = shape->lanes,
			       .slots = shape->slots,
			       .slot_bytes = shape->slot_bytes };
	flow->memory = calloc(1, memory_bytes(shape));
	if (!flow->memory)
		return -ENOMEM;
	next = flow->memory;
	for (unsigned l = 0; l < flow->lanes; l++, next += flow->devices) {
		flow->lane[l].next = next;
		for (unsigned d = 0; d < flow->devices; d++)
			next[d] = (l + flow->lanes - d % flow->lanes) % flow->lanes;
	}
	entries = (char *)next;
	for (unsigned d = 0; d < flow->devices; d++) {
		if (flow->role == VFIOMIG_SOURCE) {
			flow->device[d].slots = (struct flow_slot *)(void *)entries;
			entries += flow->slots * sizeof(struct flow_slot);
		} else {
			window_init(&flow->device[d].window, (struct window_entry *)(void *)entries, flow->slots);
			entries += flow->slots * sizeof(struct window_entry);
		}
	}
	return 0;
}

void flow_fini(struct flow *flow)
{
	free(flow->memory);
	*flow = (struct flow){ 0 };
}

static struct flow_action *emit(struct flow_actions *actions, enum flow_action_kind kind)
{
	struct flow_action *action = &actions->action[actions->count++];

	assert(actions->count <= FLOW_ACTIONS_MAX);
	*action = (struct flow_action){ .kind = kind };
	return action;
}

static void wake(struct flow *flow, unsigned d, struct flow_actions *actions)
{
	if (!flow->device[d].waiting)
		return;
	flow->device[d].waiting = false;
	emit(actions, FLOW_WAKE)->device = d;
}

bool flow_take(struct flow *flow, unsigned d, unsigned *slot, uint64_t *index)
{
	struct flow_device *device = &flow->device[d];
	struct flow_slot *mine = &device->slots[device->packets % flow->slots];

	if (mine->owner != OWNER_READER) {
		/* Two conditions, and both are needed: loaded over there, and not read by any work request here. */
		device->waiting =
			mine->owner != OWNER_NOBODY || !credit_allows(device->credit, flow->slots, device->packets);
		if (device->waiting)
			return false;
		*mine = (struct flow_slot){ .owner = OWNER_READER, .index = device->packets };
	}
	*slot = (unsigned)(device->packets % flow->slots);
	*index = device->packets;
	return true;
}

bool flow_settled(struct flow *flow, unsigned d)
{
	struct flow_device *device = &flow->device[d];

	device->waiting = device->credit < device->packets;
	return !device->waiting;
}

/* The next packet for @lane, devices in turn. False: there is none. */
static bool next_packet(struct flow *flow, struct flow_lane *lane, unsigned *d)
{
	for (unsigned i = 0; i < flow->devices; i++) {
		*d = (lane->turn + i) % flow->devices;
		if (lane->next[*d] < flow->device[*d].packets)
			return true;
	}
	return false;
}

static void pump(struct flow *flow, unsigned l, struct flow_actions *actions)
{
	struct flow_lane *lane = &flow->lane[l];
	unsigned d;

	while (!lane->dead && lane->outstanding < FLOW_OUTSTANDING_MAX && next_packet(flow, lane, &d)) {
		uint64_t index = lane->next[d];
		struct flow_slot *slot = &flow->device[d].slots[index % flow->slots];
		struct flow_action *action = emit(actions, FLOW_POST);

		assert(slot->owner == OWNER_QUEUE && slot->index == index);
		assert(credit_allows(flow->device[d].credit, flow->slots, index));
		slot->owner = OWNER_LANE;
		lane->next[d] += flow->lanes;
		lane->turn = (d + 1) % flow->devices;
		lane->outstanding++;
		lane->packets++;
		lane->bytes += slot->bytes;
		action->lane = l;
		action->device = d;
		action->slot = (unsigned)(index % flow->slots);
		action->bytes = slot->bytes;
		action->immediate = immediate_make(IMMEDIATE_DATA, d, index);
	}
}

void flow_filled(struct flow *flow, unsigned d, uint32_t bytes, bool config, struct flow_actions *actions)
{
	struct flow_device *device = &flow->device[d];
	uint64_t index = device->packets;
	struct flow_slot *slot = &device->slots[index % flow->slots];

	actions->count = 0;
	assert(slot->owner == OWNER_READER && !device->config);
	slot->owner = OWNER_QUEUE;
	slot->bytes = bytes;
	device->packets++;
	device->bytes += bytes;
	device->config = config;
	pump(flow, lane_of(flow, d, index), actions);
}

void flow_sent(struct flow *flow, unsigned lane, unsigned d, unsigned slot, struct flow_actions *actions)
{
	struct flow_device *device = &flow->device[d];
	struct flow_slot *sent = &device->slots[slot];

	actions->count = 0;
	assert(sent->owner == OWNER_LANE);
	sent->owner = sent->index < device->credit ? OWNER_NOBODY : OWNER_PEER;
	flow->lane[lane].outstanding--;
	pump(flow, lane, actions);
	if (sent->owner == OWNER_NOBODY)
		wake(flow, d, actions);
}

/* Packets that were given to lanes, from the first on without a gap: no credit may speak of more. */
static uint64_t given(const struct flow *flow, unsigned d)
{
	uint64_t lowest = flow->device[d].packets;

	for (unsigned l = 0; l < flow->lanes; l++)
		if (flow->lane[l].next[d] < lowest)
			lowest = flow->lane[l].next[d];
	return lowest;
}

int flow_credit(struct flow *flow, uint32_t immediate, struct flow_actions *actions, const char **why)
{
	unsigned d = immediate_device(immediate);
	struct flow_device *device = &flow->device[d];
	uint64_t before;

	actions->count = 0;
	*why = "credit-foreign-device";
	if (d >= flow->devices)
		return -EPROTO;
	*why = "credit-beyond-sent";
	before = device->credit;
	if (credit_take(&device->credit, given(flow, d), immediate_index(immediate)) < 0)
		return -EPROTO;
	for (uint64_t i = before; i < device->credit; i++) {
		struct flow_slot *slot = &device->slots[i % flow->slots];

		if (slot->owner == OWNER_PEER && slot->index == i)
			slot->owner = OWNER_NOBODY;
	}
	if (device->credit > before)
		wake(flow, d, actions);
	return 0;
}

void flow_lane_dead(struct flow *flow, unsigned lane)
{
	flow->lane[lane].dead = true;
}

bool flow_drained(const struct flow *flow)
{
	for (unsigned d = 0; d < flow->devices; d++) {
		const struct flow_device *device = &flow->device[d];

		if (flow->role == VFIOMIG_SOURCE ? !device->config || device->credit < device->packets
						 : !window_done(&device->window))
			return false;
	}
	return true;
}

int flow_lowest_lane(const struct flow *flow)
{
	for (unsigned l = 0; l < flow->lanes; l++)
		if (!flow->lane[l].dead)
			return (int)l;
	return -ENOTCONN;
}

static bool source_consistent(const struct flow *flow, unsigned d)
{
	const struct flow_device *device = &flow->device[d];
	unsigned owned[OWNER_COUNT] = { 0 };

	for (unsigned s = 0; s < flow->slots; s++) {
		const struct flow_slot *slot = &device->slots[s];

		owned[slot->owner]++;
		if (slot->owner != OWNER_NOBODY && !credit_allows(device->credit, flow->slots, slot->index))
			return false;
		if (slot->owner == OWNER_PEER && slot->index < device->credit)
			return false;
	}
	return owned[OWNER_READER] <= 1;
}

bool flow_consistent(const struct flow *flow)
{
	for (unsigned l = 0; l < flow->lanes; l++)
		if (flow->lane[l].outstanding > FLOW_OUTSTANDING_MAX)
			return false;
	for (unsigned d = 0; d < flow->devices; d++) {
		const struct window *window = &flow->device[d].window;

		if (flow->role == VFIOMIG_SOURCE && !source_consistent(flow, d))
			return false;
		if (flow->role == VFIOMIG_DESTINATION &&
		    (window->end < window->base || window->end - window->base > flow->slots))
			return false;
	}
	return true;
}
