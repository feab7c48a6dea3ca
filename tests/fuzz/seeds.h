/* SPDX-License-Identifier: MIT */
#ifndef FUZZ_SEEDS_H
#define FUZZ_SEEDS_H

#include <stddef.h>

/* Write DIRECTORY/FUZZER/NAME, where the directory of the command line and the fuzzer's in it exist; exits if it cannot. */
void seed_write(const char *fuzzer, const char *name, const void *bytes, size_t count);

/* One frame of each type of control message, by the encoders of wire, and a whole conversation. */
void seed_messages(void);

/* Config states in both layouts. */
void seed_configs(void);

/* Recordings, and recipes for some. */
void seed_recordings(void);

#endif
