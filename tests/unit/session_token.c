/* SPDX-License-Identifier: MIT */
/* The token of a sealed session: whoever changes it on the way, CRC and all, is found out. */
#include <criterion/criterion.h>

#include <string.h>

#include "base/bytes.h"
#include "seal/seal.h"
#include "session/session_seal.h"
#include "wire/crc32c.h"

enum { TEST_DEVICES = 2, TEST_BYTES = 16 };

static const uint8_t key[SEAL_KEY_BYTES] = { 7, 7 };

static void make_end(struct vfiomig_session *session)
{
	const struct arena_shape shape = { .devices = TEST_DEVICES, .slots = 2, .slot_bytes = TEST_BYTES };

	*session = (struct vfiomig_session){ .id = { 1, 2, 3 },
					     .plan = { .devices = TEST_DEVICES, .payload = VFIOMIG_PAYLOAD_AEAD } };
	cr_assert_eq(arena_open(&session->arena, &shape, -1, NULL), 0);
	cr_assert_eq(seal_open(&session->token_seal, key, NULL), 0);
}

static void close_end(struct vfiomig_session *session)
{
	session_close_seals(session);
	arena_close(&session->arena);
}

/* What @here makes of @bytes. */
static bool takes(struct vfiomig_session *here, const uint8_t *bytes)
{
	const char *why;

	return token_decode(&here->token, bytes, TEST_DEVICES, &why) == 0 && session_token_holds(here);
}

Test(token_seal, holds_for_what_the_source_said_and_for_nothing_else)
{
	static struct vfiomig_session there, here;
	uint8_t bytes[TOKEN_BYTES_MAX] = { 0 }, again[TOKEN_BYTES_MAX] = { 0 };
	size_t whole;

	make_end(&there);
	make_end(&here);
	there.token = (struct token){ .devices = TEST_DEVICES, .count = { { 5, 500 }, { 6, 600 } } };
	whole = session_encode_token(&there);
	memcpy(bytes, arena_token(&there.arena), whole);
	cr_assert(takes(&here, bytes));
	cr_assert_eq(here.token.count[1].bytes, 600);
	for (size_t bit = 0; bit < (whole - 4) * 8; bit++) {
		uint8_t turned[TOKEN_BYTES_MAX] = { 0 };

		memcpy(turned, bytes, whole);
		turned[bit / 8] ^= (uint8_t)(1 << bit % 8);
		put_be32(turned + whole - 4, crc32c(0, turned, whole - 4));
		cr_assert_not(takes(&here, turned), "bit %zu may be changed", bit);
	}
	/* Sent once more over another lane, it is the same to the byte. */
	cr_assert_eq(session_encode_token(&there), whole);
	memcpy(again, arena_token(&there.arena), whole);
	cr_assert_arr_eq(again, bytes, whole);
	here.id[0] ^= 1;
	cr_assert_not(takes(&here, bytes), "another session takes it");
	close_end(&there);
	close_end(&here);
}
