/* SPDX-License-Identifier: MIT */
/* The state of a simulated device: bytes that follow from a seed and their position alone. */
#ifndef DEVICE_SIM_CONTENT_H
#define DEVICE_SIM_CONTENT_H

#include <stddef.h>
#include <stdint.h>

enum { CONTENT_BLOCK_BYTES = 4096, CONTENT_BLOCK_WORDS = CONTENT_BLOCK_BYTES / 8 };

struct content {
	uint64_t seed;
	uint64_t words[CONTENT_BLOCK_WORDS]; /* block 0, but for the stamp */
};

void content_init(struct content *content, uint64_t seed);

/* Make @count whole blocks, the first of them number @block, at @to (aligned to 8 bytes). */
void content_make(const struct content *content, uint64_t block, size_t count, void *to);

/*
 * Are @bytes at @from the stream's from position @at on? Returns how many of them are right before the first wrong one:
 * @bytes if all are. *@expected is what the wrong one should have been.
 */
size_t content_check(const struct content *content, uint64_t at, const void *from, size_t bytes, uint8_t *expected);

/* A number that looks like chance but follows from @x; no two have the same. */
uint64_t content_mix(uint64_t x);

#endif
