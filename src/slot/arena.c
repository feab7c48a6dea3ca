/* SPDX-License-Identifier: MIT */
/*
 * The arena is taken whole or not at all, and every page of it is there before the first byte moves: a page fault during
 * the transfer would be downtime, and memory that turns out to be missing then could only be reported by the kernel's
 * killer. Huge pages make registration forty times faster and the NIC's tables smaller.
 */
#include "slot/arena.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/mman.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "base/placement.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

enum { HUGE_BYTES = 2 << 20, LAYOUT_ALIGN = ARENA_TOKEN_BYTES };

static size_t slots_total(const struct arena_shape *shape)
{
	return (size_t)shape->devices * shape->slots;
}

static size_t align_up(size_t bytes, size_t align)
{
	return (bytes + align - 1) / align * align;
}

size_t arena_payload_offset(const struct arena_shape *shape, unsigned device, unsigned slot)
{
	assert(device < shape->devices && slot < shape->slots);
	return ((size_t)device * shape->slots + slot) * shape->slot_bytes;
}

static size_t headers_offset(const struct arena_shape *shape)
{
	return align_up(slots_total(shape) * shape->slot_bytes, LAYOUT_ALIGN);
}

size_t arena_header_offset(const struct arena_shape *shape, unsigned device, unsigned slot)
{
	assert(device < shape->devices && slot < shape->slots);
	return headers_offset(shape) + ((size_t)device * shape->slots + slot) * ARENA_HEADER_BYTES;
}

size_t arena_token_offset(const struct arena_shape *shape)
{
	return headers_offset(shape) + align_up(slots_total(shape) * ARENA_HEADER_BYTES, LAYOUT_ALIGN);
}

size_t arena_bytes(const struct arena_shape *shape)
{
	/* What headers, token and all rounding (huge pages too) add at most, per slot and once. */
	const size_t per_slot = ARENA_HEADER_BYTES, once = 4 * (size_t)LAYOUT_ALIGN + HUGE_BYTES;
	size_t slot, total;

	if (__builtin_mul_overflow((size_t)shape->devices, (size_t)shape->slots, &total) ||
	    __builtin_add_overflow(shape->slot_bytes, per_slot, &slot) || __builtin_mul_overflow(total, slot, &total) ||
	    __builtin_add_overflow(total, once, &total))
		return SIZE_MAX;
	return arena_token_offset(shape) + ARENA_TOKEN_BYTES;
}

static bool populate(uint8_t *base, size_t bytes)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	int rc;

	do
		rc = madvise(base, bytes, MADV_POPULATE_WRITE);
	while (rc && errno == EINTR);
	if (!rc)
		return true;
	if (errno != EINVAL)
		return false;
	/* A kernel before 5.14. */
	for (size_t at = 0; at < bytes; at += page)
		((volatile uint8_t *)base)[at] = 0;
	return true;
}

static uint8_t *map(size_t bytes, int flags, int numa_node)
{
	uint8_t *base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);

	if (base == MAP_FAILED)
		return NULL;
	/* Both before the pages are there, and neither a reason to refuse. */
	placement_prefer(base, bytes, numa_node);
	if (!flags)
		madvise(base, bytes, MADV_HUGEPAGE);
	/* A child's copy-on-write would move pages away from under the NIC. */
	if (!madvise(base, bytes, MADV_DONTFORK) && populate(base, bytes))
		return base;
	munmap(base, bytes);
	return NULL;
}

/* What the kernel thinks can be had without swapping, explicit huge pages not counted; UINT64_MAX if it does not tell. */
static uint64_t memory_available_bytes(void)
{
	uint64_t kib = UINT64_MAX / 1024;
	char line[128];
	FILE *meminfo = fopen("/proc/meminfo", "re");

	if (!meminfo)
		return UINT64_MAX;
	while (fgets(line, sizeof(line), meminfo) && sscanf(line, "MemAvailable: %" SCNu64, &kib) != 1)
		;
	fclose(meminfo);
	return kib * 1024;
}

static int refuse(size_t bytes, struct vfiomig_error *err)
{
	return error_set(err, VFIOMIG_PREFLIGHT, ENOMEM, "arena-memory",
			 "%zu bytes of memory for the slots cannot be had (%" PRIu64
			 " are available): fewer or smaller slots need less",
			 bytes, memory_available_bytes());
}

int arena_open(struct arena *arena, const struct arena_shape *shape, int numa_node, struct vfiomig_error *err)
{
	const size_t bytes = arena_bytes(shape);

	*arena = (struct arena){ .shape = *shape };
	if (bytes == SIZE_MAX)
		return refuse(bytes, err);
	arena->bytes = align_up(bytes, HUGE_BYTES);
	arena->base = map(arena->bytes, MAP_HUGETLB | MAP_HUGE_2MB, numa_node);
	arena->huge = arena->base;
	if (arena->base)
		return 0;
	arena->bytes = bytes;
	/* Asked before populating: an overcommitting kernel grants any mapping, and kills us while we fill it. */
	if (bytes <= memory_available_bytes())
		arena->base = map(bytes, 0, numa_node);
	if (arena->base)
		return 0;
	*arena = (struct arena){ 0 };
	return refuse(bytes, err);
}

void arena_close(struct arena *arena)
{
	if (!arena)
		return;
	if (arena->base)
		munmap(arena->base, arena->bytes);
	*arena = (struct arena){ 0 };
}
