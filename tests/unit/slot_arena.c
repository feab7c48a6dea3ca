/* SPDX-License-Identifier: MIT */
/* The arena: a layout in which nothing overlaps, and memory that is there or refused with its size. */
#include <criterion/criterion.h>

#include <errno.h>
#include <numaif.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "slot/arena.h"
#include "support/random.h"
#include "support/seccomp.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

static const struct arena_shape small = { .devices = 3, .slots = 5, .slot_bytes = 65536 };

/* Claim [at, at + bytes) in a map of the whole arena, a byte per byte; false if any of it is taken. */
static bool claim(uint8_t *taken, size_t total, size_t at, size_t bytes)
{
	if (at > total || bytes > total - at)
		return false;
	for (size_t i = at; i < at + bytes; i++)
		if (taken[i]++)
			return false;
	return true;
}

static void check_shape(const struct arena_shape *shape)
{
	const size_t total = arena_bytes(shape);
	uint8_t *taken = calloc(total, 1);

	for (unsigned device = 0; device < shape->devices; device++) {
		for (unsigned slot = 0; slot < shape->slots; slot++) {
			size_t header = arena_header_offset(shape, device, slot);

			cr_assert(claim(taken, total, arena_payload_offset(shape, device, slot), shape->slot_bytes));
			cr_assert(claim(taken, total, header, ARENA_HEADER_BYTES));
			cr_assert_eq(header % ARENA_HEADER_BYTES, 0);
		}
	}
	cr_assert(claim(taken, total, arena_token_offset(shape), ARENA_TOKEN_BYTES));
	cr_assert_eq(arena_token_offset(shape) % ARENA_TOKEN_BYTES, 0);
	cr_assert_eq(total % ARENA_TOKEN_BYTES, 0);
	free(taken);
}

Test(arena, no_two_parts_overlap_whatever_the_shape)
{
	struct random random = { .state = 20240611 };

	for (int round = 0; round < 200; round++) {
		struct arena_shape shape = {
			.devices = 1 + (unsigned)random_below(&random, 9),
			.slots = 2 + (unsigned)random_below(&random, 40),
			.slot_bytes = 1 + random_below(&random, 3000),
		};

		cr_log_info("shape %u x %u x %zu", shape.devices, shape.slots, shape.slot_bytes);
		check_shape(&shape);
	}
}

Test(arena, neighbouring_packets_of_a_device_are_contiguous)
{
	for (unsigned device = 0; device < small.devices; device++)
		for (unsigned slot = 1; slot < small.slots; slot++)
			cr_assert_eq(arena_payload_offset(&small, device, slot),
				     arena_payload_offset(&small, device, slot - 1) + small.slot_bytes);
}

Test(arena, a_shape_beyond_any_address_space_has_no_size)
{
	const struct arena_shape shapes[] = {
		{ .devices = 64, .slots = 65536, .slot_bytes = SIZE_MAX / 64 / 65536 },
		{ .devices = 1, .slots = 1, .slot_bytes = SIZE_MAX },
		{ .devices = 1, .slots = 1, .slot_bytes = SIZE_MAX - 64 },
		{ .devices = UINT32_MAX, .slots = UINT32_MAX, .slot_bytes = 65536 },
		{ .devices = 1, .slots = 1, .slot_bytes = SIZE_MAX - 8192 },
	};

	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
		cr_assert_eq(arena_bytes(&shapes[i]), SIZE_MAX, "shape %zu", i);
}

static size_t resident_pages(const struct arena *arena)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE), pages = arena->bytes / page;
	unsigned char *in = calloc(pages, 1);
	size_t count = 0;

	cr_assert_eq(mincore(arena->base, arena->bytes, in), 0);
	for (size_t i = 0; i < pages; i++)
		count += in[i] & 1;
	free(in);
	return count;
}

static void check_open(int numa_node)
{
	struct vfiomig_error err = { 0 };
	struct arena arena;

	cr_assert_eq(arena_open(&arena, &small, numa_node, &err), 0, "%s", err.text);
	cr_assert_eq((uintptr_t)arena.base % (uintptr_t)sysconf(_SC_PAGESIZE), 0);
	cr_assert_geq(arena.bytes, arena_bytes(&small));
	cr_assert_eq(resident_pages(&arena), arena.bytes / (size_t)sysconf(_SC_PAGESIZE));
	memset(arena_payload(&arena, 2, 4), 1, small.slot_bytes);
	memset(arena_header(&arena, 2, 4), 2, ARENA_HEADER_BYTES);
	memset(arena_token(&arena), 3, ARENA_TOKEN_BYTES);
	cr_assert_eq(*((uint8_t *)arena_payload(&arena, 2, 4) + small.slot_bytes - 1), 1);
	arena_close(&arena);
	cr_assert_null(arena.base);
}

Test(arena, is_populated_when_it_opens)
{
	check_open(-1);
}

Test(arena, is_populated_on_a_kernel_without_populate_too)
{
	cr_assert(seccomp_refuse_bits(SYS_madvise, 2, MADV_POPULATE_WRITE, EINVAL));
	check_open(-1);
}

Test(arena, opens_where_placement_is_forbidden)
{
	cr_assert(seccomp_refuse(SYS_mbind, EPERM));
	check_open(0);
}

Test(arena, opens_for_a_node_that_does_not_exist)
{
	check_open(1000);
	check_open(100000);
	check_open(-2);
}

Test(arena, prefers_the_node_that_is_asked_for)
{
	struct arena arena;
	int mode = -1;
	unsigned long nodes[1024 / 8 / sizeof(long)] = { 0 };

	if (get_mempolicy(&mode, NULL, 0, NULL, 0))
		cr_skip_test("this kernel has no NUMA policies (CONFIG_NUMA)");
	cr_assert_eq(arena_open(&arena, &small, 0, NULL), 0);
	cr_assert_eq(get_mempolicy(&mode, nodes, 1024, arena.base, MPOL_F_ADDR), 0);
	cr_assert_eq(mode, MPOL_PREFERRED);
	cr_assert_eq(nodes[0], 1);
	arena_close(&arena);
}

Test(arena, takes_explicit_huge_pages_where_there_are_some)
{
	const size_t bytes = (arena_bytes(&small) + (2 << 20) - 1) & ~(size_t)((2 << 20) - 1);
	void *probe =
		mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | 21 << 26, -1, 0);
	struct arena arena;

	if (probe == MAP_FAILED)
		cr_skip_test("no free huge pages; sysctl vm.nr_hugepages=8 gives some");
	munmap(probe, bytes);
	cr_assert_eq(arena_open(&arena, &small, -1, NULL), 0);
	cr_assert(arena.huge);
	cr_assert_eq(arena.bytes, bytes);
	arena_close(&arena);
}

Test(arena, does_without_explicit_huge_pages)
{
	struct arena arena;

	cr_assert(seccomp_refuse_bits(SYS_mmap, 3, MAP_HUGETLB, ENOMEM));
	cr_assert_eq(arena_open(&arena, &small, -1, NULL), 0);
	cr_assert_not(arena.huge);
	cr_assert_eq(arena.bytes, arena_bytes(&small));
	arena_close(&arena);
}

Test(arena, is_not_inherited_by_a_child)
{
	struct arena arena;
	int status;
	pid_t child;

	cr_assert_eq(arena_open(&arena, &small, -1, NULL), 0);
	child = fork();
	if (!child) {
		unsigned char in;

		_exit(mincore(arena.base, 1, &in) && errno == ENOMEM ? 0 : 1);
	}
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_assert_eq(status, 0);
	arena_close(&arena);
}

static void check_refused(const struct arena_shape *shape, size_t bytes)
{
	struct vfiomig_error err = { 0 };
	struct arena arena;
	char number[32];

	cr_assert_eq(arena_open(&arena, shape, -1, &err), -ENOMEM);
	cr_assert_null(arena.base);
	cr_assert_eq(err.code, VFIOMIG_PREFLIGHT);
	cr_assert_eq(err.errnum, ENOMEM);
	snprintf(number, sizeof(number), "%zu bytes", bytes);
	cr_assert(strstr(err.text, number), "%s", err.text);
	arena_close(&arena);
}

Test(arena, refuses_what_the_machine_does_not_have_and_says_how_much)
{
	const struct arena_shape largest = { .devices = 64, .slots = 65536, .slot_bytes = 64 << 20 };
	const struct arena_shape absurd = { .devices = 64, .slots = 65536, .slot_bytes = SIZE_MAX };

	check_refused(&largest, arena_bytes(&largest));
	check_refused(&absurd, SIZE_MAX);
}

Test(arena, refuses_more_than_is_available_before_touching_it)
{
	/* Twice the memory of this machine, spread so that no single limit of the shape is met. */
	const size_t twice = 2 * (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE);
	const struct arena_shape shape = { .devices = 1, .slots = (unsigned)(twice >> 20), .slot_bytes = 1 << 20 };

	check_refused(&shape, arena_bytes(&shape));
}

Test(arena, closes_twice_and_closes_null)
{
	struct arena arena;

	cr_assert_eq(arena_open(&arena, &small, -1, NULL), 0);
	arena_close(&arena);
	arena_close(&arena);
	arena_close(NULL);
}
