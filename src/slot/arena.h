/* SPDX-License-Identifier: MIT */
/*
 * All memory of a session's data path, taken and populated in one piece before the first byte moves:
 *
 *   payloads  devices x slots x slot_bytes   neighbouring packets of a device are contiguous
 *   headers   devices x slots x 64           an array of their own (why: src/README.md)
 *   token     one page
 *
 * It is one mapping, so that one registration covers it, on huge pages where there are some.
 */
#ifndef SLOT_ARENA_H
#define SLOT_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vfiomig/error.h>

enum { ARENA_HEADER_BYTES = 64, ARENA_TOKEN_BYTES = 4096 };

struct arena_shape {
	unsigned devices;
	unsigned slots;	   /* per device */
	size_t slot_bytes; /* payload of one slot */
};

struct arena {
	uint8_t *base; /* page-aligned, NULL while closed */
	size_t bytes;  /* of the whole mapping */
	struct arena_shape shape;
	bool huge; /* on explicit huge pages */
};

/* Offsets from the start: the same on both sides for the same shape, so one base address describes the peer's arena. */
size_t arena_payload_offset(const struct arena_shape *shape, unsigned device, unsigned slot);
size_t arena_header_offset(const struct arena_shape *shape, unsigned device, unsigned slot);
size_t arena_token_offset(const struct arena_shape *shape);

/* Of all that, without the rounding to huge pages. SIZE_MAX if it fits no address space: then there are no offsets. */
size_t arena_bytes(const struct arena_shape *shape);

/*
 * Map and populate, on @numa_node as far as it has memory (-1: anywhere). The mapping is the arena's until
 * arena_close, and not inherited by children. On failure nothing is mapped and the call returns
 *   -ENOMEM (VFIOMIG_PREFLIGHT)  the memory cannot be had; the sentence says how many bytes were wanted
 */
int arena_open(struct arena *arena, const struct arena_shape *shape, int numa_node, struct vfiomig_error *err);

/* NULL and a closed arena are fine. */
void arena_close(struct arena *arena);

static inline void *arena_payload(const struct arena *arena, unsigned device, unsigned slot)
{
	return arena->base + arena_payload_offset(&arena->shape, device, slot);
}

static inline void *arena_header(const struct arena *arena, unsigned device, unsigned slot)
{
	return arena->base + arena_header_offset(&arena->shape, device, slot);
}

static inline void *arena_token(const struct arena *arena)
{
	return arena->base + arena_token_offset(&arena->shape);
}

#endif
