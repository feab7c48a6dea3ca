/* SPDX-License-Identifier: MIT */
/* Rails in the offer, and their keys in READY. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "wire/message.h"

static uint8_t body[MESSAGE_BYTES_MAX];

static struct message_offer offer_of(unsigned rails)
{
	struct message_offer offer = { .devices = 1, .lanes = 8, .slots = 4, .slot_bytes = 1 << 20, .transports = 4 };

	offer.rails = (uint8_t)rails;
	for (unsigned i = 0; i < rails && i < VFIOMIG_RAILS_MAX; i++)
		memset(offer.rail[i], (int)i + 1, sizeof(offer.rail[i]));
	return offer;
}

static int decode(const struct message_offer *offer, struct message_offer *out)
{
	memset(out, 0x55, sizeof(*out));
	return message_decode_offer(out, body, message_encode_offer(body, offer));
}

Test(message_rails, come_back_as_they_went_however_many_there_are)
{
	for (unsigned rails = 0; rails <= VFIOMIG_RAILS_MAX; rails++) {
		struct message_offer offer = offer_of(rails), out;

		cr_assert_eq(decode(&offer, &out), 0);
		cr_assert_eq(out.rails, rails);
		cr_assert_eq(memcmp(out.rail, offer.rail, sizeof(out.rail)), 0);
	}
}

Test(message_rails, are_not_more_than_there_can_be)
{
	struct message_offer offer = offer_of(VFIOMIG_RAILS_MAX + 1), out;

	cr_assert_eq(decode(&offer, &out), -EPROTO);
}

Test(message_rails, have_an_address_each_and_none_is_hidden_behind_them)
{
	struct message_offer offer = offer_of(3), out;

	memset(offer.rail[1], 0, sizeof(offer.rail[1]));
	cr_assert_eq(decode(&offer, &out), -EPROTO);
	offer = offer_of(3);
	offer.rail[3][15] = 1;
	cr_assert_eq(decode(&offer, &out), -EPROTO);
}

Test(message_rails, have_a_key_each)
{
	struct message_ready ready = { .base = 1 }, out;

	for (unsigned i = 0; i < VFIOMIG_RAILS_MAX; i++)
		ready.rkey[i] = 0x1000 + i;
	cr_assert_eq(message_decode_ready(&out, body, message_encode_ready(body, &ready)), 0);
	cr_assert_eq(out.base, 1);
	cr_assert_eq(memcmp(out.rkey, ready.rkey, sizeof(out.rkey)), 0);
}
