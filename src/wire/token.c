/* SPDX-License-Identifier: MIT */
#include "wire/token.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "wire/crc32c.h"

#define TOKEN_MAGIC UINT32_C(0x56665478) /* "VfTx" */

enum {
	TOKEN_VERSION = 1,
	AT_MAGIC = 0,
	AT_VERSION = 4,
	AT_DEVICES = 6,
	AT_SESSION = 8,
	AT_COUNTS = 24,
	COUNT_BYTES = 16,
	CRC_BYTES = 4,
};

_Static_assert(AT_COUNTS + VFIOMIG_DEVICES_MAX * COUNT_BYTES + CRC_BYTES == TOKEN_BYTES_MAX, "room for every device");

size_t token_bytes(unsigned devices)
{
	return AT_COUNTS + (size_t)devices * COUNT_BYTES + CRC_BYTES;
}

size_t token_encode(uint8_t out[TOKEN_BYTES_MAX], const struct token *token)
{
	size_t used = token_bytes(token->devices) - CRC_BYTES;

	put_be32(out + AT_MAGIC, TOKEN_MAGIC);
	put_be16(out + AT_VERSION, TOKEN_VERSION);
	put_be16(out + AT_DEVICES, (uint16_t)token->devices);
	memcpy(out + AT_SESSION, token->session, sizeof(token->session));
	for (unsigned i = 0; i < token->devices; i++) {
		put_be64(out + AT_COUNTS + i * COUNT_BYTES, token->count[i].packets);
		put_be64(out + AT_COUNTS + i * COUNT_BYTES + 8, token->count[i].bytes);
	}
	put_be32(out + used, crc32c(0, out, used));
	return used + CRC_BYTES;
}

static int refuse(const char **why, const char *word)
{
	*why = word;
	return -EPROTO;
}

int token_decode(struct token *token, const uint8_t *in, unsigned devices, const char **why)
{
	size_t used = token_bytes(devices) - CRC_BYTES;

	if (get_be32(in + AT_MAGIC) != TOKEN_MAGIC)
		return refuse(why, "token-magic");
	if (get_be16(in + AT_VERSION) != TOKEN_VERSION)
		return refuse(why, "token-version");
	if (get_be16(in + AT_DEVICES) != devices)
		return refuse(why, "token-devices");
	if (get_be32(in + used) != crc32c(0, in, used))
		return refuse(why, "token-damaged");
	token->devices = devices;
	memcpy(token->session, in + AT_SESSION, sizeof(token->session));
	for (unsigned i = 0; i < devices; i++) {
		token->count[i].packets = get_be64(in + AT_COUNTS + i * COUNT_BYTES);
		token->count[i].bytes = get_be64(in + AT_COUNTS + i * COUNT_BYTES + 8);
	}
	return 0;
}
