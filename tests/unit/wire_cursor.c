/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>

#include <errno.h>
#include <string.h>

#include "support/random.h"
#include "wire/cursor.h"

static struct cursor_reader reader_of(const void *bytes, size_t count)
{
	return (struct cursor_reader){ .at = bytes, .left = count };
}

Test(cursor, numbers_are_big_endian_and_come_back)
{
	uint8_t bytes[15];
	struct cursor_writer to = { bytes };
	struct cursor_reader from = reader_of(bytes, sizeof(bytes));

	cursor_put8(&to, 0x01);
	cursor_put16(&to, 0x0203);
	cursor_put32(&to, 0x04050607);
	cursor_put64(&to, 0x08090a0b0c0d0e0f);
	cr_assert_eq(to.at, bytes + sizeof(bytes));
	for (unsigned i = 0; i < sizeof(bytes); i++)
		cr_assert_eq(bytes[i], i + 1);
	cr_assert_eq(cursor_get8(&from), 0x01);
	cr_assert_eq(cursor_get16(&from), 0x0203);
	cr_assert_eq(cursor_get32(&from), 0x04050607);
	cr_assert_eq(cursor_get64(&from), 0x08090a0b0c0d0e0f);
	cr_assert_eq(cursor_end(&from), 0);
}

Test(cursor, reading_past_the_end_gives_zero_and_is_remembered)
{
	struct cursor_reader from = reader_of("\xff\xff\xff", 3);

	cr_assert_eq(cursor_get32(&from), 0);
	cr_assert(from.bad);
	cr_assert_eq(cursor_get8(&from), 0, "what is left is not read after that either");
	cr_assert_eq(cursor_end(&from), -EPROTO);
}

Test(cursor, every_kind_of_field_notices_a_missing_byte)
{
	uint8_t bytes[8] = { 1, 1, 1, 1, 1, 1, 1, 1 }, copy[8];
	struct cursor_reader from = reader_of(bytes, 0);

	cr_assert_eq(cursor_get8(&from), 0);
	cr_assert(from.bad);
	from = reader_of(bytes, 1);
	cr_assert_eq(cursor_get16(&from), 0);
	cr_assert(from.bad);
	from = reader_of(bytes, 7);
	cr_assert_eq(cursor_get64(&from), 0);
	cr_assert(from.bad);
	from = reader_of(bytes, 7);
	memset(copy, 0xaa, sizeof(copy));
	cursor_get_bytes(&from, copy, sizeof(copy));
	cr_assert(from.bad);
	for (unsigned i = 0; i < sizeof(copy); i++)
		cr_assert_eq(copy[i], 0);
}

Test(cursor, bytes_left_over_are_an_error)
{
	struct cursor_reader from = reader_of("ab", 2);

	cursor_get8(&from);
	cr_assert_eq(cursor_end(&from), -EPROTO);
	cursor_get8(&from);
	cr_assert_eq(cursor_end(&from), 0);
}

Test(cursor, a_string_without_terminator_comes_out_with_one)
{
	struct cursor_reader from = reader_of("abcdefgh", 8);
	char text[8];

	cursor_get_string(&from, text, sizeof(text));
	cr_assert_str_eq(text, "abcdefg");
	cr_assert_eq(cursor_end(&from), 0);
}

Test(cursor, what_follows_a_terminator_is_not_kept)
{
	struct cursor_reader from = reader_of("ab\0secre", 8);
	char text[8];

	cursor_get_string(&from, text, sizeof(text));
	cr_assert_arr_eq(text, "ab\0\0\0\0\0\0", 8);
}

Test(cursor, control_characters_of_a_peer_never_reach_a_terminal)
{
	for (unsigned c = 1; c < 256; c++) {
		const char sent[4] = { 'a', (char)c, 'z', 0 };
		struct cursor_reader from = reader_of(sent, sizeof(sent));
		char text[4];

		cursor_get_string(&from, text, sizeof(text));
		cr_assert_eq((unsigned char)text[1], c < ' ' || c == 0x7f ? '?' : c, "character %u", c);
		cr_assert_eq(text[2], 'z');
	}
}

Test(cursor, a_string_past_the_end_is_empty)
{
	struct cursor_reader from = reader_of("abc", 3);
	char text[8] = "unclean";

	cursor_get_string(&from, text, sizeof(text));
	cr_assert_arr_eq(text, "\0\0\0\0\0\0\0\0", 8);
	cr_assert_eq(cursor_end(&from), -EPROTO);
}
