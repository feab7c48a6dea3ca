/* SPDX-License-Identifier: MIT */
/* A recording as it is, and recipes for some (recording.c); what follows the fuzzer's first byte is read as there. */
#include "seeds.h"

#include <stdint.h>
#include <string.h>

#include "device/recording_format.h"

enum { AS_IT_IS = 0xff, HEADER_TAKES = 2 + 64 };

static void seed_file(void)
{
	static uint8_t seed[1 + RECORDING_HEADER_BYTES + RECORDING_HEAD_BYTES + RECORDING_INDEX_BYTES_MAX +
			    RECORDING_END_BYTES] = { AS_IT_IS };
	struct recording_header header = { .info = { .driver = "seed", .config_bytes = 256 } };
	struct recording_packet config = { .flags = RECORDING_CONFIG_STATE };
	struct recording_tally tally;
	uint8_t *at = seed + 1 + RECORDING_HEADER_BYTES;

	recording_header_encode(seed + 1, &header);
	recording_tally_init(&tally);
	recording_head_encode(at, &config, 0);
	recording_tally_add(&tally, &config, RECORDING_HEADER_BYTES, at);
	at += RECORDING_HEAD_BYTES;
	at += recording_index_encode(at, &tally.index);
	tally.summary.file_bytes = (uint64_t)(at - seed - 1) + RECORDING_END_BYTES;
	recording_end_encode(at, &tally.summary);
	seed_write("recording", "file", seed, (size_t)(at - seed) + RECORDING_END_BYTES);
}

/* @packets: two bytes each, flags and length; @changes: three each, where (little-endian) and what. */
static void seed_recipe(const char *name, const uint8_t *packets, size_t packet_bytes, const uint8_t *changes,
			size_t change_bytes)
{
	uint8_t seed[128] = { (uint8_t)(change_bytes / 3) };
	size_t at = 1 + HEADER_TAKES;

	seed[at++] = (uint8_t)(packet_bytes / 2);
	memcpy(seed + at, packets, packet_bytes);
	at += packet_bytes;
	if (change_bytes)
		memcpy(seed + at, changes, change_bytes);
	seed_write("recording", name, seed, at + change_bytes);
}

void seed_recordings(void)
{
	enum { PRECOPY = 0, CONFIG = RECORDING_CONFIG_STATE, STOPPED = RECORDING_STOP_COPY, NOT_DUE = 0xf2 };
	static const uint8_t good[] = { PRECOPY, 200, PRECOPY, 7, STOPPED, 255, CONFIG, 100 };
	static const uint8_t empty[] = { CONFIG, 0 }, open_ended[] = { STOPPED, 9 };
	static const uint8_t turned_back[] = { STOPPED, 9, PRECOPY, 9, CONFIG, 1 };
	static const uint8_t gap[] = { STOPPED, 9, NOT_DUE, 9, CONFIG, 1 };
	static const uint8_t change[] = { 0xf0, 0x10, 0x01 }; /* the first packet's payload */

	seed_file();
	seed_recipe("good", good, sizeof(good), NULL, 0);
	seed_recipe("changed", good, sizeof(good), change, sizeof(change));
	seed_recipe("empty", empty, sizeof(empty), NULL, 0);
	seed_recipe("open-ended", open_ended, sizeof(open_ended), NULL, 0);
	seed_recipe("turned-back", turned_back, sizeof(turned_back), NULL, 0);
	seed_recipe("gap", gap, sizeof(gap), NULL, 0);
}
