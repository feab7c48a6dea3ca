/* SPDX-License-Identifier: MIT */
#include "wire/packet.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "wire/crc32c.h"

enum {
	AT_MAGIC = 0,
	AT_VERSION = 4,
	AT_DEVICE = 6,
	AT_INDEX = 8,
	AT_FLAGS = 16,
	AT_BYTES = 20,
	AT_SESSION = 24,
	AT_READY = 40,
	AT_READ = 48,
	AT_WAIT = 52,
	AT_RESERVED = 56,
	AT_CRC = 60,
};

_Static_assert(AT_CRC + 4 == PACKET_HEADER_BYTES, "the CRC ends the header");
_Static_assert((int)PACKET_IDENTITY_BYTES == (int)AT_READY, "the times follow what names the packet");
_Static_assert(AT_SESSION + PACKET_SESSION_BYTES == AT_READY, "no hole before the times");

static void encode_without_crc(uint8_t out[PACKET_HEADER_BYTES], const struct packet_header *header)
{
	memset(out, 0, PACKET_HEADER_BYTES);
	put_be32(out + AT_MAGIC, PACKET_MAGIC);
	put_be16(out + AT_VERSION, PACKET_VERSION);
	put_be16(out + AT_DEVICE, header->device);
	put_be64(out + AT_INDEX, header->index);
	put_be32(out + AT_FLAGS, header->flags);
	put_be32(out + AT_BYTES, header->bytes);
	memcpy(out + AT_SESSION, header->session, PACKET_SESSION_BYTES);
	put_be64(out + AT_READY, header->ready_ns);
	put_be32(out + AT_READ, header->read_us);
	put_be32(out + AT_WAIT, header->wait_us);
}

uint32_t packet_sum(const void *payload, uint32_t bytes)
{
	return crc32c(0, payload, bytes);
}

uint32_t packet_encode(uint8_t out[PACKET_HEADER_BYTES], const struct packet_header *header, uint32_t sum)
{
	uint32_t crc;

	encode_without_crc(out, header);
	crc = crc32c(sum, out, PACKET_HEADER_BYTES);
	put_be32(out + AT_CRC, crc);
	return crc;
}

static int refuse(const char **why, const char *word)
{
	*why = word;
	return -EPROTO;
}

int packet_decode(struct packet_header *header, const uint8_t in[PACKET_HEADER_BYTES], const char **why)
{
	static const uint8_t zero[AT_CRC - AT_RESERVED];

	if (get_be32(in + AT_MAGIC) != PACKET_MAGIC)
		return refuse(why, "packet-magic");
	if (get_be16(in + AT_VERSION) != PACKET_VERSION)
		return refuse(why, "packet-version");
	if (memcmp(in + AT_RESERVED, zero, sizeof(zero)) != 0)
		return refuse(why, "packet-reserved");
	header->device = get_be16(in + AT_DEVICE);
	header->index = get_be64(in + AT_INDEX);
	header->flags = get_be32(in + AT_FLAGS);
	header->bytes = get_be32(in + AT_BYTES);
	memcpy(header->session, in + AT_SESSION, PACKET_SESSION_BYTES);
	header->ready_ns = get_be64(in + AT_READY);
	header->read_us = get_be32(in + AT_READ);
	header->wait_us = get_be32(in + AT_WAIT);
	header->crc = get_be32(in + AT_CRC);
	if (header->flags & ~(uint32_t)(PACKET_CONFIG_STATE | PACKET_STOP_COPY | PACKET_SEALED))
		return refuse(why, "packet-flags");
	return 0;
}

int packet_verify(const struct packet_header *header, const void *payload)
{
	uint8_t bytes[PACKET_HEADER_BYTES];

	encode_without_crc(bytes, header);
	return crc32c(payload ? packet_sum(payload, header->bytes) : 0, bytes, sizeof(bytes)) == header->crc ? 0
													     : -EBADMSG;
}

uint32_t packet_digest(uint32_t digest, const struct packet_header *header)
{
	uint8_t record[16];

	put_be64(record, header->index);
	put_be32(record + 8, header->bytes);
	put_be32(record + 12, header->crc);
	return crc32c(digest, record, sizeof(record));
}
