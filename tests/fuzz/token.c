/* SPDX-License-Identifier: MIT */
/*
 * A token as a peer could write it into the token area, in a copy of exactly as many bytes as are promised. What decodes
 * must encode to the same bytes. First byte: devices, and in its high bit whether the CRC is put right, to get past it.
 */
#include "wire/token.h"

#include <string.h>

#include "base/bytes.h"
#include "fuzz.h"
#include "wire/crc32c.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct fuzz_input input = { data, bytes };
	uint8_t first = fuzz_take(&input), out[TOKEN_BYTES_MAX];
	unsigned devices = 1 + first % VFIOMIG_DEVICES_MAX;
	size_t whole = token_bytes(devices);
	uint8_t *in = calloc(1, whole);
	const char *why = NULL;
	struct token token;

	FUZZ_CHECK(in && whole <= TOKEN_BYTES_MAX);
	memcpy(in, input.at, input.left < whole ? input.left : whole);
	if (first & 0x80)
		put_be32(in + whole - 4, crc32c(0, in, whole - 4));
	if (token_decode(&token, in, devices, &why)) {
		FUZZ_CHECK(why && why[0]);
	} else {
		FUZZ_CHECK(token.devices == devices);
		FUZZ_CHECK(token_encode(out, &token) == whole);
		FUZZ_CHECK(!memcmp(in, out, whole));
	}
	free(in);
	return 0;
}
