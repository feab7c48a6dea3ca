/* SPDX-License-Identifier: MIT */
/* Held against vectors that another implementation of AES-256-GCM made (Python's cryptography 48), and against every change. */
#include <criterion/criterion.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "seal/seal.h"
#include "support/random.h"

enum { PAYLOAD_MAX = 300 };

static const uint8_t session[PACKET_SESSION_BYTES] = { 0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7,
						       0xa8, 0xa9, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf };
static struct seal *here, *there; /* of the source, of the destination */

static void open_both(void)
{
	uint8_t key[SEAL_KEY_BYTES];

	for (unsigned i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)i;
	cr_assert_eq(seal_open(&here, key, NULL), 0);
	cr_assert_eq(seal_open(&there, key, NULL), 0);
}

static void close_both(void)
{
	seal_close(here);
	seal_close(there);
}

TestSuite(seal, .init = open_both, .fini = close_both);

static void seal_it(struct packet_header *header, uint8_t *payload)
{
	uint64_t ready_ns = header->ready_ns;
	uint32_t read_us = header->read_us, wait_us = header->wait_us;

	header->flags |= PACKET_SEALED;
	memcpy(header->session, session, sizeof(session));
	/* The times are not known yet. */
	header->ready_ns = header->read_us = header->wait_us = 0;
	cr_assert_eq(seal_payload(here, header, payload), 0);
	header->ready_ns = ready_ns;
	header->read_us = read_us;
	header->wait_us = wait_us;
	cr_assert_eq(seal_header(here, header, payload), 0);
}

static void assert_hex(const void *got, size_t bytes, const char *hex, const char *what)
{
	char text[2 * PAYLOAD_MAX + 1] = "";

	for (size_t i = 0; i < bytes; i++)
		snprintf(text + 2 * i, 3, "%02x", ((const uint8_t *)got)[i]);
	cr_assert_str_eq(text, hex, "%s is %s", what, text);
}

static void assert_vector(struct packet_header header, uint8_t *payload, const char *cipher, const char *times,
			  const char *tag)
{
	uint8_t bytes[PACKET_HEADER_BYTES];

	seal_it(&header, payload);
	packet_encode(bytes, &header, 0);
	assert_hex(payload, header.bytes, cipher, "the payload");
	assert_hex(bytes + PACKET_IDENTITY_BYTES, 16, times, "times");
	assert_hex(bytes + PACKET_IDENTITY_BYTES - SEAL_TAG_BYTES, SEAL_TAG_BYTES, tag, "the tag");
}

Test(seal, is_what_another_implementation_makes)
{
	uint8_t payload[48];

	for (unsigned i = 0; i < sizeof(payload); i++)
		payload[i] = (uint8_t)i;
	assert_vector((struct packet_header){ .device = 3,
					      .index = UINT64_C(0x0102030405060708),
					      .flags = PACKET_STOP_COPY,
					      .bytes = 21,
					      .ready_ns = UINT64_C(0x1122334455667788),
					      .read_us = 0x99aabbcc,
					      .wait_us = 0xddeeff00 },
		      payload, "312bf822d869a30ea84a93532f30a834307bb389da", "1db1b9165a542b649614a3380a73bdd7",
		      "33f9fff702884844fedda7e374075f6a");
	memset(payload, 0, sizeof(payload));
	assert_vector((struct packet_header){ .device = 63,
					      .index = 7,
					      .bytes = 48,
					      .ready_ns = UINT64_C(0xfedcba9876543210),
					      .wait_us = UINT32_MAX },
		      payload,
		      "7e0ed16969bdf20332c72826a8c22ec9f2acf0fb0479c8437919f2638fee8b49"
		      "18f1dc656d3888a2add23bee4674a20b",
		      "3ab4ca65dcfce331f23b854df8c44d39", "5aeda968f753107f7303e107ce247dcf");
}

Test(seal, of_an_empty_packet_too_is_what_another_implementation_makes)
{
	struct packet_header header = {
		.flags = PACKET_CONFIG_STATE | PACKET_STOP_COPY, .ready_ns = 1, .read_us = 2, .wait_us = 3
	};

	assert_vector(header, NULL, "", "0ebcb5deb52c83bc08a8a937182c919a", "d607327134de2e4bc8dbb58bde0ca345");
}

Test(seal, of_a_token_is_what_another_implementation_makes)
{
	uint8_t tag[SEAL_TAG_BYTES];

	cr_assert_eq(seal_mark(here, "the token", 9, tag), 0);
	assert_hex(tag, sizeof(tag), "257eb4b25070e3485427faabbe548cbb", "the tag");
	cr_assert_eq(seal_check(there, "the token", 9, tag), 0);
	cr_assert_eq(seal_check(there, "the tokem", 9, tag), -EBADMSG);
	cr_assert_eq(seal_check(there, "the toke", 8, tag), -EBADMSG);
	tag[15] ^= 1;
	cr_assert_eq(seal_check(there, "the token", 9, tag), -EBADMSG);
}

static struct packet_header make(struct random *random, uint8_t *payload, uint32_t bytes)
{
	struct packet_header header = { .device = (uint16_t)random_below(random, 64),
					.flags = (uint32_t)random_below(random, 4),
					.index = random_next(random),
					.bytes = bytes,
					.ready_ns = random_next(random),
					.read_us = (uint32_t)random_next(random),
					.wait_us = (uint32_t)random_next(random) };

	random_fill(random, payload, bytes);
	return header;
}

Test(seal, gives_back_what_was_sealed_whatever_its_length)
{
	struct random random = { 11 };

	for (uint32_t bytes = 0; bytes <= PAYLOAD_MAX; bytes++) {
		uint8_t payload[PAYLOAD_MAX], before[PAYLOAD_MAX];
		struct packet_header header = make(&random, payload, bytes), back;

		memcpy(before, payload, bytes);
		back = header;
		seal_it(&back, payload);
		cr_assert(bytes < 8 || memcmp(payload, before, bytes) != 0);
		cr_assert_eq(seal_verify(there, session, &back, payload), 0);
		cr_assert_eq(memcmp(payload, before, bytes), 0);
		cr_assert_eq(memcmp(back.session, session, sizeof(session)), 0);
		cr_assert_eq(back.ready_ns, header.ready_ns);
		cr_assert_eq(back.read_us, header.read_us);
		cr_assert_eq(back.wait_us, header.wait_us);
	}
}

/* A sealed packet, as it came. */
struct sealed {
	struct packet_header header;
	uint8_t payload[PAYLOAD_MAX];
};

static void assert_refused(const struct sealed *sealed, const uint8_t in[16], const char *what)
{
	struct sealed copy = *sealed;

	cr_assert_eq(seal_verify(there, in, &copy.header, copy.payload), -EBADMSG, "%s may be changed", what);
}

Test(seal, refuses_every_bit_that_is_turned)
{
	struct random random = { 12 };
	struct sealed sealed, other;
	uint8_t bytes[PACKET_HEADER_BYTES];
	const char *why;

	sealed.header = make(&random, sealed.payload, 37);
	seal_it(&sealed.header, sealed.payload);
	packet_encode(bytes, &sealed.header, 0);
	for (unsigned bit = 0; bit < 37 * 8; bit++) {
		other = sealed;
		other.payload[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_refused(&other, session, "a bit of the payload");
	}
	/* Of the header: what the decoder lets through. The CRC is not sealed, and is not what holds here. */
	for (unsigned bit = 0; bit < (PACKET_HEADER_BYTES - 4) * 8; bit++) {
		uint8_t turned[PACKET_HEADER_BYTES];

		memcpy(turned, bytes, sizeof(turned));
		turned[bit / 8] ^= (uint8_t)(1 << bit % 8);
		other = sealed;
		if (packet_decode(&other.header, turned, &why) || other.header.bytes > PAYLOAD_MAX)
			continue;
		assert_refused(&other, session, "a bit of the header");
	}
	cr_assert_eq(seal_verify(there, session, &sealed.header, sealed.payload), 0);
}

Test(seal, refuses_a_packet_in_anothers_place)
{
	struct random random = { 13 };
	uint8_t foreign[PACKET_SESSION_BYTES], key[SEAL_KEY_BYTES] = { 1 };
	struct sealed sealed, other;

	sealed.header = make(&random, sealed.payload, 64);
	seal_it(&sealed.header, sealed.payload);
	other = sealed;
	other.header.index++;
	assert_refused(&other, session, "the index");
	other = sealed;
	other.header.device ^= 1;
	assert_refused(&other, session, "the device");
	other = sealed;
	other.header.flags ^= PACKET_CONFIG_STATE;
	assert_refused(&other, session, "the config flag");
	other = sealed;
	other.header.flags ^= PACKET_STOP_COPY;
	assert_refused(&other, session, "the phase");
	other = sealed;
	other.header.bytes -= 16;
	assert_refused(&other, session, "the length");
	memcpy(foreign, session, sizeof(foreign));
	foreign[0] ^= 1;
	assert_refused(&sealed, foreign, "the session");
	seal_close(there);
	cr_assert_eq(seal_open(&there, key, NULL), 0);
	assert_refused(&sealed, session, "the key");
}

Test(seal, of_two_packets_with_one_content_has_nothing_in_common)
{
	static const struct {
		uint16_t device;
		uint64_t index;
	} places[] = { { 0, 0 }, { 0, 1 }, { 1, 0 }, { 1, 1 }, { 0, UINT64_C(1) << 32 }, { 0, UINT64_C(1) << 63 } };
	uint8_t cipher[6][64] = { 0 };

	for (unsigned i = 0; i < 6; i++) {
		struct packet_header header = { .device = places[i].device, .index = places[i].index, .bytes = 64 };

		seal_it(&header, cipher[i]);
		for (unsigned j = 0; j < i; j++)
			for (unsigned block = 0; block < 64; block += 16)
				for (unsigned other = 0; other < 64; other += 16)
					cr_assert_neq(memcmp(cipher[i] + block, cipher[j] + other, 16), 0,
						      "packets %u and %u have the same key stream", i, j);
	}
}

Test(seal, fails_once_and_is_as_good_as_before)
{
	struct random random = { 14 };
	struct sealed sealed, other;

	sealed.header = make(&random, sealed.payload, 100);
	seal_it(&sealed.header, sealed.payload);
	other = sealed;
	other.payload[50] ^= 4;
	assert_refused(&other, session, "a byte");
	cr_assert_eq(seal_verify(there, session, &sealed.header, sealed.payload), 0);
}
