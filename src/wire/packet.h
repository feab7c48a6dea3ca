/* SPDX-License-Identifier: MIT */
/*
 * The header of a packet: 64 bytes, big-endian, one per slot. Nothing in it is trusted before it was copied out of the
 * slot and checked; what changes in the slot afterwards has no effect.
 *
 *    0 magic 4 · version 2 · device 2      8 index 8
 *   16 flags 4 · payload bytes 4          24 session 16
 *   40 ready 8 · read 4 · wait 4 · zero 4  60 CRC32C 4 over the payload and then the header (this field zero)
 *
 * The times are the source's account of this packet, for the phase budget only; nothing is decided by them. Of a sealed packet
 * (seal/seal.h) they are in cipher, the tag stands where the session does, and the CRC is over the header alone.
 */
#ifndef WIRE_PACKET_H
#define WIRE_PACKET_H

#include <stdint.h>

enum {
	PACKET_HEADER_BYTES = 64,
	PACKET_VERSION = 1,
	PACKET_SESSION_BYTES = 16,
	PACKET_IDENTITY_BYTES = 40, /* all that comes before the times: what packet it is */
};

#define PACKET_MAGIC UINT32_C(0x56664d67) /* "VfMg" */

enum packet_flags {
	PACKET_CONFIG_STATE = 1, /* the last packet of its device: the config state, possibly empty */
	PACKET_STOP_COPY = 2,	 /* read after the device had stopped */
	PACKET_SEALED = 4,	 /* seal/seal.h: the session's place has the tag, and the times are in cipher */
};

struct packet_header {
	uint16_t device;
	uint32_t flags;
	uint64_t index;
	uint32_t bytes; /* of payload */
	uint8_t session[PACKET_SESSION_BYTES];
	uint64_t ready_ns; /* when it was full and checked, on the source's monotonic clock */
	uint32_t read_us;  /* it took to fill and to check it */
	uint32_t wait_us;  /* its reader had waited for a slot before */
	uint32_t crc;
};

/* The CRC32C of a payload: where packet_encode starts from. Without payload checks that is 0. */
uint32_t packet_sum(const void *payload, uint32_t bytes);

/* Encode @header to @out and return its CRC, which goes on from @sum; header->crc is ignored. */
uint32_t packet_encode(uint8_t out[PACKET_HEADER_BYTES], const struct packet_header *header, uint32_t sum);

/*
 * Decode @in. 0, or -EPROTO with *@why set to a stable word: "packet-magic", "packet-version", "packet-flags",
 * "packet-reserved".
 */
int packet_decode(struct packet_header *header, const uint8_t in[PACKET_HEADER_BYTES], const char **why);

/* Does the CRC of @header hold over @payload, where that is not NULL, and the header? */
int packet_verify(const struct packet_header *header, const void *payload);

/* Carry a stream's digest over one more packet: a CRC over (index, bytes, the packet's CRC). Starts from 0. */
uint32_t packet_digest(uint32_t digest, const struct packet_header *header);

#endif
