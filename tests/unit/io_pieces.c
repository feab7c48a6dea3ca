/* SPDX-License-Identifier: MIT */
/* How pieces become runs: merged where contiguous, never skipped, never twice. */
#include <criterion/criterion.h>

#include <stdint.h>

#include "io/pieces.h"
#include "support/random.h"

static uint8_t memory[64];

Test(pieces, contiguous_ones_make_one_run)
{
	struct iovec list[] = { { memory, 10 }, { memory + 10, 5 }, { memory + 15, 1 }, { memory + 20, 4 } };
	struct pieces pieces = { .next = list, .count = 4, .split = true };

	cr_assert_eq(pieces_run(&pieces).iov_len, 16);
	pieces_take(&pieces, 16);
	cr_assert_eq(pieces_run(&pieces).iov_base, (void *)(memory + 20));
	cr_assert_eq(pieces_run(&pieces).iov_len, 4);
	pieces_take(&pieces, 4);
	cr_assert_eq(pieces_run(&pieces).iov_len, 0);
}

Test(pieces, those_that_lie_backwards_are_not_joined)
{
	struct iovec list[] = { { memory + 8, 8 }, { memory, 8 } };
	struct pieces pieces = { .next = list, .count = 2, .split = true };

	cr_assert_eq(pieces_run(&pieces).iov_len, 8);
}

Test(pieces, unsplit_ones_stay_whole_and_alone)
{
	static uint8_t large[PIECES_RUN_BYTES_MAX + 3];
	struct iovec list[] = { { large, sizeof(large) - 1 }, { large + sizeof(large) - 1, 1 } };
	struct pieces pieces = { .next = list, .count = 2 };

	cr_assert_eq(pieces_run(&pieces).iov_len, sizeof(large) - 1);
	pieces_take(&pieces, 5);
	cr_assert_eq(pieces_run(&pieces).iov_base, (void *)(large + 5));
	cr_assert_eq(pieces_run(&pieces).iov_len, sizeof(large) - 6);
}

Test(pieces, a_run_has_a_largest_size)
{
	static uint8_t large[2 * PIECES_RUN_BYTES_MAX + 10];
	struct iovec list[] = { { large, 10 }, { large + 10, 2 * PIECES_RUN_BYTES_MAX } };
	struct pieces pieces = { .next = list, .count = 2, .split = true };

	for (int i = 0; i < 2; i++) {
		cr_assert_eq(pieces_run(&pieces).iov_len, PIECES_RUN_BYTES_MAX);
		pieces_take(&pieces, PIECES_RUN_BYTES_MAX);
	}
	cr_assert_eq(pieces_run(&pieces).iov_len, 10);
}

Test(pieces, empty_ones_are_passed_over)
{
	struct iovec list[] = { { NULL, 0 }, { memory, 4 }, { NULL, 0 }, { memory + 4, 4 }, { memory, 0 } };
	struct pieces pieces = { .next = list, .count = 5, .split = true };

	cr_assert_eq(pieces_run(&pieces).iov_base, (void *)memory);
	pieces_take(&pieces, 4);
	cr_assert_eq(pieces_run(&pieces).iov_base, (void *)(memory + 4));
	pieces_take(&pieces, 4);
	cr_assert_eq(pieces_run(&pieces).iov_len, 0);
	cr_assert_eq(pieces_run(&(struct pieces){ 0 }).iov_len, 0);
}

/* Cuts the memory into pieces in some order, some of them neighbours; returns how many. */
static unsigned cut(struct random *random, struct iovec *list, unsigned max)
{
	unsigned count = 0;
	size_t at = random_below(random, 8);

	while (count < max && random_below(random, 12)) {
		size_t bytes = random_below(random, 9);

		if (random_below(random, 3) == 0)
			at = random_below(random, sizeof(memory) - 8);
		if (at + bytes > sizeof(memory))
			break;
		list[count++] = (struct iovec){ memory + at, bytes };
		at += bytes;
	}
	return count;
}

Test(pieces, every_byte_goes_once_and_in_order_whatever_is_taken)
{
	struct random random = { .state = 4711 };

	for (size_t i = 0; i < sizeof(memory); i++)
		memory[i] = (uint8_t)i;
	for (int round = 0; round < 5000; round++) {
		uint8_t want[16 * 8], got[16 * 8];
		struct iovec list[16], run;
		struct pieces pieces = { .next = list, .count = cut(&random, list, 16), .split = round & 1 };
		size_t wanted = 0, had = 0;

		for (unsigned i = 0; i < pieces.count; i++)
			for (size_t k = 0; k < list[i].iov_len; k++)
				want[wanted++] = ((uint8_t *)list[i].iov_base)[k];
		while ((run = pieces_run(&pieces)).iov_len) {
			size_t taken = random_below(&random, run.iov_len + 1);

			cr_assert_leq(had + taken, wanted);
			for (size_t k = 0; k < taken; k++)
				got[had++] = ((uint8_t *)run.iov_base)[k];
			pieces_take(&pieces, taken);
		}
		cr_assert_eq(had, wanted);
		cr_assert_arr_eq(got, want, wanted);
	}
}
