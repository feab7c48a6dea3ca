/* SPDX-License-Identifier: MIT */
#include "device/recording_format.h"

#include <isa-l/crc.h>
#include <string.h>

#include "base/bytes.h"

#define MAGIC	     "VFIOMIGR"
#define MAGIC_PACKET UINT32_C(0x52454350) /* "RECP" */
#define MAGIC_INDEX  UINT32_C(0x52454349) /* "RECI" */
#define MAGIC_END    UINT32_C(0x52454345) /* "RECE" */

/* Where the fields of the header are. */
enum {
	AT_VERSION = 8,
	AT_HEADER_BYTES = 12,
	AT_PREAMBLE_CRC = 16,
	AT_DRIVER = 20,
	AT_IDS = 52,
	AT_CLASS = 60,
	AT_FLAGS = 64,
	AT_FIRMWARE = 68,
	AT_PSID = 132,
	AT_NUMA_NODE = 164,
	AT_EXPECTED = 168,
	AT_NAME = 176,
	AT_CONFIG_BYTES = 208,
	AT_CONFIG = 212,
	AT_CRC = 4308,
};

_Static_assert(AT_CONFIG + VFIOMIG_CONFIG_BYTES_MAX == AT_CRC, "config");
_Static_assert(AT_CRC + 4 == RECORDING_HEADER_BYTES, "header");

uint32_t recording_crc(uint32_t crc, const void *data, size_t bytes)
{
	const unsigned char *at = data;

	crc = ~crc;
	while (bytes) {
		size_t piece = bytes < 1 << 30 ? bytes : 1 << 30; /* ISA-L counts in int, and lacks a const */

		crc = crc32_iscsi((unsigned char *)(uintptr_t)at, (int)piece, crc);
		at += piece;
		bytes -= piece;
	}
	return ~crc;
}

/* A CRC at @at of everything before it. */
static void seal(uint8_t *bytes, size_t at)
{
	put_be32(bytes + at, recording_crc(0, bytes, at));
}

static bool sealed(const uint8_t *bytes, size_t at)
{
	return get_be32(bytes + at) == recording_crc(0, bytes, at);
}

void recording_header_encode(uint8_t out[RECORDING_HEADER_BYTES], const struct recording_header *header)
{
	const struct vfiomig_device_info *info = &header->info;
	uint32_t config_bytes =
		info->config_bytes < VFIOMIG_CONFIG_BYTES_MAX ? info->config_bytes : VFIOMIG_CONFIG_BYTES_MAX;

	memset(out, 0, RECORDING_HEADER_BYTES);
	memcpy(out, MAGIC, strlen(MAGIC));
	put_be32(out + AT_VERSION, RECORDING_VERSION);
	put_be32(out + AT_HEADER_BYTES, RECORDING_HEADER_BYTES);
	seal(out, AT_PREAMBLE_CRC);
	memcpy(out + AT_DRIVER, info->driver, sizeof(info->driver));
	put_be16(out + AT_IDS, info->vendor);
	put_be16(out + AT_IDS + 2, info->device);
	put_be16(out + AT_IDS + 4, info->subsystem_vendor);
	put_be16(out + AT_IDS + 6, info->subsystem_device);
	put_be32(out + AT_CLASS, info->class_revision);
	put_be32(out + AT_FLAGS, info->migration_flags);
	memcpy(out + AT_FIRMWARE, info->firmware, sizeof(info->firmware));
	memcpy(out + AT_PSID, info->psid, sizeof(info->psid));
	put_be32(out + AT_NUMA_NODE, (uint32_t)info->numa_node);
	put_be64(out + AT_EXPECTED, info->expected_bytes);
	memcpy(out + AT_NAME, header->name, sizeof(header->name));
	put_be32(out + AT_CONFIG_BYTES, config_bytes);
	memcpy(out + AT_CONFIG, info->config, config_bytes);
	seal(out, AT_CRC);
}

const char *recording_preamble_decode(const uint8_t in[RECORDING_PREAMBLE_BYTES], uint32_t *version)
{
	*version = get_be32(in + AT_VERSION);
	if (memcmp(in, MAGIC, strlen(MAGIC)) != 0)
		return "it does not begin as a recording does";
	return sealed(in, AT_PREAMBLE_CRC) ? NULL : "its first 20 bytes are not what they were";
}

static void decode_string(char *to, const uint8_t *from, size_t bytes)
{
	memcpy(to, from, bytes);
	to[bytes - 1] = 0;
}

const char *recording_header_decode(const uint8_t in[RECORDING_HEADER_BYTES], struct recording_header *header)
{
	struct vfiomig_device_info *info = &header->info;

	*header = (struct recording_header){ 0 };
	if (get_be32(in + AT_HEADER_BYTES) != RECORDING_HEADER_BYTES || !sealed(in, AT_CRC))
		return "its header is not what it was";
	decode_string(info->driver, in + AT_DRIVER, sizeof(info->driver));
	info->vendor = get_be16(in + AT_IDS);
	info->device = get_be16(in + AT_IDS + 2);
	info->subsystem_vendor = get_be16(in + AT_IDS + 4);
	info->subsystem_device = get_be16(in + AT_IDS + 6);
	info->class_revision = get_be32(in + AT_CLASS);
	info->migration_flags = get_be32(in + AT_FLAGS);
	decode_string(info->firmware, in + AT_FIRMWARE, sizeof(info->firmware));
	decode_string(info->psid, in + AT_PSID, sizeof(info->psid));
	info->numa_node = (int)(int32_t)get_be32(in + AT_NUMA_NODE);
	info->expected_bytes = get_be64(in + AT_EXPECTED);
	decode_string(header->name, in + AT_NAME, sizeof(header->name));
	info->config_bytes = get_be32(in + AT_CONFIG_BYTES);
	if (info->config_bytes > VFIOMIG_CONFIG_BYTES_MAX)
		return "its config space is larger than any";
	memcpy(info->config, in + AT_CONFIG, info->config_bytes);
	return NULL;
}

void recording_head_encode(uint8_t out[RECORDING_HEAD_BYTES], const struct recording_packet *packet,
			   uint32_t payload_crc)
{
	put_be32(out, MAGIC_PACKET);
	put_be32(out + 4, packet->flags);
	put_be64(out + 8, packet->index);
	put_be32(out + 16, packet->bytes);
	put_be32(out + 20, payload_crc);
	put_be32(out + 24, 0);
	seal(out, 28);
}

const char *recording_head_decode(const uint8_t in[RECORDING_HEAD_BYTES], struct recording_packet *packet,
				  uint32_t *payload_crc, bool *over)
{
	*over = get_be32(in) == MAGIC_INDEX;
	if (*over)
		return NULL;
	if (get_be32(in) != MAGIC_PACKET || !sealed(in, 28))
		return "what stands there is no packet";
	packet->flags = get_be32(in + 4);
	packet->index = get_be64(in + 8);
	packet->bytes = get_be32(in + 16);
	*payload_crc = get_be32(in + 20);
	return NULL;
}

void recording_tally_init(struct recording_tally *tally)
{
	*tally = (struct recording_tally){ .index.stride = 1 };
	tally->summary.file_bytes = RECORDING_HEADER_BYTES;
}

const char *recording_tally_objection(const struct recording_tally *tally, const struct recording_packet *packet)
{
	if (tally->complete)
		return "a packet follows the config packet, which is the last";
	if (packet->index != tally->summary.packets)
		return "the packet's index is not the next one";
	if (packet->flags & ~(uint32_t)(RECORDING_CONFIG_STATE | RECORDING_STOP_COPY))
		return "the packet has flags that nobody knows";
	if (tally->stopped && !(packet->flags & (RECORDING_STOP_COPY | RECORDING_CONFIG_STATE)))
		return "a packet of PRE_COPY follows one of STOP_COPY";
	return NULL;
}

static void index_add(struct recording_index *index, uint64_t packet, uint64_t at)
{
	if (packet % index->stride)
		return;
	if (index->entries == RECORDING_INDEX_MAX) {
		for (uint32_t i = 0; i < RECORDING_INDEX_MAX / 2; i++)
			index->at[i] = index->at[2 * i];
		index->entries = RECORDING_INDEX_MAX / 2;
		index->stride *= 2; /* the full index ended before a multiple of the new stride */
	}
	index->at[index->entries++] = at;
}

void recording_tally_add(struct recording_tally *tally, const struct recording_packet *packet, uint64_t at,
			 const uint8_t head[RECORDING_HEAD_BYTES])
{
	struct recording_summary *summary = &tally->summary;

	index_add(&tally->index, packet->index, at);
	summary->packets++;
	summary->digest = recording_crc(summary->digest, head, RECORDING_HEAD_BYTES);
	summary->file_bytes = at + RECORDING_HEAD_BYTES + packet->bytes;
	if (packet->flags & RECORDING_CONFIG_STATE) {
		summary->config_bytes = packet->bytes;
		summary->index_at = summary->file_bytes;
		tally->complete = true;
		return;
	}
	summary->bytes += packet->bytes;
	if (packet->flags & RECORDING_STOP_COPY)
		tally->stopped = true;
	else
		summary->precopy_bytes += packet->bytes;
}

size_t recording_index_encode(uint8_t out[RECORDING_INDEX_BYTES_MAX], const struct recording_index *index)
{
	uint8_t *entries = out + RECORDING_HEAD_BYTES;
	size_t bytes = (size_t)index->entries * RECORDING_ENTRY_BYTES;

	for (uint32_t i = 0; i < index->entries; i++)
		put_be64(entries + (size_t)i * RECORDING_ENTRY_BYTES, index->at[i]);
	put_be32(out, MAGIC_INDEX);
	put_be32(out + 4, index->entries);
	put_be64(out + 8, index->stride);
	put_be32(out + 16, recording_crc(0, entries, bytes));
	put_be64(out + 20, 0);
	seal(out, 28);
	return RECORDING_HEAD_BYTES + bytes;
}

void recording_end_encode(uint8_t out[RECORDING_END_BYTES], const struct recording_summary *summary)
{
	put_be32(out, MAGIC_END);
	put_be32(out + 4, summary->digest);
	put_be64(out + 8, summary->packets);
	put_be64(out + 16, summary->bytes);
	put_be64(out + 24, summary->precopy_bytes);
	put_be32(out + 32, summary->config_bytes);
	put_be32(out + 36, 0);
	put_be64(out + 40, summary->index_at);
	put_be64(out + 48, summary->file_bytes);
	put_be32(out + 56, 0);
	seal(out, 60);
}
