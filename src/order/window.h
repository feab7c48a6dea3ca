/* SPDX-License-Identifier: MIT */
/*
 * Turns arrivals on any lane into order: a fixed array of `slots` entries, packet i in entry i % slots, which by the
 * credit rule is all that can ever be under way. No I/O, no threads, no allocation after init.
 */
#ifndef ORDER_WINDOW_H
#define ORDER_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

struct window_entry {
	bool here;
	uint32_t bytes;
	uint32_t flags; /* the packet's */
	uint32_t crc;	/* the packet's */
};

struct window {
	struct window_entry *entries; /* the caller's array of @slots */
	uint32_t slots;
	uint64_t base; /* index of the next packet to be popped: everything before it is done */
	uint64_t end;  /* one past the highest index that has come */
	uint64_t last; /* one past the config packet; UINT64_MAX until it has come */
};

/* @entries (slots of them) stays the caller's and must outlive the window. */
void window_init(struct window *window, struct window_entry *entries, uint32_t slots);

/* The full index that @low, its value mod 2^24, stands for: of the 2^24 from a window's length below base on. */
uint64_t window_index(const struct window *window, uint32_t low);

/* May packet @index come now? The errors of window_put, with nothing changed. */
int window_check(const struct window *window, uint64_t index, const char **why);

/*
 * Packet @index is here. 0, or -EPROTO with *@why a stable word and nothing changed:
 *   "packet-twice"         it came before (popped already or not)
 *   "packet-beyond-window" its sender had no credit for it
 *   "packet-after-config"  a packet at or after the end, or a second config packet
 *   "config-not-last"      a config packet before packets that have come
 */
int window_put(struct window *window, uint64_t index, uint32_t bytes, uint32_t flags, uint32_t crc, const char **why);

/* How many packets from base on are here without a gap, at most @max. */
uint32_t window_ready(const struct window *window, uint32_t max);

/* The entry of packet base + @ahead; it must be here. */
const struct window_entry *window_peek(const struct window *window, uint32_t ahead);

/* The first @count ready packets are done with. */
void window_pop(struct window *window, uint32_t count);

/* Everything up to and including the config packet was popped. */
bool window_done(const struct window *window);

#endif
