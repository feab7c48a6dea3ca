/* SPDX-License-Identifier: MIT */
/*
 * Offsets of preface and hello, nailed to their sizes: the hello must fill rdma_cm's private data and not a byte more.
 * The version lies at the same place in both, and in every version to come, so that two versions can name each other.
 */
#include "wire/hello.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"

#define PREFACE_MAGIC UINT32_C(0x76666d67)
#define HELLO_MAGIC   UINT32_C(0x76666d6c)

enum {
	MAGIC_AT = 0,
	VERSION_AT = 4,
	PREFACE_KIND_AT = 6,
	HELLO_LANE_AT = 6,
	HELLO_SESSION_AT = 8,
	HELLO_PROOF_AT = HELLO_SESSION_AT + HELLO_SESSION_BYTES,
};

_Static_assert(PREFACE_KIND_AT + sizeof(uint16_t) == PREFACE_BYTES, "preface is 8 bytes");
_Static_assert(HELLO_PROOF_AT + HELLO_PROOF_BYTES == HELLO_BYTES && HELLO_BYTES == 56, "hello is 56 bytes");
_Static_assert(sizeof(((struct hello *)0)->session) == HELLO_SESSION_BYTES, "session id");
_Static_assert(sizeof(((struct hello *)0)->proof) == HELLO_PROOF_BYTES, "proof");

void preface_encode(uint8_t out[PREFACE_BYTES], const struct preface *preface)
{
	put_be32(out + MAGIC_AT, PREFACE_MAGIC);
	put_be16(out + VERSION_AT, preface->version);
	put_be16(out + PREFACE_KIND_AT, preface->kind);
}

int preface_decode(struct preface *preface, const uint8_t in[PREFACE_BYTES])
{
	if (get_be32(in + MAGIC_AT) != PREFACE_MAGIC)
		return -EPROTO;
	preface->version = get_be16(in + VERSION_AT);
	preface->kind = get_be16(in + PREFACE_KIND_AT);
	return preface->version == WIRE_VERSION ? 0 : -EPROTONOSUPPORT;
}

void hello_encode(uint8_t out[HELLO_BYTES], const struct hello *hello)
{
	put_be32(out + MAGIC_AT, HELLO_MAGIC);
	put_be16(out + VERSION_AT, hello->version);
	put_be16(out + HELLO_LANE_AT, hello->lane);
	memcpy(out + HELLO_SESSION_AT, hello->session, HELLO_SESSION_BYTES);
	memcpy(out + HELLO_PROOF_AT, hello->proof, HELLO_PROOF_BYTES);
}

int hello_decode(struct hello *hello, const uint8_t in[HELLO_BYTES])
{
	if (get_be32(in + MAGIC_AT) != HELLO_MAGIC)
		return -EPROTO;
	hello->version = get_be16(in + VERSION_AT);
	hello->lane = get_be16(in + HELLO_LANE_AT);
	memcpy(hello->session, in + HELLO_SESSION_AT, HELLO_SESSION_BYTES);
	memcpy(hello->proof, in + HELLO_PROOF_AT, HELLO_PROOF_BYTES);
	return hello->version == WIRE_VERSION ? 0 : -EPROTONOSUPPORT;
}

bool hello_proves(const struct hello *hello, const uint8_t proof[HELLO_PROOF_BYTES])
{
	unsigned differing = 0;

	for (unsigned i = 0; i < HELLO_PROOF_BYTES; i++)
		differing |= (unsigned)(hello->proof[i] ^ proof[i]);
	return differing == 0;
}
