/* SPDX-License-Identifier: MIT */
/* Credits that are late, reordered and wrapped against an oracle that is told the full numbers. */
#include <criterion/criterion.h>

#include <errno.h>

#include "order/credit.h"
#include "support/random.h"

enum { IN_FLIGHT_MAX = 16, SLOTS_MAX = 40 };

struct life {
	struct random random;
	uint32_t slots;
	uint64_t sent, loaded, credit; /* credit: what the source has understood */
	uint64_t known;		       /* the oracle: the largest full number that was delivered */
	uint64_t in_flight[IN_FLIGHT_MAX];
	unsigned count;
};

static bool deliver(struct life *life)
{
	unsigned which = (unsigned)random_below(&life->random, life->count);
	uint64_t full = life->in_flight[which];
	int rc = credit_take(&life->credit, life->sent, (uint32_t)full & 0xffffff);
	bool grows = full > life->known;

	life->in_flight[which] = life->in_flight[--life->count];
	if (grows)
		life->known = full;
	return rc == (grows ? 1 : 0) && life->credit == life->known;
}

/* A peer that speaks of packets which were never sent is found out, and what was known stays. */
static bool lie(struct life *life)
{
	uint64_t full = life->sent + 1 + random_below(&life->random, 1000);

	return credit_take(&life->credit, life->sent, (uint32_t)full & 0xffffff) == -EPROTO &&
	       life->credit == life->known;
}

static bool step(struct life *life)
{
	switch (random_below(&life->random, 5)) {
	case 0:
	case 1:
		if (credit_allows(life->credit, life->slots, life->sent))
			life->sent++;
		return life->sent <= life->known + life->slots;
	case 2:
		life->loaded += random_below(&life->random, life->sent - life->loaded + 1);
		if (life->count < IN_FLIGHT_MAX)
			life->in_flight[life->count++] = life->loaded;
		return true;
	case 3:
		return life->count == 0 || deliver(life);
	default:
		return lie(life);
	}
}

Test(credit_model, late_and_reordered_credits_add_up_to_the_largest)
{
	uint64_t sent = 0;

	for (uint64_t seed = 1; seed <= 1000; seed++) {
		struct life life = { .random = { .state = seed } };
		uint64_t first = (random_below(&life.random, 3) << 24) + random_below(&life.random, 3) * 0xffff80;

		life.slots = 2 + (uint32_t)random_below(&life.random, SLOTS_MAX);
		life.sent = life.loaded = life.credit = life.known = first;
		for (unsigned i = 0; i < 500; i++)
			cr_assert(step(&life), "seed %llu, step %u", (unsigned long long)seed, i);
		sent += life.sent - first;
	}
	cr_assert_gt(sent, 1000 * 20, "the runs got nowhere: %llu packets", (unsigned long long)sent);
}
