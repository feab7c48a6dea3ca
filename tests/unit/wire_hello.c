/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>

#include <errno.h>
#include <string.h>

#include "wire/hello.h"

static const struct hello sample = {
	.version = WIRE_VERSION,
	.lane = 0x0107,
	.session = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 },
	.proof = { [0] = 0xaa, [31] = 0x55 },
};

Test(hello, comes_back_as_it_went)
{
	uint8_t bytes[HELLO_BYTES];
	struct hello back;

	memset(&back, 0xff, sizeof(back));
	hello_encode(bytes, &sample);
	cr_assert_eq(hello_decode(&back, bytes), 0);
	cr_assert_eq(back.version, sample.version);
	cr_assert_eq(back.lane, sample.lane);
	cr_assert_arr_eq(back.session, sample.session, sizeof(back.session));
	cr_assert_arr_eq(back.proof, sample.proof, sizeof(back.proof));
}

Test(hello, lies_on_the_wire_as_written_down)
{
	uint8_t bytes[HELLO_BYTES];

	hello_encode(bytes, &sample);
	cr_assert_arr_eq(bytes, "vfml\x00\x01\x01\x07\x01\x02", 10);
	cr_assert_eq(bytes[23], 16);
	cr_assert_eq(bytes[24], 0xaa);
	cr_assert_eq(bytes[55], 0x55);
}

Test(hello, fits_rdma_cms_private_data_to_the_byte)
{
	cr_assert_eq(HELLO_BYTES, 56);
}

Test(hello, every_wrong_byte_of_the_magic_is_refused)
{
	for (unsigned at = 0; at < 4; at++) {
		uint8_t bytes[HELLO_BYTES];
		struct hello back;

		hello_encode(bytes, &sample);
		bytes[at] ^= 0x10;
		cr_assert_eq(hello_decode(&back, bytes), -EPROTO);
	}
}

Test(hello, another_version_is_told_apart_and_named)
{
	uint8_t bytes[HELLO_BYTES];
	struct hello other = sample, back;

	other.version = 513;
	hello_encode(bytes, &other);
	cr_assert_eq(hello_decode(&back, bytes), -EPROTONOSUPPORT);
	cr_assert_eq(back.version, 513);
}

Test(preface, comes_back_as_it_went)
{
	const struct preface preface = { .version = WIRE_VERSION, .kind = PREFACE_LANE };
	uint8_t bytes[PREFACE_BYTES];
	struct preface back = { 0 };

	preface_encode(bytes, &preface);
	cr_assert_arr_eq(bytes, "vfmg\x00\x01\x00\x02", PREFACE_BYTES);
	cr_assert_eq(preface_decode(&back, bytes), 0);
	cr_assert_eq(back.version, WIRE_VERSION);
	cr_assert_eq(back.kind, PREFACE_LANE);
}

Test(preface, garbage_is_refused_and_leaves_the_result_alone)
{
	struct preface back = { .version = 7, .kind = 9 };

	cr_assert_eq(preface_decode(&back, (const uint8_t *)"GET / HT"), -EPROTO);
	cr_assert_eq(back.version, 7);
	cr_assert_eq(back.kind, 9);
}

Test(preface, another_version_is_told_apart_and_named)
{
	const struct preface preface = { .version = 2, .kind = PREFACE_CONTROL };
	uint8_t bytes[PREFACE_BYTES];
	struct preface back = { 0 };

	preface_encode(bytes, &preface);
	cr_assert_eq(preface_decode(&back, bytes), -EPROTONOSUPPORT);
	cr_assert_eq(back.version, 2);
}

Test(preface, a_hello_is_no_preface)
{
	uint8_t bytes[HELLO_BYTES];
	struct preface back;

	hello_encode(bytes, &sample);
	cr_assert_eq(preface_decode(&back, bytes), -EPROTO);
}

Test(hello, proves_with_every_byte_of_its_proof)
{
	for (unsigned i = 0; i < HELLO_PROOF_BYTES; i++) {
		uint8_t other[HELLO_PROOF_BYTES];

		memcpy(other, sample.proof, sizeof(other));
		cr_assert(hello_proves(&sample, other));
		other[i] ^= 0x80;
		cr_assert_not(hello_proves(&sample, other), "byte %u", i);
	}
}
