/* SPDX-License-Identifier: MIT */
/*
 * A packet that nobody on its way can read or change: AES-256-GCM. What is sealed is the payload and then the header's times,
 * because they are known only when the payload is done; what is authenticated besides is the rest of the header. The header
 * keeps its place and length: a sealed one has the tag where the session stands (it is in the authenticated data, and in the
 * key) and the times in cipher.
 *
 * A seal has one key and one direction, and is one thread's. Its nonce is device and index: a packet is sealed once, and sent again as
 * it lies. Nothing is allocated after seal_open.
 */
#ifndef SEAL_SEAL_H
#define SEAL_SEAL_H

#include <stddef.h>
#include <stdint.h>

#include <vfiomig/error.h>

#include "wire/packet.h"

enum { SEAL_KEY_BYTES = 32, SEAL_TAG_BYTES = 16 };

struct seal;

/* @key is copied. -EIO (VFIOMIG_INTERNAL): GnuTLS will not; *@out is NULL then. */
int seal_open(struct seal **out, const uint8_t key[SEAL_KEY_BYTES], struct vfiomig_error *err);

/* Wipes the key. NULL is fine. */
void seal_close(struct seal *seal);

/*
 * Seal a packet in place, in two steps: the payload, whose header must be complete but for its times, and then the times
 * (and what the first step left of the payload: less than a block). After the second, @header is the sealed one, to be encoded as any
 * other. The same packet must never be sealed twice with other content. 0 or -EIO.
 */
int seal_payload(struct seal *seal, const struct packet_header *header, void *payload);
int seal_header(struct seal *seal, struct packet_header *header, void *payload);

/*
 * Decrypt @payload, header->bytes of it, in place, and @header as it was decoded: both must be private, as they are read more
 * than once. 0, and @header is what seal_header was given; -EBADMSG: this is not a packet that the other end sealed for
 * @session, and nothing of either may be used.
 */
int seal_verify(struct seal *seal, const uint8_t session[PACKET_SESSION_BYTES], struct packet_header *header,
		void *payload);

/* A tag over @about, which stays readable: once per key, for the token. 0 or -EIO. */
int seal_mark(struct seal *seal, const void *about, size_t bytes, uint8_t tag[SEAL_TAG_BYTES]);
/* 0: @tag is the other end's over @about; -EBADMSG: it is not; -EIO. */
int seal_check(struct seal *seal, const void *about, size_t bytes, const uint8_t tag[SEAL_TAG_BYTES]);

#endif
