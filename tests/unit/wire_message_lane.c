/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "support/random.h"
#include "wire/message.h"

enum { FIXED_BYTES = 2 + 2 + 1 + 8 + 4 };

static uint8_t body[MESSAGE_BYTES_MAX + 1];
static struct message_fenced sent, back;

static void make(struct random *random, uint32_t slots)
{
	memset(&sent, 0, sizeof(sent));
	sent.lane = (uint16_t)random_below(random, VFIOMIG_LANES_MAX);
	sent.number = (uint16_t)random_below(random, VFIOMIG_DEVICES_MAX);
	sent.token = random_below(random, 2);
	sent.loaded = random_next(random);
	sent.slots = slots;
	for (uint32_t i = 0; i < slots; i++)
		if (random_below(random, 2))
			sent.here[i / 8] |= (uint8_t)(1 << i % 8);
}

/* From exactly @bytes of heap, so that a step beyond them is an error of the address sanitizer. */
static int decode_exactly(size_t bytes)
{
	uint8_t *copy = malloc(bytes ? bytes : 1);
	int rc;

	memcpy(copy, body, bytes);
	memset(&back, 0xa5, sizeof(back));
	rc = message_decode_fenced(&back, copy, bytes);
	free(copy);
	return rc;
}

Test(message_lane, a_lane_comes_back_as_it_went_and_one_that_cannot_be_is_refused)
{
	struct message_lane lane = { .lane = VFIOMIG_LANES_MAX - 1 }, came;

	cr_assert_eq(message_encode_lane(body, &lane), 2);
	cr_assert_eq(message_decode_lane(&came, body, 2), 0);
	cr_assert_eq(came.lane, lane.lane);
	cr_assert_eq(message_decode_lane(&came, body, 1), -EPROTO);
	cr_assert_eq(message_decode_lane(&came, body, 3), -EPROTO);
	put_be16(body, VFIOMIG_LANES_MAX);
	cr_assert_eq(message_decode_lane(&came, body, 2), -EPROTO);
	cr_assert_eq(message_bytes_max(MESSAGE_FENCE), 2);
	cr_assert_eq(message_bytes_max(MESSAGE_LANE_LOST), 2);
}

Test(message_lane, a_report_comes_back_as_it_went_with_exactly_as_many_bits_as_slots)
{
	static const uint32_t slots[] = { 2, 7, 8, 9, 16, 63, 64, 65, 1000, VFIOMIG_SLOTS_MAX - 1, VFIOMIG_SLOTS_MAX };

	for (unsigned s = 0; s < sizeof(slots) / sizeof(slots[0]); s++) {
		struct random random = { .state = s };
		size_t bytes;

		make(&random, slots[s]);
		bytes = message_encode_fenced(body, &sent);
		cr_assert_eq(bytes, FIXED_BYTES + (slots[s] + 7) / 8);
		cr_assert_eq(decode_exactly(bytes), 0);
		cr_assert_eq(back.lane, sent.lane);
		cr_assert_eq(back.number, sent.number);
		cr_assert_eq(back.token, sent.token);
		cr_assert_eq(back.loaded, sent.loaded);
		cr_assert_eq(back.slots, sent.slots);
		for (uint32_t i = 0; i < slots[s]; i++)
			cr_assert_eq(message_here(&back, i), message_here(&sent, i));
		cr_assert_eq(decode_exactly(bytes - 1), -EPROTO);
		cr_assert_eq(decode_exactly(bytes + 1), -EPROTO);
	}
}

Test(message_lane, the_longest_report_is_as_long_as_its_limit)
{
	struct random random = { .state = 1 };

	make(&random, VFIOMIG_SLOTS_MAX);
	cr_assert_eq(message_encode_fenced(body, &sent), message_bytes_max(MESSAGE_FENCED));
	cr_assert_leq(message_bytes_max(MESSAGE_FENCED), MESSAGE_BYTES_MAX);
}

static void assert_refused(unsigned at, unsigned width, uint64_t value)
{
	struct random random = { .state = 3 };
	size_t bytes;

	make(&random, 20);
	bytes = message_encode_fenced(body, &sent);
	for (unsigned i = 0; i < width; i++)
		body[at + i] = (uint8_t)(value >> 8 * (width - 1 - i));
	cr_assert_eq(decode_exactly(bytes), -EPROTO, "%llu at %u", (unsigned long long)value, at);
}

Test(message_lane, a_report_out_of_range_is_refused)
{
	assert_refused(0, 2, VFIOMIG_LANES_MAX);
	assert_refused(2, 2, VFIOMIG_DEVICES_MAX);
	assert_refused(4, 1, 2);
	assert_refused(13, 4, VFIOMIG_SLOTS_MIN - 1);
	assert_refused(13, 4, VFIOMIG_SLOTS_MAX + 1);
	assert_refused(13, 4, UINT32_MAX);
	assert_refused(13, 4, 28); /* more bits than came */
	assert_refused(13, 4, 12); /* fewer */
}

Test(message_lane, a_bit_behind_the_last_slots_is_refused)
{
	struct random random = { .state = 4 };
	size_t bytes;

	for (unsigned bit = 4; bit < 8; bit++) {
		make(&random, 20);
		bytes = message_encode_fenced(body, &sent);
		body[bytes - 1] |= (uint8_t)(1 << bit);
		cr_assert_eq(decode_exactly(bytes), -EPROTO);
	}
}

Test(message_lane, random_bytes_never_lead_out_of_bounds)
{
	struct random random = { .state = 5 };

	for (unsigned round = 0; round < 3000; round++) {
		size_t bytes = random_below(&random, 200);
		int rc;

		random_fill(&random, body, bytes);
		if (round % 2 && bytes >= FIXED_BYTES) { /* past the first gates */
			memset(body, 0, 4);
			body[4] = 0;
			put_be32(body + 13, 2 + (uint32_t)random_below(&random, 2000));
		}
		rc = decode_exactly(bytes);
		cr_assert(rc == 0 || rc == -EPROTO);
	}
}
