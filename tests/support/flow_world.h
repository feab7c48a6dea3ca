/* SPDX-License-Identifier: MIT */
/*
 * Two flows joined by lanes that keep order each but not among each other, with completions before or after the credit, and credits
 * that overtake each other. An oracle counts along; a thread sleeps when the flow says so and gets up only for a wake, so that a lost
 * wake-up is a run that does not end. Lanes may die, each end of them in its own time: tests/support/flow_failover.h.
 */
#ifndef SUPPORT_FLOW_WORLD_H
#define SUPPORT_FLOW_WORLD_H

#include <criterion/criterion.h>

#include <limits.h>
#include <string.h>

#include "core/flow.h"
#include "support/random.h"

enum { DEVICES = 4, LANES = 8, SLOTS_MAX = 9, PACKETS_MAX = 60 };
enum { PARCELS_MAX = 2 * DEVICES * PACKETS_MAX, CREDITS_MAX = DEVICES * PACKETS_MAX };

struct parcel {
	unsigned device, slot, packet;
	uint64_t index;
	uint32_t bytes, immediate;
};

/* What one lane was given, in order; both counts run along it. */
struct wire {
	struct parcel parcel[PARCELS_MAX];
	unsigned posted, delivered, sent;
	int last;	    /* device of the last post; -1: none */
	bool others_waited; /* when that was posted, another device had a packet for this lane */
	bool source_fenced, destination_fenced;
	bool shared;	  /* its home packets are everybody's */
	unsigned reports; /* devices of which the source has the report */
};

struct traffic {
	unsigned packets; /* of this device, the config packet included */
	unsigned settles; /* packets after which its reader goes on only when all of them are loaded: PRE_COPY's end */
	unsigned filled, arrived, loaded, posted;
	bool taken, reader_asleep, loader_asleep, stuck;
	bool sent[PACKETS_MAX], here[PACKETS_MAX];
	int carrier[PACKETS_MAX]; /* the lane that has it; -1: it waits */
	uint32_t bytes[PACKETS_MAX];
};

struct notice {
	uint32_t immediate;
	unsigned lane;
};

struct world {
	struct random random;
	struct flow source, destination;
	struct wire wire[LANES];
	struct traffic device[DEVICES];
	struct notice credit[CREDITS_MAX]; /* under way */
	unsigned credits;
	unsigned devices, lanes;
	uint32_t slots;
	uint64_t first;	     /* index of every device's first packet: near the wrap in some runs */
	unsigned deaths;     /* lanes that may still die */
	unsigned recovering; /* flow_recover is at this step, plus one; 0: nothing to recover */
	unsigned resent;
	const char *broken;
};

static inline void claim(struct world *world, bool true_it_is, const char *rule)
{
	if (!true_it_is && !world->broken)
		world->broken = rule;
}

static inline unsigned home_of(const struct world *world, unsigned d, unsigned i)
{
	return (unsigned)((d + world->first + i) % world->lanes);
}

static inline bool waits(const struct world *world, unsigned d, unsigned i)
{
	return i < world->device[d].filled && world->device[d].carrier[i] < 0;
}

/* Has a device other than @d a packet that waits for @lane, and for no other? */
static inline bool others_wait(const struct world *world, unsigned lane, unsigned d)
{
	for (unsigned e = 0; e < world->devices; e++)
		for (unsigned i = 0; e != d && i < world->device[e].filled; i++)
			if (home_of(world, e, i) == lane && waits(world, e, i))
				return true;
	return false;
}

static inline unsigned packet_of(const struct world *world, const struct flow_action *action)
{
	unsigned i = 0;

	while (i < PACKETS_MAX && action->immediate != immediate_make(IMMEDIATE_DATA, action->device, world->first + i))
		i++;
	return i;
}

static inline void check_post(struct world *world, const struct flow_action *action, unsigned i)
{
	const struct wire *wire = &world->wire[action->lane];
	const struct traffic *device = &world->device[action->device];
	unsigned home = home_of(world, action->device, i);

	claim(world, waits(world, action->device, i), "a packet is posted that does not wait");
	claim(world, !device->here[i], "a packet is sent again that was seen");
	claim(world, i < device->loaded + world->slots, "a packet is posted without credit");
	claim(world, action->slot == (world->first + i) % world->slots, "a packet is posted from another's slot");
	claim(world, action->bytes == device->bytes[i], "a packet is posted with another's length");
	claim(world, home == action->lane || world->wire[home].shared, "a packet is posted on another's lane");
	claim(world, !wire->source_fenced, "a packet is posted on a dead lane");
	claim(world, wire->posted - wire->sent < FLOW_OUTSTANDING_MAX, "more than two packets outstanding on a lane");
	claim(world, wire->last != (int)action->device || !wire->others_waited,
	      "a device is served twice while others wait");
	for (unsigned j = 0; j < i; j++)
		claim(world,
		      !waits(world, action->device, j) || (home_of(world, action->device, j) != action->lane &&
							   !world->wire[home_of(world, action->device, j)].shared),
		      "a packet is passed over");
}

static inline void post(struct world *world, const struct flow_action *action)
{
	struct wire *wire = &world->wire[action->lane];
	struct traffic *device = &world->device[action->device];
	unsigned i = packet_of(world, action);

	claim(world, i < PACKETS_MAX, "a packet is posted that is none");
	if (world->broken)
		return;
	check_post(world, action, i);
	wire->parcel[wire->posted++] = (struct parcel){ .device = action->device,
							.slot = action->slot,
							.packet = i,
							.index = world->first + i,
							.bytes = action->bytes,
							.immediate = action->immediate };
	wire->last = (int)action->device;
	device->carrier[i] = (int)action->lane;
	device->posted++;
}

static inline void perform(struct world *world, const struct flow_actions *actions, bool source)
{
	for (unsigned i = 0; i < actions->count; i++) {
		const struct flow_action *action = &actions->action[i];
		struct traffic *device = &world->device[action->device];

		switch (action->kind) {
		case FLOW_POST:
			post(world, action);
			break;
		case FLOW_CREDIT:
			claim(world, !source && action->lane < world->lanes, "a credit from nowhere");
			claim(world, !world->wire[action->lane].destination_fenced, "a credit over a dead lane");
			world->credit[world->credits++] = (struct notice){ action->immediate, action->lane };
			break;
		case FLOW_TOKEN:
			claim(world, false, "a token from nowhere");
			break;
		case FLOW_WAKE:
			*(source ? &device->reader_asleep : &device->loader_asleep) = false;
			break;
		}
	}
	/* After all posts of the step, not between them: the flow has run ahead of what is told here. */
	for (unsigned i = 0; i < actions->count; i++)
		if (actions->action[i].kind == FLOW_POST)
			world->wire[actions->action[i].lane].others_waited =
				others_wait(world, actions->action[i].lane, actions->action[i].device);
}

/* PRE_COPY is over: the reader sleeps until all is loaded. True: it goes on. */
static inline bool settle(struct world *world, unsigned d)
{
	struct traffic *device = &world->device[d];
	bool settled = flow_settled(&world->source, d);

	claim(world, !settled || device->loaded == device->filled, "settled, but not all is loaded");
	device->reader_asleep = !settled;
	if (settled)
		device->settles = UINT_MAX;
	return settled;
}

static inline bool read_on(struct world *world, unsigned d)
{
	struct traffic *device = &world->device[d];
	struct flow_actions actions;
	uint64_t index;
	unsigned slot;

	if (device->reader_asleep || device->filled == device->packets)
		return false;
	if (device->filled == device->settles && !settle(world, d))
		return true;
	if (!flow_take(&world->source, d, &slot, &index)) {
		device->reader_asleep = true;
		return true;
	}
	claim(world, index == world->first + device->filled && slot == index % world->slots, "the wrong slot to fill");
	if (device->filled >= world->slots) {
		unsigned before = device->filled - world->slots;

		claim(world, device->loaded > before, "a slot is filled again before it was loaded");
		claim(world, device->sent[before], "a slot is filled again while a lane reads it");
	}
	if (!device->taken && random_below(&world->random, 2)) {
		device->taken = true; /* the read takes a while; the same slot will be given again */
		return true;
	}
	device->taken = false;
	device->carrier[device->filled] = -1;
	device->bytes[device->filled] = (uint32_t)random_below(&world->random, 4097);
	device->filled++;
	flow_filled(&world->source, d, device->bytes[device->filled - 1], device->filled == device->packets, &actions);
	perform(world, &actions, true);
	return true;
}

static inline bool deliver(struct world *world, unsigned l)
{
	struct wire *wire = &world->wire[l];
	const struct parcel *parcel = &wire->parcel[wire->delivered];
	struct flow_actions actions = { 0 };
	struct packet_header header;
	struct traffic *device;
	const char *why = "nothing";
	unsigned d, slot;

	if (wire->delivered == wire->posted || wire->destination_fenced)
		return false;
	device = &world->device[parcel->device];
	header = (struct packet_header){ .device = (uint16_t)parcel->device,
					 .index = parcel->index,
					 .bytes = parcel->bytes,
					 .crc = (uint32_t)parcel->index ^ 0x55 };
	header.flags = parcel->index == world->first + device->packets - 1 ? PACKET_CONFIG_STATE : 0;
	claim(world, !flow_place(&world->destination, l, parcel->immediate, parcel->bytes, &d, &slot, &why), why);
	claim(world, d == parcel->device && slot == parcel->slot,
	      "a packet is placed in another slot than it came from");
	claim(world, !flow_arrived(&world->destination, l, parcel->immediate, &header, &actions, &why), why);
	device->arrived++;
	device->here[parcel->packet] = true;
	wire->delivered++;
	perform(world, &actions, false);
	return true;
}

static inline bool complete(struct world *world, unsigned l)
{
	struct wire *wire = &world->wire[l];
	const struct parcel *parcel = &wire->parcel[wire->sent];
	struct flow_actions actions;

	if (wire->sent == wire->posted)
		return false;
	wire->sent++;
	flow_sent(&world->source, l, parcel->device, parcel->slot, &actions);
	if (wire->source_fenced) { /* it was posted before, and is told late */
		claim(world, actions.count == 0, "a dead lane's completion counts");
		return true;
	}
	world->device[parcel->device].sent[parcel->packet] = true;
	perform(world, &actions, true);
	return true;
}

static inline bool load_on(struct world *world, unsigned d)
{
	struct traffic *device = &world->device[d];
	unsigned max = 1 + (unsigned)random_below(&world->random, 4), ready;
	struct flow_actions actions;

	if (device->loader_asleep || device->stuck || device->loaded == device->packets)
		return false;
	ready = flow_ready(&world->destination, d, max, true);
	device->loader_asleep = ready == 0;
	claim(world, ready <= max, "more to load than asked for");
	if (ready == 0)
		return true;
	for (unsigned i = 0; i < ready; i++) {
		struct packet_header header;
		unsigned slot = flow_peek(&world->destination, d, i, &header);
		uint64_t index = world->first + device->loaded + i;

		claim(world, header.index == index && slot == index % world->slots, "out of order");
		claim(world, header.bytes == device->bytes[device->loaded + i], "another packet's bytes");
		claim(world, header.crc == ((uint32_t)index ^ 0x55), "another packet's CRC");
		claim(world, !(header.flags & PACKET_CONFIG_STATE) || ready == 1, "the config packet is not alone");
	}
	ready = 1 + (unsigned)random_below(&world->random, ready);
	device->loaded += ready;
	flow_loaded(&world->destination, d, ready, &actions);
	perform(world, &actions, false);
	return true;
}

static inline bool credit(struct world *world)
{
	struct flow_actions actions;
	const char *why = "nothing";
	unsigned which;

	if (world->credits == 0)
		return false;
	which = (unsigned)random_below(&world->random, world->credits);
	claim(world, !flow_credit(&world->source, world->credit[which].immediate, &actions, &why), why);
	world->credit[which] = world->credit[--world->credits];
	perform(world, &actions, true);
	return true;
}

/* Start both flows as if world->first packets of each device had gone before. */
static inline void wind_forward(struct world *world)
{
	for (unsigned d = 0; d < world->devices; d++) {
		struct flow_device *source = &world->source.device[d], *destination = &world->destination.device[d];

		source->packets = source->credit = world->first;
		destination->window.base = destination->window.end = world->first;
		for (unsigned l = 0; l < world->lanes; l++)
			for (uint64_t i = world->first; i < world->first + world->lanes; i++)
				if ((d + i) % world->lanes == l)
					world->source.lane[l].next[d] = world->source.lane[l].given[d] = i;
	}
}

static inline void begin_world(struct world *world, uint64_t seed)
{
	struct flow_shape shape = { .role = VFIOMIG_SOURCE, .slot_bytes = 4096 };

	memset(world, 0, sizeof(*world));
	world->random.state = seed;
	world->devices = shape.devices = 1 + (unsigned)random_below(&world->random, DEVICES);
	world->lanes = shape.lanes = 1 + (unsigned)random_below(&world->random, LANES);
	world->slots = shape.slots = 2 + (uint32_t)random_below(&world->random, SLOTS_MAX - 1);
	world->first = random_below(&world->random, 2) ? 0 : (UINT64_C(3) << 24) - random_below(&world->random, 40);
	cr_assert_eq(flow_init(&world->source, &shape), 0);
	shape.role = VFIOMIG_DESTINATION;
	cr_assert_eq(flow_init(&world->destination, &shape), 0);
	for (unsigned d = 0; d < world->devices; d++) {
		world->device[d].packets = 1 + (unsigned)random_below(&world->random, PACKETS_MAX);
		world->device[d].settles = (unsigned)random_below(&world->random, 2 * world->device[d].packets);
	}
	for (unsigned l = 0; l < world->lanes; l++)
		world->wire[l].last = -1;
	if (world->first)
		wind_forward(world);
}

static inline void end_world(struct world *world)
{
	flow_fini(&world->source);
	flow_fini(&world->destination);
}

#endif
