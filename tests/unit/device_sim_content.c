/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>

#include "device/sim_content.h"

enum { BLOCKS = 5, BYTES = BLOCKS * CONTENT_BLOCK_BYTES };

static struct content content;
static uint8_t made[BYTES];

static void make(uint64_t seed)
{
	content_init(&content, seed);
	content_make(&content, 0, BLOCKS, made);
}

Test(content, is_the_same_in_whatever_pieces_it_is_checked)
{
	uint8_t expected;

	make(7);
	for (size_t piece = 1; piece < 9000; piece += 97)
		for (size_t at = 0; at < BYTES; at += piece) {
			size_t bytes = BYTES - at < piece ? BYTES - at : piece;

			cr_assert_eq(content_check(&content, at, made + at, bytes, &expected), bytes);
		}
}

Test(content, is_the_same_from_whatever_block_it_is_made)
{
	uint8_t one[CONTENT_BLOCK_BYTES];

	make(7);
	content_make(&content, 3, 1, one);
	cr_assert_arr_eq(one, made + 3 * CONTENT_BLOCK_BYTES, sizeof(one));
}

Test(content, shows_every_flipped_bit_where_it_is)
{
	uint8_t expected;

	make(7);
	for (size_t at = 0; at < BYTES; at += 311) {
		uint8_t right = made[at];

		made[at] ^= (uint8_t)(1u << (at % 8));
		cr_assert_eq(content_check(&content, 0, made, BYTES, &expected), at);
		cr_assert_eq(expected, right);
		made[at] = right;
	}
}

Test(content, shows_a_swap_of_any_two_blocks_or_words)
{
	uint8_t expected, seen[BYTES];

	make(7);
	for (size_t unit = 8; unit <= CONTENT_BLOCK_BYTES; unit *= 8) {
		for (size_t other = unit; other + unit <= BYTES; other += unit * 3) {
			memcpy(seen, made, BYTES);
			memcpy(seen, made + other, unit);
			memcpy(seen + other, made, unit);
			cr_assert_lt(content_check(&content, 0, seen, BYTES, &expected), BYTES);
		}
	}
}

Test(content, shows_a_missing_and_a_doubled_byte)
{
	uint8_t expected, seen[BYTES];

	make(7);
	memcpy(seen, made, BYTES);
	memmove(seen + 100, made + 101, BYTES - 101);
	cr_assert_lt(content_check(&content, 0, seen, BYTES - 1, &expected), 120);
	memcpy(seen, made, BYTES);
	memmove(seen + 101, made + 100, BYTES - 101);
	cr_assert_lt(content_check(&content, 0, seen, BYTES, &expected), 120);
}

Test(content, differs_by_seed)
{
	uint8_t expected;

	make(7);
	content_init(&content, 8);
	cr_assert_lt(content_check(&content, 0, made, BYTES, &expected), 8);
}
