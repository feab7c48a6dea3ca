/* SPDX-License-Identifier: MIT */
/* The window against an oracle that remembers every packet by itself: an array of bools and a count. */
#include <criterion/criterion.h>

#include <errno.h>
#include <string.h>

#include "order/window.h"
#include "support/random.h"

enum { PACKETS_MAX = 120, SLOTS_MAX = 17, CONFIG = 1 };

struct oracle {
	uint64_t first; /* packet number of here[0] */
	uint32_t slots;
	bool here[2 * PACKETS_MAX];
	unsigned popped;  /* from first on */
	unsigned packets; /* one past the highest that came */
	unsigned config;  /* one past the config packet; 0: not here yet */
};

static const char *oracle_put(struct oracle *oracle, unsigned i, bool config)
{
	if (oracle->config && i >= oracle->config)
		return "packet-after-config";
	if (i < oracle->popped || oracle->here[i])
		return "packet-twice";
	if (i >= oracle->popped + oracle->slots)
		return "packet-beyond-window";
	if (config && oracle->config)
		return "config-twice";
	if (config && i + 1 < oracle->packets)
		return "config-not-last";
	oracle->here[i] = true;
	oracle->packets = i + 1 > oracle->packets ? i + 1 : oracle->packets;
	if (config)
		oracle->config = i + 1;
	return NULL;
}

static unsigned oracle_ready(const struct oracle *oracle)
{
	unsigned i = oracle->popped;

	while (i < PACKETS_MAX && oracle->here[i])
		i++;
	return i - oracle->popped;
}

static bool arrive(struct window *window, struct oracle *oracle, unsigned i, bool config)
{
	uint64_t index = window_index(window, (uint32_t)(oracle->first + i) & 0xffffff);
	const char *expected = oracle_put(oracle, i, config), *why = NULL;
	int rc;

	if (index != oracle->first + i)
		return false;
	rc = window_put(window, index, i + 1, config ? CONFIG : 0, ~i, &why);
	return expected ? rc == -EPROTO && !strcmp(why, expected) : rc == 0;
}

static bool pop(struct window *window, struct oracle *oracle, struct random *random)
{
	uint32_t max = (uint32_t)random_below(random, oracle->slots + 3), ready = window_ready(window, max);
	unsigned expected = oracle_ready(oracle);

	if (ready != (expected < max ? expected : max))
		return false;
	for (uint32_t i = 0; i < ready; i++) {
		const struct window_entry *entry = window_peek(window, i);

		if (entry->bytes != oracle->popped + i + 1 || entry->crc != ~(oracle->popped + i))
			return false;
	}
	if (ready > 0)
		ready = 1 + (uint32_t)random_below(random, ready);
	window_pop(window, ready);
	oracle->popped += ready;
	return window->base == oracle->first + oracle->popped;
}

/* Mostly what a good source would send, now and then what none would. */
static unsigned pick(struct random *random, const struct oracle *oracle)
{
	unsigned back = oracle->popped < oracle->slots ? oracle->popped : oracle->slots;

	switch (random_below(random, 12)) {
	case 0:
		return oracle->popped - (unsigned)random_below(random, back + 1);
	case 1:
		return oracle->popped + oracle->slots + (unsigned)random_below(random, 3);
	default:
		return oracle->popped + (unsigned)random_below(random, oracle->slots);
	}
}

/* One life of a window. Returns the packets popped, or -1 when window and oracle disagreed. */
static int live(uint64_t seed)
{
	static const uint64_t firsts[] = { 0, (UINT64_C(1) << 24) - 20, (UINT64_C(7) << 24) - 60, UINT64_C(1) << 40 };
	struct random random = { .state = seed };
	struct window_entry entries[SLOTS_MAX];
	struct oracle oracle = { .slots = 2 + (uint32_t)random_below(&random, SLOTS_MAX - 1) };
	unsigned last = 1 + (unsigned)random_below(&random, PACKETS_MAX - 2 * SLOTS_MAX);
	struct window window;

	window_init(&window, entries, oracle.slots);
	oracle.first = firsts[random_below(&random, 4)];
	window.base = window.end = oracle.first;
	for (unsigned step = 0; step < 4000 && !window_done(&window); step++) {
		unsigned i = pick(&random, &oracle);
		bool config = i == last || random_below(&random, 200) == 0;

		if (random_below(&random, 3) == 0 ? !pop(&window, &oracle, &random)
						  : !arrive(&window, &oracle, i, config))
			return -1;
		if (window_done(&window) != (oracle.config && oracle.popped == oracle.config))
			return -1;
	}
	return (int)oracle.popped;
}

Test(window_model, agrees_with_an_array_of_bools_over_any_order_of_arrival)
{
	uint64_t popped = 0;

	for (uint64_t seed = 1; seed <= 3000; seed++) {
		int got = live(seed);

		cr_assert_geq(got, 0, "seed %llu", (unsigned long long)seed);
		popped += (uint64_t)got;
	}
	cr_assert_gt(popped, 3000 * 10, "the runs got nowhere: %llu packets", (unsigned long long)popped);
}
