/* SPDX-License-Identifier: MIT */
/* What OFFER and AGREED say of sealing, and OFFER of who commits: every value through, nothing else in. */
#include <criterion/criterion.h>

#include <errno.h>

#include "wire/message.h"

Test(message_payload, every_wish_and_every_answer_comes_through)
{
	struct message_offer offer = { .devices = 1, .lanes = 1, .slots = 2, .slot_bytes = 65536 }, asked;
	struct message_agreed agreed = { .lanes = 1, .slots = 2, .slot_bytes = 65536, .transport = 2 }, said;
	uint8_t bytes[MESSAGE_BYTES_MAX];

	for (uint8_t wish = VFIOMIG_PAYLOAD_AUTO; wish <= VFIOMIG_PAYLOAD_AEAD; wish++) {
		offer.payload = wish;
		cr_assert_eq(message_decode_offer(&asked, bytes, message_encode_offer(bytes, &offer)), 0);
		cr_assert_eq(asked.payload, wish);
	}
	for (int sealed = 0; sealed <= 1; sealed++) {
		agreed.sealed = sealed;
		cr_assert_eq(message_decode_agreed(&said, bytes, message_encode_agreed(bytes, &agreed)), 0);
		cr_assert_eq(said.sealed, sealed);
	}
}

Test(message_payload, anything_else_is_refused)
{
	struct message_offer offer = { .devices = 1, .lanes = 1, .slots = 2, .slot_bytes = 65536 };
	struct message_agreed agreed = { .lanes = 1, .slots = 2, .slot_bytes = 65536, .transport = 2 };
	uint8_t bytes[MESSAGE_BYTES_MAX];
	size_t whole;

	offer.payload = VFIOMIG_PAYLOAD_AEAD + 1;
	cr_assert_eq(message_decode_offer(&offer, bytes, message_encode_offer(bytes, &offer)), -EPROTO);
	whole = message_encode_agreed(bytes, &agreed);
	bytes[whole - sizeof(agreed.reason) - 1] = 2;
	cr_assert_eq(message_decode_agreed(&agreed, bytes, whole), -EPROTO);
}

Test(message_commit, who_commits_comes_through_and_nothing_else_does)
{
	struct message_offer offer = { .devices = 1, .lanes = 1, .slots = 2, .slot_bytes = 65536 }, asked;
	uint8_t bytes[MESSAGE_BYTES_MAX];
	size_t whole;

	for (int external = 0; external <= 1; external++) {
		offer.external_commit = external;
		whole = message_encode_offer(bytes, &offer);
		cr_assert_eq(message_decode_offer(&asked, bytes, whole), 0);
		cr_assert_eq(asked.external_commit, external);
	}
	bytes[whole - 1] = 2;
	cr_assert_eq(message_decode_offer(&asked, bytes, whole), -EPROTO);
}
