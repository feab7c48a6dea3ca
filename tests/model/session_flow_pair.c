/* SPDX-License-Identifier: MIT */
/*
 * Two flows joined by lanes that keep order each but not among each other, with completions before or after the credit,
 * and credits that overtake each other. An oracle counts along; a thread sleeps when the flow says so and gets up only
 * for a wake, so that a lost wake-up is a run that does not end.
 */
#include <criterion/criterion.h>

#include <limits.h>
#include <string.h>

#include "session/flow.h"
#include "support/random.h"

enum { SEEDS = 1000, DEVICES = 4, LANES = 8, SLOTS_MAX = 9, PACKETS_MAX = 60, CREDITS_MAX = DEVICES * PACKETS_MAX };

struct parcel {
	unsigned device, slot;
	uint64_t index;
	uint32_t bytes, immediate;
};

/* What one lane was given, in order; both counts run along it. */
struct wire {
	struct parcel parcel[DEVICES * PACKETS_MAX];
	unsigned posted, delivered, sent;
	int last;	    /* device of the last post; -1: none */
	bool others_waited; /* when that was posted, another device had a packet for this lane */
};

struct traffic {
	unsigned packets; /* of this device, the config packet included */
	unsigned settles; /* packets after which its reader goes on only when all of them are loaded: PRE_COPY's end */
	unsigned filled, arrived, loaded, posted;
	bool taken, reader_asleep, loader_asleep, stuck;
	bool sent[PACKETS_MAX];
	uint32_t bytes[PACKETS_MAX];
};

struct world {
	struct random random;
	struct flow source, destination;
	struct wire wire[LANES];
	struct traffic device[DEVICES];
	uint32_t credit[CREDITS_MAX]; /* immediates under way */
	unsigned credits;
	unsigned devices, lanes;
	uint32_t slots;
	uint64_t first; /* index of every device's first packet: near the wrap in some runs */
	const char *broken;
};

static void claim(struct world *world, bool true_it_is, const char *rule)
{
	if (!true_it_is && !world->broken)
		world->broken = rule;
}

/* Has a device other than @d a packet that waits for @lane? */
static bool others_wait(const struct world *world, unsigned lane, unsigned d)
{
	for (unsigned e = 0; e < world->devices; e++)
		for (unsigned i = 0; e != d && i < world->device[e].filled; i++)
			if ((e + world->first + i) % world->lanes == lane &&
			    world->source.lane[lane].next[e] <= world->first + i)
				return true;
	return false;
}

static void post(struct world *world, const struct flow_action *action)
{
	struct wire *wire = &world->wire[action->lane];
	struct traffic *device = &world->device[action->device];
	unsigned i = 0;

	/* The packet of this lane and device that follows those posted on it. */
	for (unsigned p = 0; p < wire->posted; p++)
		if (wire->parcel[p].device == action->device)
			i = (unsigned)(wire->parcel[p].index - world->first) + 1;
	while ((action->device + world->first + i) % world->lanes != action->lane)
		i++;
	claim(world, i < device->filled, "a packet is posted that is not filled");
	claim(world, i < device->loaded + world->slots, "a packet is posted without credit");
	claim(world, action->slot == (world->first + i) % world->slots, "a packet is posted from another's slot");
	claim(world, action->bytes == device->bytes[i], "a packet is posted with another's length");
	claim(world, action->immediate == immediate_make(IMMEDIATE_DATA, action->device, world->first + i),
	      "a packet is posted with another's immediate");
	claim(world, wire->posted - wire->sent < FLOW_OUTSTANDING_MAX, "more than two packets outstanding on a lane");
	claim(world, wire->last != (int)action->device || !wire->others_waited,
	      "a device is served twice while others wait");
	wire->parcel[wire->posted++] =
		(struct parcel){ action->device, action->slot, world->first + i, action->bytes, action->immediate };
	wire->last = (int)action->device;
	device->posted++;
}

static void perform(struct world *world, const struct flow_actions *actions, bool source)
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
			world->credit[world->credits++] = action->immediate;
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
static bool settle(struct world *world, unsigned d)
{
	struct traffic *device = &world->device[d];
	bool settled = flow_settled(&world->source, d);

	claim(world, !settled || device->loaded == device->filled, "settled, but not all is loaded");
	device->reader_asleep = !settled;
	if (settled)
		device->settles = UINT_MAX;
	return settled;
}

static bool read_on(struct world *world, unsigned d)
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
	device->bytes[device->filled] = (uint32_t)random_below(&world->random, 4097);
	device->filled++;
	flow_filled(&world->source, d, device->bytes[device->filled - 1], device->filled == device->packets, &actions);
	perform(world, &actions, true);
	return true;
}

static bool deliver(struct world *world, unsigned l)
{
	struct wire *wire = &world->wire[l];
	const struct parcel *parcel = &wire->parcel[wire->delivered];
	struct flow_actions actions = { 0 };
	struct packet_header header;
	struct traffic *device;
	const char *why = "nothing";
	unsigned d, slot;

	if (wire->delivered == wire->posted)
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
	wire->delivered++;
	perform(world, &actions, false);
	return true;
}

static bool complete(struct world *world, unsigned l)
{
	struct wire *wire = &world->wire[l];
	const struct parcel *parcel = &wire->parcel[wire->sent];
	struct flow_actions actions;

	if (wire->sent == wire->posted)
		return false;
	world->device[parcel->device].sent[parcel->index - world->first] = true;
	wire->sent++;
	flow_sent(&world->source, l, parcel->device, parcel->slot, &actions);
	perform(world, &actions, true);
	return true;
}

static bool load_on(struct world *world, unsigned d)
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

static bool credit(struct world *world)
{
	struct flow_actions actions;
	const char *why = "nothing";
	unsigned which;

	if (world->credits == 0)
		return false;
	which = (unsigned)random_below(&world->random, world->credits);
	claim(world, !flow_credit(&world->source, world->credit[which], &actions, &why), why);
	world->credit[which] = world->credit[--world->credits];
	perform(world, &actions, true);
	return true;
}

/* The @n-th of all that can happen. */
static bool happen(struct world *world, unsigned n)
{
	unsigned which = n / 5;

	switch (n % 5) {
	case 0:
		return which < world->devices && read_on(world, which);
	case 1:
		return which < world->lanes && deliver(world, which);
	case 2:
		return which < world->lanes && complete(world, which);
	case 3:
		return which < world->devices && load_on(world, which);
	default:
		return credit(world);
	}
}

/* Start both flows as if world->first packets of each device had gone before. */
static void wind_forward(struct world *world)
{
	for (unsigned d = 0; d < world->devices; d++) {
		struct flow_device *source = &world->source.device[d], *destination = &world->destination.device[d];

		source->packets = source->credit = world->first;
		destination->window.base = destination->window.end = world->first;
		for (unsigned l = 0; l < world->lanes; l++)
			for (uint64_t i = world->first; i < world->first + world->lanes; i++)
				if ((d + i) % world->lanes == l)
					world->source.lane[l].next[d] = i;
	}
}

static void begin(struct world *world, uint64_t seed)
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

/* Until nothing can happen any more, each thing as often as fortune wants: some threads are slow, some lanes late. */
static void run(struct world *world)
{
	enum { THINGS = 5 * LANES };
	unsigned idle = 0, slow = (unsigned)random_below(&world->random, THINGS);

	while (idle < 1 && !world->broken) {
		unsigned start = (unsigned)random_below(&world->random, THINGS);
		bool happened = false;

		if (start == slow && random_below(&world->random, 20))
			continue;
		for (unsigned n = 0; n < THINGS && !happened; n++)
			happened = happen(world, (start + n) % THINGS);
		idle += !happened;
		claim(world, flow_consistent(&world->source), "the source's flow is inconsistent");
		claim(world, flow_consistent(&world->destination), "the destination's flow is inconsistent");
	}
}

static void end(struct world *world)
{
	flow_fini(&world->source);
	flow_fini(&world->destination);
}

static void check_whole(struct world *world, unsigned d)
{
	const struct traffic *device = &world->device[d];

	claim(world, device->settles >= device->packets, "it never settled");
	claim(world, device->filled == device->packets, "a reader sleeps for ever");
	claim(world, device->arrived == device->packets, "a packet was never posted");
	claim(world, device->loaded == device->packets, "a loader sleeps for ever");
	claim(world, flow_data_packets(&world->destination, d) == device->packets - 1u, "data packets are miscounted");
	claim(world, window_done(&world->destination.device[d].window), "the window is not done");
}

Test(flow_pair, everything_is_delivered_in_order_once_and_no_wake_is_lost)
{
	static struct world world;

	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		begin(&world, seed);
		run(&world);
		for (unsigned d = 0; d < world.devices && !world.broken; d++)
			check_whole(&world, d);
		cr_assert_null(world.broken, "seed %llu: %s", (unsigned long long)seed, world.broken);
		end(&world);
	}
}

Test(flow_pair, a_device_that_loads_nothing_holds_back_no_other)
{
	static struct world world;

	for (uint64_t seed = 1; seed <= SEEDS / 3; seed++) {
		begin(&world, seed);
		world.device[0].stuck = true;
		world.device[0].settles = UINT_MAX;
		run(&world);
		for (unsigned d = 1; d < world.devices && !world.broken; d++)
			check_whole(&world, d);
		claim(&world, world.device[0].arrived <= world.slots, "more than its slots");
		claim(&world,
		      world.device[0].arrived == world.device[0].packets || world.device[0].arrived == world.slots,
		      "its slots are not used");
		cr_assert_null(world.broken, "seed %llu: %s", (unsigned long long)seed, world.broken);
		end(&world);
	}
}
