/* SPDX-License-Identifier: MIT */
/*
 * Arguments of options, turned into values. Each of these ends the program with exit code 2 and a sentence that shows the
 * offending text and what would have been right: argp's way, and the only place where a command may end by itself.
 */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <argp.h>
#include <stddef.h>
#include <stdint.h>

/* A word that an option takes, and what it stands for. */
struct option_word {
	const char *word;
	int value;
};

/* A whole number with an optional K, M or G (powers of 1024). 0, or -1 if @text is no such thing or is too large. */
int option_read_number(const char *text, uint64_t *out);

/* @option is its long name without dashes; the value lies between @min and @max, both included. */
uint64_t option_number(struct argp_state *state, const char *option, const char *text, uint64_t min, uint64_t max);
uint64_t option_size(struct argp_state *state, const char *option, const char *text, uint64_t min, uint64_t max);

/* Seconds, with decimals if need be, as milliseconds. */
unsigned option_seconds(struct argp_state *state, const char *option, const char *text);

/* @words ends with a NULL word. */
int option_choice(struct argp_state *state, const char *option, const char *text, const struct option_word *words);

/* The words of --config-after-iter and of --transport, which several commands have. */
extern const struct option_word option_gates[], option_transports[];

#endif
