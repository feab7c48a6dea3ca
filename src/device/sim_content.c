/* SPDX-License-Identifier: MIT */
/*
 * Content has to be made and checked as fast as memory is copied, or the simulated device would be what a benchmark
 * measures. So one block is made from the seed, and every block of the stream is that block with each word XORed with
 * its stamp, a number of its own: all blocks differ, and so do all words in a block.
 */
#include "device/sim_content.h"

#include <string.h>

#define STEP UINT64_C(0x9e3779b97f4a7c15)

uint64_t content_mix(uint64_t x)
{
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

void content_init(struct content *content, uint64_t seed)
{
	content->seed = content_mix(seed + STEP);
	for (uint64_t i = 0; i < CONTENT_BLOCK_WORDS; i++)
		content->words[i] = content_mix(content->seed + i * STEP);
}

void content_make(const struct content *content, uint64_t block, size_t count, void *to)
{
	uint64_t *out = to;

	for (; count; count--, block++, out += CONTENT_BLOCK_WORDS) {
		uint64_t stamp = content_mix(~content->seed + block * STEP);

		for (unsigned i = 0; i < CONTENT_BLOCK_WORDS; i++)
			out[i] = content->words[i] ^ stamp;
	}
}

size_t content_check(const struct content *content, uint64_t at, const void *from, size_t bytes, uint8_t *expected)
{
	_Alignas(64) uint8_t block[CONTENT_BLOCK_BYTES];
	const uint8_t *seen = from;
	size_t done = 0;

	while (done < bytes) {
		size_t skip = (at + done) % CONTENT_BLOCK_BYTES;
		size_t here = CONTENT_BLOCK_BYTES - skip;

		if (here > bytes - done)
			here = bytes - done;
		content_make(content, (at + done) / CONTENT_BLOCK_BYTES, 1, block);
		if (memcmp(block + skip, seen + done, here))
			break;
		done += here;
	}
	for (; done < bytes; done++) {
		*expected = block[(at + done) % CONTENT_BLOCK_BYTES];
		if (seen[done] != *expected)
			break;
	}
	return done;
}
