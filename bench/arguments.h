/* SPDX-License-Identifier: MIT */
/* Arguments of the bench's options; what cannot be read ends the program with exit code 2 and a sentence (argp's way). */
#ifndef BENCH_ARGUMENTS_H
#define BENCH_ARGUMENTS_H

#include <argp.h>
#include <stdint.h>

/* A whole number, with K, M or G behind it (powers of 1024) if need be, from @min to @max. */
uint64_t argument_number(struct argp_state *state, const char *option, const char *text, uint64_t min, uint64_t max);

/* The index of @text in @words, which ends with NULL. */
unsigned argument_choice(struct argp_state *state, const char *option, const char *text, const char *const *words);

#endif
