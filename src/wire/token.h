/* SPDX-License-Identifier: MIT */
/*
 * The token, "all iterables are out": what the source knows it has sent, per device, so that it is judged by content
 * and never by timing.
 */
#ifndef WIRE_TOKEN_H
#define WIRE_TOKEN_H

#include <stddef.h>
#include <stdint.h>

#include <vfiomig/device.h>

enum { TOKEN_BYTES_MAX = 4 + 2 + 2 + 16 + VFIOMIG_DEVICES_MAX * 16 + 4 };

struct token {
	unsigned devices;
	uint8_t session[16];
	struct token_count {
		uint64_t packets; /* without the config packet */
		uint64_t bytes;	  /* of their payload */
	} count[VFIOMIG_DEVICES_MAX];
};

/* Returns the bytes used. */
size_t token_encode(uint8_t out[TOKEN_BYTES_MAX], const struct token *token);

/* How many bytes a token of @devices has. */
size_t token_bytes(unsigned devices);

/*
 * Decode from a copy of at least token_bytes(@devices) bytes. 0, or -EPROTO with *@why: "token-magic", "token-version",
 * "token-devices", "token-damaged".
 */
int token_decode(struct token *token, const uint8_t *in, unsigned devices, const char **why);

#endif
