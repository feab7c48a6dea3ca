/* SPDX-License-Identifier: MIT */
/*
 * The 32 bits of immediate data that say what a message on a lane is. In host order here; verbs and TCP put them on
 * the wire big-endian.
 *
 *   [31:30] kind   [29:24] device   [23:0] packet index, or credit, mod 2^24
 */
#ifndef WIRE_IMMEDIATE_H
#define WIRE_IMMEDIATE_H

#include <stdint.h>

enum immediate_kind {
	IMMEDIATE_DATA = 0,    /* source to destination: a packet is whole in its slot */
	IMMEDIATE_TOKEN = 1,   /* source to destination: the token is in the token area */
	IMMEDIATE_CREDIT = 2,  /* destination to source: packets loaded so far */
	IMMEDIATE_CONTROL = 3, /* either way: warm-up, no meaning beyond "this lane works" */
};

enum { IMMEDIATE_INDEX_BITS = 24 };

#define IMMEDIATE_INDEX_MASK UINT32_C(0xffffff)

static inline uint32_t immediate_make(enum immediate_kind kind, unsigned device, uint64_t index)
{
	return (uint32_t)kind << 30 | (uint32_t)(device & 0x3f) << IMMEDIATE_INDEX_BITS |
	       ((uint32_t)index & IMMEDIATE_INDEX_MASK);
}

static inline enum immediate_kind immediate_kind(uint32_t immediate)
{
	return (enum immediate_kind)(immediate >> 30);
}

static inline unsigned immediate_device(uint32_t immediate)
{
	return immediate >> IMMEDIATE_INDEX_BITS & 0x3f;
}

static inline uint32_t immediate_index(uint32_t immediate)
{
	return immediate & IMMEDIATE_INDEX_MASK;
}

#endif
