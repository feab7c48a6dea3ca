/* SPDX-License-Identifier: MIT */
#include "order/window.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

enum { INDEX_MASK = 0xffffff, CONFIG_STATE = 1 };

void window_init(struct window *window, struct window_entry *entries, uint32_t slots)
{
	assert(slots > 0 && slots <= (INDEX_MASK >> 1));
	memset(entries, 0, slots * sizeof(*entries));
	*window = (struct window){ .entries = entries, .slots = slots, .last = UINT64_MAX };
}

static struct window_entry *entry_of(const struct window *window, uint64_t index)
{
	return &window->entries[index % window->slots];
}

uint64_t window_index(const struct window *window, uint32_t low)
{
	/*
	 * Only indices within a window of base are ever legal. A little room below base, so that a packet sent twice is
	 * named so and not taken for one of 2^24 later.
	 */
	uint64_t floor = window->base > window->slots ? window->base - window->slots : 0;

	return floor + ((low - (uint32_t)floor) & INDEX_MASK);
}

static int refuse(const char **why, const char *word)
{
	*why = word;
	return -EPROTO;
}

int window_check(const struct window *window, uint64_t index, const char **why)
{
	if (index >= window->last)
		return refuse(why, "packet-after-config");
	if (index < window->base)
		return refuse(why, "packet-twice");
	if (index - window->base >= window->slots)
		return refuse(why, "packet-beyond-window");
	if (entry_of(window, index)->here)
		return refuse(why, "packet-twice");
	return 0;
}

int window_put(struct window *window, uint64_t index, uint32_t bytes, uint32_t flags, uint32_t crc, const char **why)
{
	int rc = window_check(window, index, why);

	if (rc)
		return rc;
	if (flags & CONFIG_STATE) {
		if (window->last != UINT64_MAX)
			return refuse(why, "config-twice");
		if (index + 1 < window->end)
			return refuse(why, "config-not-last");
		window->last = index + 1;
	}
	*entry_of(window, index) = (struct window_entry){ .here = true, .bytes = bytes, .flags = flags, .crc = crc };
	if (index + 1 > window->end)
		window->end = index + 1;
	return 0;
}

uint32_t window_ready(const struct window *window, uint32_t max)
{
	uint32_t count = 0;

	if (max > window->slots)
		max = window->slots;
	while (count < max && entry_of(window, window->base + count)->here)
		count++;
	return count;
}

const struct window_entry *window_peek(const struct window *window, uint32_t ahead)
{
	const struct window_entry *entry = entry_of(window, window->base + ahead);

	assert(ahead < window->slots && entry->here);
	return entry;
}

void window_pop(struct window *window, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		struct window_entry *entry = entry_of(window, window->base);

		assert(entry->here);
		entry->here = false;
		window->base++;
	}
}

bool window_done(const struct window *window)
{
	return window->base == window->last;
}
