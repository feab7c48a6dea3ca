/* SPDX-License-Identifier: MIT */
/*
 * A packet's header and payload as a peer could write them into a slot. What decodes must encode to the same bytes, what
 * verifies must have the CRC that we would give it, and no other bit may differ. The first byte says which bit is turned.
 */
#include <string.h>

#include "fuzz.h"
#include "wire/packet.h"

/* One bit turned anywhere is refused, or noticed. */
static void turn_a_bit(const uint8_t whole[PACKET_HEADER_BYTES], const uint8_t *payload, unsigned which)
{
	uint8_t turned[PACKET_HEADER_BYTES];
	struct packet_header header;
	const char *why;

	memcpy(turned, whole, sizeof(turned));
	turned[which / 8 % PACKET_HEADER_BYTES] ^= (uint8_t)(1 << which % 8);
	if (packet_decode(&header, turned, &why))
		return;
	/* The shell compares the length with the arrival before it looks at the payload. */
	FUZZ_CHECK(packet_verify(&header, which / 8 >= 20 && which / 8 < 24 ? NULL : payload));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	uint8_t in[PACKET_HEADER_BYTES] = { 0 }, out[PACKET_HEADER_BYTES];
	struct fuzz_input input = { data, bytes };
	unsigned which = fuzz_take(&input) | (fuzz_take(&input) & 1u) << 8;
	size_t head = input.left < sizeof(in) ? input.left : sizeof(in);
	struct packet_header header, again;
	const char *why = NULL;
	uint32_t crc;

	memcpy(in, input.at, head);
	input.at += head;
	input.left -= head;
	if (packet_decode(&header, in, &why)) {
		FUZZ_CHECK(why && why[0]);
		return 0;
	}
	crc = packet_encode(out, &header, packet_sum(input.at, (uint32_t)input.left));
	FUZZ_CHECK(!memcmp(in, out, PACKET_HEADER_BYTES - sizeof(crc)));
	if (header.bytes != input.left)
		return 0; /* more than came: refused before the payload is looked at */
	FUZZ_CHECK((packet_verify(&header, input.at) == 0) == (header.crc == crc));
	FUZZ_CHECK(packet_decode(&again, out, &why) == 0 && again.crc == crc);
	FUZZ_CHECK(packet_verify(&again, input.at) == 0);
	FUZZ_CHECK(packet_digest(0, &again) == packet_digest(0, &again));
	turn_a_bit(out, input.at, which);
	return 0;
}
