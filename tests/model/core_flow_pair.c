/* SPDX-License-Identifier: MIT */
/* Two flows, joined as in tests/support/flow_world.h: whatever the order of things, all is delivered in order and once. */
#include <criterion/criterion.h>

#include "support/flow_failover.h"

enum { SEEDS = 1000 };

/* The @n-th of all that can happen. */
static bool happen(struct world *world, unsigned n)
{
	unsigned which = n / 7;

	switch (n % 7) {
	case 0:
		return which < world->devices && read_on(world, which);
	case 1:
		return which < world->lanes && deliver(world, which);
	case 2:
		return which < world->lanes && complete(world, which);
	case 3:
		return which < world->devices && load_on(world, which);
	case 4:
		return which < world->lanes && die(world, which);
	case 5:
		return recover(world);
	default:
		return credit(world);
	}
}

/* Until nothing can happen any more, each thing as often as fortune wants: some threads are slow, some lanes late. */
static void run(struct world *world)
{
	enum { THINGS = 7 * LANES };
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

static void check_whole(struct world *world, unsigned d)
{
	const struct traffic *device = &world->device[d];

	claim(world, device->settles >= device->packets, "it never settled");
	claim(world, device->filled == device->packets, "a reader sleeps for ever");
	claim(world, device->arrived == device->packets, "a packet was never posted");
	claim(world, device->loaded == device->packets, "a loader sleeps for ever");
	claim(world, flow_data_packets(&world->destination, d) == device->packets - 1u, "data packets are miscounted");
	claim(world, world->source.device[d].credit == world->first + device->packets, "the source never hears of it");
	claim(world, window_done(&world->destination.device[d].window), "the window is not done");
}

Test(flow_pair, everything_is_delivered_in_order_once_and_no_wake_is_lost)
{
	static struct world world;

	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		begin_world(&world, seed);
		run(&world);
		for (unsigned d = 0; d < world.devices && !world.broken; d++)
			check_whole(&world, d);
		cr_assert_null(world.broken, "seed %llu: %s", (unsigned long long)seed, world.broken);
		end_world(&world);
	}
}

Test(flow_pair, a_device_that_loads_nothing_holds_back_no_other)
{
	static struct world world;

	for (uint64_t seed = 1; seed <= SEEDS / 3; seed++) {
		begin_world(&world, seed);
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
		end_world(&world);
	}
}

Test(flow_pair, a_lane_that_dies_takes_nothing_along_and_nothing_comes_twice)
{
	static struct world world;
	unsigned died = 0, resent = 0;

	for (uint64_t seed = 1; seed <= 4 * SEEDS; seed++) {
		begin_world(&world, seed);
		world.deaths = (unsigned)random_below(&world.random, world.lanes);
		died += world.deaths;
		run(&world);
		died -= world.deaths;
		resent += world.resent;
		for (unsigned d = 0; d < world.devices && !world.broken; d++)
			check_whole(&world, d);
		cr_assert_null(world.broken, "seed %llu: %s", (unsigned long long)seed, world.broken);
		end_world(&world);
	}
	cr_log_info("%u lanes died, %u packets went again", died, resent);
	cr_assert_gt(died, SEEDS);
	cr_assert_gt(resent, SEEDS);
}
