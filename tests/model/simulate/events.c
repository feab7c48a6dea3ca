/* SPDX-License-Identifier: MIT */
/* The queue of all that will happen, in virtual time; the one source of chance; and the digest by which two runs are compared. */
#include "simulate.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

static bool earlier(const struct event *a, const struct event *b)
{
	return a->at != b->at ? a->at < b->at : a->number < b->number;
}

void event_push(struct world *world, uint64_t in_ns, const struct event *event)
{
	struct event placed = *event;
	unsigned at = world->events++;

	assert(world->events <= HEAP_MAX);
	placed.at = world->now + in_ns;
	placed.number = world->numbers++;
	while (at > 0 && earlier(&placed, &world->heap[(at - 1) / 2])) {
		world->heap[at] = world->heap[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	world->heap[at] = placed;
}

bool event_pop(struct world *world, struct event *event)
{
	struct event last;
	unsigned at = 0;

	if (!world->events)
		return false;
	*event = world->heap[0];
	last = world->heap[--world->events];
	for (;;) {
		unsigned child = 2 * at + 1;

		if (child >= world->events)
			break;
		if (child + 1 < world->events && earlier(&world->heap[child + 1], &world->heap[child]))
			child++;
		if (!earlier(&world->heap[child], &last))
			break;
		world->heap[at] = world->heap[child];
		at = child;
	}
	world->heap[at] = last;
	return true;
}

uint64_t draw(struct world *world, uint64_t least, uint64_t most)
{
	return least + random_below(&world->random, most - least + 1);
}

bool one_in(struct world *world, unsigned many)
{
	return random_below(&world->random, many) == 0;
}

uint64_t short_while(struct world *world)
{
	if (one_in(world, 40))
		return draw(world, NS_PER_MS / 2, 20 * NS_PER_MS);
	return draw(world, 200, 60 * NS_PER_US);
}

void digest(struct world *world, uint64_t value)
{
	world->digest = (world->digest ^ value) * UINT64_C(0x9e3779b97f4a7c15);
	world->digest ^= world->digest >> 29;
}

void say(const struct world *world, const struct side *side, const char *text)
{
	if (world->trace && text[0])
		printf("%12.6f ms  %-11s %-10s %s\n", (double)world->now / (double)NS_PER_MS,
		       side ? side_name(side) : "-", side ? core_phase_name(&side->core) : "", text);
}

void tell(struct world *world, const struct side *side, const char *what, uint64_t a, uint64_t b)
{
	digest(world, world->now);
	digest(world, (uint64_t)(uint8_t)what[0] << 8 | (side ? side->number + 1 : 0));
	digest(world, a);
	digest(world, b);
	if (!world->trace)
		return;
	printf("%12.6f ms  %-11s %-10s %s %llu %llu\n", (double)world->now / (double)NS_PER_MS,
	       side ? side_name(side) : "-", side ? core_phase_name(&side->core) : "", what, (unsigned long long)a,
	       (unsigned long long)b);
}

void broken(struct world *world, const char *format, ...)
{
	va_list arguments;

	if (world->broken[0])
		return; /* the first is the cause */
	va_start(arguments, format);
	vsnprintf(world->broken, sizeof(world->broken), format, arguments);
	va_end(arguments);
	say(world, NULL, world->broken);
}
