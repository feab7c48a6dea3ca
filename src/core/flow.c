/* SPDX-License-Identifier: MIT */
#include "core/flow.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "core/flow_parts.h"
#include "order/credit.h"

static size_t memory_bytes(const struct flow_shape *shape)
{
	size_t entry = shape->role == VFIOMIG_SOURCE ? sizeof(struct flow_slot) : sizeof(struct window_entry);

	return shape->devices * (shape->slots * entry + shape->lanes * 2 * sizeof(uint64_t));
}

int flow_init(struct flow *flow, const struct flow_shape *shape)
{
	uint64_t *next;
	char *entries;

	*flow = (struct flow){ .role = shape->role,
			       .devices = shape->devices,
			       .lanes = shape->lanes,
			       .slots = shape->slots,
			       .slot_bytes = shape->slot_bytes,
			       .token_lane = -1 };
	flow->memory = calloc(1, memory_bytes(shape));
	if (!flow->memory)
		return -ENOMEM;
	next = flow->memory;
	for (unsigned l = 0; l < flow->lanes; l++, next += 2 * flow->devices) {
		flow->lane[l].next = next;
		flow->lane[l].given = next + flow->devices;
		for (unsigned d = 0; d < flow->devices; d++)
			next[d] = next[flow->devices + d] = (l + flow->lanes - d % flow->lanes) % flow->lanes;
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

struct flow_action *flow_emit(struct flow_actions *actions, enum flow_action_kind kind)
{
	struct flow_action *action = &actions->action[actions->count++];

	assert(actions->count <= FLOW_ACTIONS_MAX);
	*action = (struct flow_action){ .kind = kind };
	return action;
}

void flow_wake(struct flow *flow, unsigned d, struct flow_actions *actions)
{
	if (!flow->device[d].waiting)
		return;
	flow->device[d].waiting = false;
	flow_emit(actions, FLOW_WAKE)->device = d;
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

/* Of device @d's packets whose home is lane @h, the first that waits. False: none does. */
static bool first_waiting(struct flow *flow, unsigned h, unsigned d, uint64_t *index)
{
	const struct flow_device *device = &flow->device[d];
	uint64_t *next = &flow->lane[h].next[d];

	for (; *next < device->packets; *next += flow->lanes) {
		const struct flow_slot *slot = &device->slots[*next % flow->slots];

		if (slot->owner == OWNER_QUEUE && slot->index == *next) {
			*index = *next;
			return true;
		}
	}
	return false;
}

/* The first packet of device @d that lane @l may carry: its own, or one whose home is fenced. */
static bool first_for(struct flow *flow, unsigned l, unsigned d, uint64_t *index)
{
	bool any = first_waiting(flow, l, d, index);
	uint64_t other;

	for (unsigned h = 0; flow->fenced && h < flow->lanes; h++)
		if (flow->lane[h].state == LANE_FENCED && first_waiting(flow, h, d, &other) &&
		    (!any || other < *index)) {
			*index = other;
			any = true;
		}
	return any;
}

/* The next packet for lane @l, devices in turn. False: there is none. */
static bool next_packet(struct flow *flow, unsigned l, unsigned *d, uint64_t *index)
{
	for (unsigned i = 0; i < flow->devices; i++) {
		*d = (flow->lane[l].turn + i) % flow->devices;
		if (first_for(flow, l, *d, index))
			return true;
	}
	return false;
}

static bool has_room(const struct flow_lane *lane)
{
	return lane->state == LANE_LIVE && lane->outstanding < FLOW_OUTSTANDING_MAX;
}

static void give(struct flow *flow, unsigned l, unsigned d, uint64_t index, struct flow_actions *actions)
{
	struct flow_lane *lane = &flow->lane[l], *home = &flow->lane[flow_home(flow, d, index)];
	struct flow_slot *slot = &flow->device[d].slots[index % flow->slots];
	struct flow_action *action = flow_emit(actions, FLOW_POST);

	assert(credit_allows(flow->device[d].credit, flow->slots, index));
	slot->owner = OWNER_LANE;
	slot->lane = l;
	home->next[d] = index + flow->lanes;
	if (home->given[d] <= index)
		home->given[d] = index + flow->lanes;
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

void flow_pump(struct flow *flow, unsigned l, struct flow_actions *actions)
{
	uint64_t index;
	unsigned d;

	while (has_room(&flow->lane[l]) && next_packet(flow, l, &d, &index))
		give(flow, l, d, index, actions);
}

/* Who carries a packet whose home is @home: in turn, all that live and have room, once it is fenced. */
static unsigned carrier(struct flow *flow, unsigned home)
{
	if (flow->lane[home].state != LANE_FENCED)
		return home;
	for (unsigned i = 0; i < flow->lanes; i++) {
		unsigned l = (flow->next_lane + i) % flow->lanes;

		if (!has_room(&flow->lane[l]))
			continue;
		flow->next_lane = (l + 1) % flow->lanes;
		return l;
	}
	return home; /* none: the next one that has will find it */
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
	flow_pump(flow, carrier(flow, flow_home(flow, d, index)), actions);
}

void flow_sent(struct flow *flow, unsigned lane, unsigned d, unsigned slot, struct flow_actions *actions)
{
	struct flow_device *device = &flow->device[d];
	struct flow_slot *sent = &device->slots[slot];

	actions->count = 0;
	/* Whoever posted it may say so late: by then it may have been given to another lane. */
	if (flow->lane[lane].state != LANE_LIVE)
		return;
	assert(sent->owner == OWNER_LANE && sent->lane == lane);
	sent->owner = sent->index < device->credit ? OWNER_NOBODY : OWNER_PEER;
	flow->lane[lane].outstanding--;
	flow_pump(flow, lane, actions);
	if (sent->owner == OWNER_NOBODY)
		flow_wake(flow, d, actions);
}

uint64_t flow_given(const struct flow *flow, unsigned d)
{
	uint64_t lowest = flow->device[d].packets;

	for (unsigned l = 0; l < flow->lanes; l++)
		if (flow->lane[l].given[d] < lowest)
			lowest = flow->lane[l].given[d];
	return lowest;
}

void flow_free_loaded(struct flow *flow, unsigned d, uint64_t before)
{
	struct flow_device *device = &flow->device[d];

	for (uint64_t i = before; i < device->credit; i++) {
		struct flow_slot *slot = &device->slots[i % flow->slots];

		if (slot->owner == OWNER_PEER && slot->index == i)
			slot->owner = OWNER_NOBODY;
	}
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
	if (credit_take(&device->credit, flow_given(flow, d), immediate_index(immediate)) < 0)
		return -EPROTO;
	flow_free_loaded(flow, d, before);
	if (device->credit > before)
		flow_wake(flow, d, actions);
	return 0;
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
