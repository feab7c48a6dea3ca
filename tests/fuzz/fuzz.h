/* SPDX-License-Identifier: MIT */
/* What all fuzzers need: libFuzzer's entry, a way to say what is wrong, and bytes taken off the input. */
#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* Unlike assert(3) it is there in every build; the abort is what libFuzzer keeps the input for. */
#define FUZZ_CHECK(claim)                                                                   \
	do {                                                                                \
		if (!(claim)) {                                                             \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #claim); \
			abort();                                                            \
		}                                                                           \
	} while (0)

struct fuzz_input {
	const uint8_t *at;
	size_t left;
};

/* Zeroes once it is used up. */
static inline uint8_t fuzz_take(struct fuzz_input *input)
{
	if (!input->left)
		return 0;
	input->left--;
	return *input->at++;
}

#endif
