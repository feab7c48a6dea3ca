/* SPDX-License-Identifier: MIT */
/*
 * The bytes of a recording; encode and decode, no I/O. All numbers are big-endian, all that is not named is 0. Every byte is
 * under a CRC32C, and every length under one that is checked before the length is believed. A file is, without gaps:
 *
 *   header, 4312 bytes
 *      0 "VFIOMIGR" 8 · version 4 · header bytes 4 · CRC 4 of these 16      (the same in every version to come)
 *     20 driver 32 · vendor 2 · device 2 · subsystem vendor 2 · subsystem device 2 · class and revision 4
 *     64 migration flags 4 · firmware 64 · psid 32 · NUMA node 4 · expected bytes 8 · name 32
 *    208 config bytes 4 · config 4096 · CRC 4 of all before
 *   packets, each a head of 32 bytes and its payload
 *      0 "RECP" 4 · flags 4 · index 8 · payload bytes 4 · CRC 4 of the payload · 0 4 · CRC 4 of the 28 bytes before
 *   index, a head of 32 bytes and its entries
 *      0 "RECI" 4 · entries 4 · stride 8 · CRC 4 of the entries · 0 8 · CRC 4 of the 28 bytes before
 *     entry i: 8, where in the file packet i * stride begins; at most 1024 of them
 *   end, 64 bytes, the last of the file
 *      0 "RECE" 4 · digest 4: CRC of all heads of packets, one after the other
 *      8 packets 8 · bytes of the stream 8 · bytes of it before STOP_COPY 8 · bytes of the config packet 4 · 0 4
 *     40 where the index begins 8 · bytes of the file 8 · 0 4 · CRC 4 of the 60 bytes before
 */
#ifndef DEVICE_RECORDING_FORMAT_H
#define DEVICE_RECORDING_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "device/recording.h"

enum {
	RECORDING_VERSION = 1,
	RECORDING_PREAMBLE_BYTES = 20,
	RECORDING_HEADER_BYTES = 4312,
	RECORDING_HEAD_BYTES = 32,
	RECORDING_ENTRY_BYTES = 8,
	RECORDING_INDEX_MAX = 1024,
	RECORDING_END_BYTES = 64,
	RECORDING_NAME_BYTES = 32,
};

/* CRC32C over @bytes more; starts from 0. */
uint32_t recording_crc(uint32_t crc, const void *data, size_t bytes);

struct recording_header {
	struct vfiomig_device_info info;
	char name[RECORDING_NAME_BYTES]; /* "" if it had none */
};

void recording_header_encode(uint8_t out[RECORDING_HEADER_BYTES], const struct recording_header *header);

/* *@version of what begins with the preamble @in. NULL, or what is wrong with it. */
const char *recording_preamble_decode(const uint8_t in[RECORDING_PREAMBLE_BYTES], uint32_t *version);

/* All strings end. NULL, or what is wrong. */
const char *recording_header_decode(const uint8_t in[RECORDING_HEADER_BYTES], struct recording_header *header);

void recording_head_encode(uint8_t out[RECORDING_HEAD_BYTES], const struct recording_packet *packet,
			   uint32_t payload_crc);

/* What is over where a packet might be: the index follows. NULL, or what is wrong with @in. */
const char *recording_head_decode(const uint8_t in[RECORDING_HEAD_BYTES], struct recording_packet *packet,
				  uint32_t *payload_crc, bool *over);

/* Where packets are, sparse enough to stay small: of more than RECORDING_INDEX_MAX, every 2nd, 4th, ... is kept. */
struct recording_index {
	uint64_t stride;
	uint32_t entries;
	uint64_t at[RECORDING_INDEX_MAX];
};

/* The sums of a recording. */
struct recording_summary {
	uint64_t packets;	/* the config packet among them */
	uint64_t bytes;		/* of the stream: config not among them */
	uint64_t precopy_bytes; /* of the stream, before STOP_COPY */
	uint32_t config_bytes;	/* payload of the config packet */
	uint32_t digest;
	uint64_t index_at, file_bytes;
};

/* What writer and reader keep of the packets that have passed: by the same rules, so that they can be compared. */
struct recording_tally {
	struct recording_summary summary;
	struct recording_index index;
	bool stopped;  /* STOP_COPY has begun */
	bool complete; /* the config packet has passed */
};

void recording_tally_init(struct recording_tally *tally);

/* May @packet come next? NULL, or why not. */
const char *recording_tally_objection(const struct recording_tally *tally, const struct recording_packet *packet);

/* @packet begins @at in the file, with @head. Only where there is no objection. */
void recording_tally_add(struct recording_tally *tally, const struct recording_packet *packet, uint64_t at,
			 const uint8_t head[RECORDING_HEAD_BYTES]);

enum { RECORDING_INDEX_BYTES_MAX = RECORDING_HEAD_BYTES + RECORDING_INDEX_MAX * RECORDING_ENTRY_BYTES };

/* Returns the bytes of @out. */
size_t recording_index_encode(uint8_t out[RECORDING_INDEX_BYTES_MAX], const struct recording_index *index);

void recording_end_encode(uint8_t out[RECORDING_END_BYTES], const struct recording_summary *summary);

#endif
