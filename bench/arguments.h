/* SPDX-License-Identifier: MIT */
/* Numbers, words and lists from the command line, for argp's parsers. */
#ifndef BENCH_ARGUMENTS_H
#define BENCH_ARGUMENTS_H

#include <argp.h>
#include <stdint.h>

enum { ARGUMENT_BYTES_MAX = 32 }; /* of an item of a list, with its NUL */

/* The number in @text, K, M or G (1024s) behind it or not, or the end of the program with a sentence. */
uint64_t argument_number(struct argp_state *state, const char *option, const char *text, uint64_t min, uint64_t max);

/* As argument_number, but 0 or -EINVAL, and any number. */
int argument_read_number(const char *text, uint64_t *out);

/* Which of @words (NULL behind the last) @text is, or the end of the program with a sentence that names them. */
unsigned argument_choice(struct argp_state *state, const char *option, const char *text, const char *const *words);

/*
 * The first item of @text, a list with commas, into @item, which has ARGUMENT_BYTES_MAX. Returns the rest, NULL behind the last
 * one, or ends the program with a sentence.
 */
const char *argument_item(struct argp_state *state, const char *option, const char *text, char *item);

#endif
