/* SPDX-License-Identifier: MIT */
/* The options of memory devices, as text: KEY=VALUE with commas between. */
#ifndef BENCH_DEVICE_OPTIONS_H
#define BENCH_DEVICE_OPTIONS_H

#include <stddef.h>

#include "memory_device.h"

/* What the text may say, for --help. */
#define DEVICE_OPTIONS_HELP                                                                                           \
	"transition-ms=N (each arc between two states), load-ms=N (RESUMING to STOP, instead), config-ms=N (load of " \
	"a "                                                                                                          \
	"config state of 256 bytes), read-rate=N, write-rate=N (bytes per second, from 256K), p2p=on|off"

/* 0, or -EINVAL and what is wrong with @text in @sentence. A key that comes again counts as said last. */
int device_options_read(struct memory_device_options *options, const char *text, char *sentence, size_t bytes);

#endif
