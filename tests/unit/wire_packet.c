/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>

#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "support/random.h"
#include "wire/crc32c.h"
#include "wire/packet.h"

enum { FLAGS_ALL = PACKET_CONFIG_STATE | PACKET_STOP_COPY | PACKET_SEALED };

static struct packet_header random_header(struct random *random, uint32_t bytes)
{
	struct packet_header header = { .device = (uint16_t)random_next(random),
					.flags = (uint32_t)random_next(random) & FLAGS_ALL,
					.index = random_next(random),
					.bytes = bytes,
					.ready_ns = random_next(random),
					.read_us = (uint32_t)random_next(random),
					.wait_us = (uint32_t)random_next(random) };

	random_fill(random, header.session, sizeof(header.session));
	return header;
}

static void assert_refused(const uint8_t *bytes, const char *word)
{
	struct packet_header back;
	const char *why = "";

	cr_assert_eq(packet_decode(&back, bytes, &why), -EPROTO);
	cr_assert_str_eq(why, word);
}

/* One valid header whose byte at @at has some of its bits turned over. */
static void assert_refused_with(unsigned at, uint8_t bits, const char *word)
{
	const struct packet_header header = { .device = 1, .index = 7, .bytes = 3 };
	uint8_t bytes[PACKET_HEADER_BYTES];

	packet_encode(bytes, &header, packet_sum("abc", 3));
	bytes[at] ^= bits;
	assert_refused(bytes, word);
}

Test(crc32c, gives_the_known_answer)
{
	cr_assert_eq(crc32c(0, "123456789", 9), 0xe3069283);
}

Test(crc32c, of_nothing_is_what_it_started_from)
{
	cr_assert_eq(crc32c(0, "", 0), 0);
	cr_assert_eq(crc32c(0x12345678, "", 0), 0x12345678);
}

Test(crc32c, may_be_carried_over_any_pieces)
{
	struct random random = { .state = 11 };
	uint8_t data[4096];

	random_fill(&random, data, sizeof(data));
	for (unsigned round = 0; round < 200; round++) {
		size_t bytes = random_below(&random, sizeof(data) + 1), cut = random_below(&random, bytes + 1);
		uint32_t head = crc32c(0, data, cut);

		cr_assert_eq(crc32c(head, data + cut, bytes - cut), crc32c(0, data, bytes), "%zu at %zu", bytes, cut);
	}
}

Test(packet, comes_back_as_it_went)
{
	for (uint64_t seed = 1; seed <= 500; seed++) {
		struct random random = { .state = seed };
		uint8_t payload[300], bytes[PACKET_HEADER_BYTES];
		struct packet_header header = random_header(&random, (uint32_t)random_below(&random, sizeof(payload)));
		struct packet_header back;
		const char *why = "none";
		uint32_t crc;

		random_fill(&random, payload, sizeof(payload));
		crc = packet_encode(bytes, &header, packet_sum(payload, header.bytes));
		cr_assert_eq(packet_decode(&back, bytes, &why), 0, "seed %llu: %s", (unsigned long long)seed, why);
		cr_assert_eq(back.device, header.device);
		cr_assert_eq(back.index, header.index);
		cr_assert_eq(back.flags, header.flags);
		cr_assert_eq(back.bytes, header.bytes);
		cr_assert_arr_eq(back.session, header.session, sizeof(header.session));
		cr_assert_eq(back.ready_ns, header.ready_ns);
		cr_assert_eq(back.read_us, header.read_us);
		cr_assert_eq(back.wait_us, header.wait_us);
		cr_assert_eq(back.crc, crc);
		cr_assert_eq(packet_verify(&back, payload), 0, "seed %llu", (unsigned long long)seed);
	}
}

Test(packet, lies_on_the_wire_as_written_down)
{
	struct packet_header header = { .device = 0x0102,
					.flags = 3,
					.index = 0x030405060708090a,
					.bytes = 0,
					.ready_ns = 0x1112131415161718,
					.read_us = 0x21222324,
					.wait_us = 0x31323334 };
	uint8_t bytes[PACKET_HEADER_BYTES];
	uint32_t crc;

	memset(header.session, 0xcc, sizeof(header.session));
	crc = packet_encode(bytes, &header, 0);
	cr_assert_arr_eq(
		bytes, "VfMg\x00\x01\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x00\x00\x00\x03\x00\x00\x00\x00\xcc", 25);
	cr_assert_eq(bytes[39], 0xcc);
	cr_assert_arr_eq(bytes + 40, "\x11\x12\x13\x14\x15\x16\x17\x18\x21\x22\x23\x24\x31\x32\x33\x34\0\0\0", 20);
	cr_assert_eq(get_be32(bytes + 60), crc);
	memset(bytes + 60, 0, 4);
	cr_assert_eq(crc32c(0, bytes, sizeof(bytes)), crc);
}

Test(packet, its_crc_goes_over_the_payload_and_then_the_header)
{
	const struct packet_header header = { .bytes = 5 };
	uint8_t bytes[PACKET_HEADER_BYTES];
	uint32_t crc = packet_encode(bytes, &header, packet_sum("state", 5));

	memset(bytes + 60, 0, 4);
	cr_assert_eq(crc, crc32c(crc32c(0, "state", 5), bytes, sizeof(bytes)));
}

Test(packet, a_crc_in_the_header_to_encode_is_ignored)
{
	struct packet_header header = { .bytes = 1 };
	uint8_t bytes[PACKET_HEADER_BYTES];
	uint32_t crc = packet_encode(bytes, &header, packet_sum("x", 1));

	header.crc = 0xffffffff;
	cr_assert_eq(packet_encode(bytes, &header, packet_sum("x", 1)), crc);
}

Test(packet, refuses_each_wrong_byte_of_the_magic)
{
	for (unsigned at = 0; at < 4; at++)
		assert_refused_with(at, 0x20, "packet-magic");
}

Test(packet, refuses_another_version)
{
	assert_refused_with(5, 0x02, "packet-version");
	assert_refused_with(4, 0x80, "packet-version");
}

Test(packet, refuses_every_flag_that_it_does_not_know)
{
	assert_refused_with(16, 0x80, "packet-flags");
	for (unsigned bit = 3; bit < 8; bit++)
		assert_refused_with(19, (uint8_t)(1 << bit), "packet-flags");
}

Test(packet, refuses_a_bit_in_any_reserved_byte)
{
	for (unsigned at = 56; at < 60; at++)
		assert_refused_with(at, 0x01, "packet-reserved");
}

Test(packet, random_bytes_are_refused_by_the_magic)
{
	struct random random = { .state = 3 };
	uint8_t bytes[PACKET_HEADER_BYTES];

	for (unsigned round = 0; round < 1000; round++) {
		random_fill(&random, bytes, sizeof(bytes));
		assert_refused(bytes, "packet-magic");
	}
}

Test(packet, any_flipped_bit_is_refused_or_fails_the_crc)
{
	struct random random = { .state = 5 };
	struct packet_header header = random_header(&random, 40);
	uint8_t bytes[PACKET_HEADER_BYTES], payload[40];

	random_fill(&random, payload, sizeof(payload));
	packet_encode(bytes, &header, packet_sum(payload, header.bytes));
	for (unsigned bit = 0; bit < PACKET_HEADER_BYTES * 8; bit++) {
		struct packet_header back;
		const char *why;

		/* The length is its own check: a reader compares it with what came before it touches the payload. */
		if (bit / 8 >= 20 && bit / 8 < 24)
			continue;
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		if (!packet_decode(&back, bytes, &why))
			cr_assert_eq(packet_verify(&back, payload), -EBADMSG, "bit %u", bit);
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	for (unsigned bit = 0; bit < sizeof(payload) * 8; bit++) {
		header.crc = get_be32(bytes + 60);
		payload[bit / 8] ^= (uint8_t)(1 << bit % 8);
		cr_assert_eq(packet_verify(&header, payload), -EBADMSG, "payload bit %u", bit);
		payload[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

Test(packet, without_integrity_the_payload_is_not_looked_at)
{
	struct packet_header header = { .device = 3, .index = 9, .bytes = 1 << 20 };
	uint8_t bytes[PACKET_HEADER_BYTES];

	header.crc = packet_encode(bytes, &header, 0);
	cr_assert_eq(packet_verify(&header, NULL), 0);
	header.index++;
	cr_assert_eq(packet_verify(&header, NULL), -EBADMSG);
}

static uint32_t digest_of(const struct packet_header *headers, unsigned count)
{
	uint32_t digest = 0;

	for (unsigned i = 0; i < count; i++)
		digest = packet_digest(digest, &headers[i]);
	return digest;
}

Test(packet, the_digest_tells_order_length_and_content_apart)
{
	const struct packet_header right[2] = { { .index = 0, .bytes = 8, .crc = 21 },
						{ .index = 1, .bytes = 9, .crc = 22 } };
	struct packet_header other[2];
	uint32_t digest = digest_of(right, 2);

	memcpy(other, right, sizeof(other));
	cr_assert_eq(digest_of(other, 2), digest);
	other[0].bytes++;
	cr_assert_neq(digest_of(other, 2), digest);
	memcpy(other, right, sizeof(other));
	other[1].crc++;
	cr_assert_neq(digest_of(other, 2), digest);
	memcpy(other, right, sizeof(other));
	other[1].index++;
	cr_assert_neq(digest_of(other, 2), digest);
	other[0] = right[1];
	other[1] = right[0];
	cr_assert_neq(digest_of(other, 2), digest);
	cr_assert_neq(digest_of(right, 1), digest);
}
