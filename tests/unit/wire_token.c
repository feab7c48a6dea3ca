/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>

#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "support/random.h"
#include "wire/crc32c.h"
#include "wire/token.h"

static struct token random_token(struct random *random, unsigned devices)
{
	struct token token = { .devices = devices };

	random_fill(random, token.session, sizeof(token.session));
	for (unsigned d = 0; d < devices; d++)
		token.count[d] = (struct token_count){ random_next(random), random_next(random) };
	return token;
}

static void assert_refused(const uint8_t *bytes, unsigned devices, const char *word)
{
	struct token back;
	const char *why = "";

	cr_assert_eq(token_decode(&back, bytes, devices, &why), -EPROTO);
	cr_assert_str_eq(why, word);
}

static void assert_refused_with(unsigned at, uint8_t bits, const char *word)
{
	struct random random = { .state = 2 };
	struct token token = random_token(&random, 2);
	uint8_t bytes[TOKEN_BYTES_MAX];

	token_encode(bytes, &token);
	bytes[at] ^= bits;
	assert_refused(bytes, 2, word);
}

Test(token, comes_back_as_it_went_for_any_number_of_devices)
{
	for (unsigned devices = 1; devices <= VFIOMIG_DEVICES_MAX; devices++) {
		struct random random = { .state = devices };
		struct token token = random_token(&random, devices), back;
		uint8_t bytes[TOKEN_BYTES_MAX];
		const char *why = "none";

		cr_assert_eq(token_encode(bytes, &token), token_bytes(devices));
		cr_assert_eq(token_decode(&back, bytes, devices, &why), 0, "%u devices: %s", devices, why);
		cr_assert_eq(back.devices, devices);
		cr_assert_arr_eq(back.session, token.session, sizeof(token.session));
		cr_assert_arr_eq(back.count, token.count, devices * sizeof(token.count[0]));
	}
}

Test(token, of_all_devices_fills_its_room_to_the_byte)
{
	cr_assert_eq(token_bytes(VFIOMIG_DEVICES_MAX), TOKEN_BYTES_MAX);
}

Test(token, is_not_written_beyond_its_bytes)
{
	struct random random = { .state = 4 };
	struct token token = random_token(&random, 3);
	uint8_t bytes[TOKEN_BYTES_MAX];

	memset(bytes, 0xee, sizeof(bytes));
	for (size_t at = token_encode(bytes, &token); at < sizeof(bytes); at++)
		cr_assert_eq(bytes[at], 0xee);
}

Test(token, refuses_each_wrong_byte_of_the_magic)
{
	for (unsigned at = 0; at < 4; at++)
		assert_refused_with(at, 0x04, "token-magic");
}

Test(token, refuses_another_version)
{
	assert_refused_with(4, 0x01, "token-version");
	assert_refused_with(5, 0x02, "token-version");
}

Test(token, refuses_a_count_of_devices_that_is_not_the_sessions)
{
	struct token token = { .devices = 2 };
	uint8_t bytes[TOKEN_BYTES_MAX] = { 0 };

	token_encode(bytes, &token);
	assert_refused(bytes, 1, "token-devices");
	assert_refused(bytes, 3, "token-devices");
	assert_refused(bytes, VFIOMIG_DEVICES_MAX, "token-devices");
}

Test(token, refuses_any_flipped_bit_in_session_counts_and_crc)
{
	for (unsigned at = 8; at < token_bytes(2); at++)
		for (unsigned bit = 0; bit < 8; bit++)
			assert_refused_with(at, (uint8_t)(1 << bit), "token-damaged");
}

Test(token, random_bytes_are_refused_by_the_magic)
{
	struct random random = { .state = 6 };
	uint8_t bytes[TOKEN_BYTES_MAX];

	for (unsigned round = 0; round < 300; round++) {
		random_fill(&random, bytes, sizeof(bytes));
		assert_refused(bytes, 1 + round % VFIOMIG_DEVICES_MAX, "token-magic");
	}
}

Test(token, ends_in_a_crc_over_all_before_it)
{
	struct token token = { .devices = 1, .count = { { 5, 6 } } };
	uint8_t bytes[TOKEN_BYTES_MAX];
	size_t used = token_encode(bytes, &token);

	cr_assert_eq(get_be32(bytes + used - 4), crc32c(0, bytes, used - 4));
}
