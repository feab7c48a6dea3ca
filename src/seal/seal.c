/* SPDX-License-Identifier: MIT */
/*
 * GnuTLS' calls for a cipher in pieces, and not those for a whole message: the times must be sealed after the payload took its
 * time, and the tag must not lie behind a payload that fills its slot.
 */
#include "seal/seal.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <gnutls/crypto.h>

#include "base/bytes.h"
#include "base/error.h"

enum {
	BLOCK_BYTES = 16, /* only the last piece may be of another length */
	NONCE_BYTES = 12,
	TIMES_BYTES = 16,
};

/* In the place of a device: no packet has it. */
#define NONCE_OF_MARK UINT32_MAX

_Static_assert((int)PACKET_SESSION_BYTES == (int)SEAL_TAG_BYTES, "the tag takes the session's place");
_Static_assert((int)PACKET_IDENTITY_BYTES + (int)TIMES_BYTES + 8 == (int)PACKET_HEADER_BYTES,
	       "nothing of the header is left out");

struct seal {
	gnutls_cipher_hd_t cipher;
};

int seal_open(struct seal **out, const uint8_t key[SEAL_KEY_BYTES], struct vfiomig_error *err)
{
	uint8_t none[NONCE_BYTES] = { 0 };
	gnutls_datum_t secret = { (unsigned char *)key, SEAL_KEY_BYTES }, nonce = { none, sizeof(none) };
	struct seal *seal = calloc(1, sizeof(*seal));
	int rc;

	*out = NULL;
	if (!seal)
		return error_set(err, VFIOMIG_INTERNAL, ENOMEM, NULL, "no memory for a cipher");
	rc = gnutls_cipher_init(&seal->cipher, GNUTLS_CIPHER_AES_256_GCM, &secret, &nonce);
	if (rc) {
		free(seal);
		return error_set(err, VFIOMIG_INTERNAL, EIO, NULL, "packets cannot be sealed: %s", gnutls_strerror(rc));
	}
	*out = seal;
	return 0;
}

void seal_close(struct seal *seal)
{
	if (!seal)
		return;
	gnutls_cipher_deinit(seal->cipher);
	free(seal);
}

static int begin(struct seal *seal, uint32_t device, uint64_t index, const void *about, size_t bytes)
{
	uint8_t nonce[NONCE_BYTES];

	put_be32(nonce, device);
	put_be64(nonce + 4, index);
	gnutls_cipher_set_iv(seal->cipher, nonce, sizeof(nonce));
	return gnutls_cipher_add_auth(seal->cipher, about, bytes) ? -EIO : 0;
}

/* @header names the session. */
static int begin_packet(struct seal *seal, const struct packet_header *header)
{
	uint8_t bytes[PACKET_HEADER_BYTES];

	packet_encode(bytes, header, 0);
	return begin(seal, header->device, header->index, bytes, PACKET_IDENTITY_BYTES);
}

static size_t whole_blocks(uint32_t bytes)
{
	return bytes / BLOCK_BYTES * BLOCK_BYTES;
}

typedef int (*cipher_call)(gnutls_cipher_hd_t cipher, const void *from, size_t from_bytes, void *to, size_t to_bytes);

static int do_blocks(struct seal *seal, cipher_call call, void *payload, uint32_t bytes)
{
	size_t whole = whole_blocks(bytes);

	return whole && call(seal->cipher, payload, whole, payload, whole) ? -EIO : 0;
}

/* What is left of the payload, and the times, are the last piece together. */
static int do_rest(struct seal *seal, cipher_call call, struct packet_header *header, uint8_t *payload)
{
	size_t left = header->bytes - whole_blocks(header->bytes);
	uint8_t *from = left ? payload + whole_blocks(header->bytes) : NULL;
	uint8_t rest[BLOCK_BYTES + TIMES_BYTES], *times = rest + left;

	if (left)
		memcpy(rest, from, left);
	put_be64(times, header->ready_ns);
	put_be32(times + 8, header->read_us);
	put_be32(times + 12, header->wait_us);
	if (call(seal->cipher, rest, left + TIMES_BYTES, rest, left + TIMES_BYTES))
		return -EIO;
	if (left)
		memcpy(from, rest, left);
	header->ready_ns = get_be64(times);
	header->read_us = get_be32(times + 8);
	header->wait_us = get_be32(times + 12);
	return 0;
}

int seal_payload(struct seal *seal, const struct packet_header *header, void *payload)
{
	int rc = begin_packet(seal, header);

	return rc ? rc : do_blocks(seal, gnutls_cipher_encrypt2, payload, header->bytes);
}

int seal_header(struct seal *seal, struct packet_header *header, void *payload)
{
	int rc = do_rest(seal, gnutls_cipher_encrypt2, header, payload);

	if (rc)
		return rc;
	return gnutls_cipher_tag(seal->cipher, header->session, SEAL_TAG_BYTES) ? -EIO : 0;
}

int seal_verify(struct seal *seal, const uint8_t session[PACKET_SESSION_BYTES], struct packet_header *header,
		void *payload)
{
	uint8_t came[SEAL_TAG_BYTES], tag[SEAL_TAG_BYTES];
	int rc;

	memcpy(came, header->session, sizeof(came));
	memcpy(header->session, session, sizeof(header->session));
	rc = begin_packet(seal, header);
	rc = rc ? rc : do_blocks(seal, gnutls_cipher_decrypt2, payload, header->bytes);
	rc = rc ? rc : do_rest(seal, gnutls_cipher_decrypt2, header, payload);
	if (rc || gnutls_cipher_tag(seal->cipher, tag, sizeof(tag)) || gnutls_memcmp(tag, came, sizeof(tag)) != 0)
		return -EBADMSG;
	return 0;
}

int seal_mark(struct seal *seal, const void *about, size_t bytes, uint8_t tag[SEAL_TAG_BYTES])
{
	if (begin(seal, NONCE_OF_MARK, 0, about, bytes))
		return -EIO;
	return gnutls_cipher_tag(seal->cipher, tag, SEAL_TAG_BYTES) ? -EIO : 0;
}

int seal_check(struct seal *seal, const void *about, size_t bytes, const uint8_t tag[SEAL_TAG_BYTES])
{
	uint8_t right[SEAL_TAG_BYTES];

	if (seal_mark(seal, about, bytes, right))
		return -EIO;
	return gnutls_memcmp(right, tag, sizeof(right)) == 0 ? 0 : -EBADMSG;
}
