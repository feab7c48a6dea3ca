/* SPDX-License-Identifier: MIT */
/* The destination's half of the flow: arrivals, order, credits. */
#include <assert.h>
#include <errno.h>

#include "core/flow_parts.h"

static int refuse(const char **why, const char *word)
{
	*why = word;
	return -EPROTO;
}

/* A packet comes over its home, or, once that is fenced, over any lane but those: or else two could write one slot. */
static bool may_come(const struct flow *flow, unsigned lane, unsigned d, uint64_t index)
{
	unsigned home = flow_home(flow, d, index);

	if (flow->lane[lane].state == LANE_FENCED)
		return false;
	return home == lane || flow->lane[home].state == LANE_FENCED;
}

int flow_slot_of(const struct flow *flow, uint32_t immediate, unsigned *d, unsigned *slot, const char **why)
{
	uint64_t index;

	*d = immediate_device(immediate);
	if (*d >= flow->devices)
		return refuse(why, "packet-foreign-device");
	index = window_index(&flow->device[*d].window, immediate_index(immediate));
	*slot = (unsigned)(index % flow->slots);
	return 0;
}

int flow_place(const struct flow *flow, unsigned lane, uint32_t immediate, uint32_t payload_bytes, unsigned *d,
	       unsigned *slot, const char **why)
{
	const struct window *window;
	uint64_t index;
	int rc = flow_slot_of(flow, immediate, d, slot, why);

	if (rc)
		return rc;
	window = &flow->device[*d].window;
	index = window_index(window, immediate_index(immediate));
	if (payload_bytes > flow->slot_bytes)
		return refuse(why, "packet-too-long");
	if (!may_come(flow, lane, *d, index))
		return refuse(why, "packet-lane"); /* another lane may be filling this slot */
	return window_check(window, index, why);
}

static int check_arrival(const struct flow *flow, unsigned lane, uint32_t immediate, const struct packet_header *header,
			 const char **why)
{
	unsigned d = immediate_device(immediate);

	if (d >= flow->devices)
		return refuse(why, "packet-foreign-device");
	if (header->device != d || header->index != window_index(&flow->device[d].window, immediate_index(immediate)))
		return refuse(why, "packet-immediate");
	if (!may_come(flow, lane, d, header->index))
		return refuse(why, "packet-lane");
	if (header->bytes > flow->slot_bytes)
		return refuse(why, "packet-too-long");
	return 0;
}

int flow_arrived(struct flow *flow, unsigned lane, uint32_t immediate, const struct packet_header *header,
		 struct flow_actions *actions, const char **why)
{
	unsigned d = immediate_device(immediate);
	struct flow_device *device = &flow->device[d];
	int rc = check_arrival(flow, lane, immediate, header, why);

	actions->count = 0;
	if (rc)
		return rc;
	rc = window_put(&device->window, header->index, header->bytes, header->flags, header->crc, why);
	if (rc)
		return rc;
	device->packets++;
	device->bytes += header->bytes;
	device->config |= header->flags & PACKET_CONFIG_STATE;
	flow->lane[lane].packets++;
	flow->lane[lane].bytes += header->bytes;
	if (device->waiting && window_ready(&device->window, 1)) {
		device->waiting = false;
		actions->action[actions->count++] = (struct flow_action){ .kind = FLOW_WAKE, .device = d };
	}
	return 0;
}

unsigned flow_ready(struct flow *flow, unsigned d, unsigned max, bool wait)
{
	struct flow_device *device = &flow->device[d];
	unsigned ready = window_ready(&device->window, max);

	device->waiting = wait && ready == 0;
	for (unsigned i = 0; i < ready; i++)
		if (window_peek(&device->window, i)->flags & PACKET_CONFIG_STATE)
			return i > 0 ? i : 1;
	return ready;
}

unsigned flow_peek(const struct flow *flow, unsigned d, unsigned ahead, struct packet_header *header)
{
	const struct window *window = &flow->device[d].window;
	const struct window_entry *entry = window_peek(window, ahead);

	*header = (struct packet_header){ .device = (uint16_t)d,
					  .flags = entry->flags,
					  .index = window->base + ahead,
					  .bytes = entry->bytes,
					  .crc = entry->crc };
	return (unsigned)(header->index % flow->slots);
}

/* Where a credit goes: any lane will do, spread so that none carries them all. */
static int credit_lane(const struct flow *flow, unsigned d)
{
	for (unsigned i = 0; i < flow->lanes; i++) {
		unsigned lane = (unsigned)((d + flow->device[d].window.base + i) % flow->lanes);

		if (flow->lane[lane].state == LANE_LIVE)
			return (int)lane;
	}
	return -ENOTCONN;
}

void flow_loaded(struct flow *flow, unsigned d, unsigned count, struct flow_actions *actions)
{
	struct flow_device *device = &flow->device[d];
	struct flow_action *action = &actions->action[0];
	int lane;

	actions->count = 0;
	window_pop(&device->window, count);
	lane = credit_lane(flow, d);
	if (lane < 0)
		return;
	actions->count = 1;
	*action = (struct flow_action){ .kind = FLOW_CREDIT,
					.lane = (unsigned)lane,
					.device = d,
					.immediate = immediate_make(IMMEDIATE_CREDIT, d, device->window.base) };
}

uint64_t flow_data_packets(const struct flow *flow, unsigned d)
{
	const struct flow_device *device = &flow->device[d];

	return device->packets - device->config;
}
