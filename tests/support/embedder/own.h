/* SPDX-License-Identifier: MIT */
/*
 * A program's own device, whose state is a file in memory, and which knows its other half: that never both run, the destination never without
 * the source's commit, and never on other bytes than the source's.
 */
#ifndef EMBEDDER_OWN_H
#define EMBEDDER_OWN_H

#include <stdatomic.h>

#include <vfiomig/vfiomig.h>

enum { OWN_BYTES_MAX = 1 << 20 };

struct own {
	bool source;
	struct own *other;
	enum vfiomig_state state;
	int fd; /* data_fd; -1: none */
	atomic_bool runs;
};

extern const struct vfiomig_device_ops own_ops;

extern uint8_t content[OWN_BYTES_MAX]; /* what a source gives, and a destination must have got */
extern size_t content_bytes;
extern atomic_bool source_committed; /* or about to be */

/* The end of the program, with a sentence. */
void wrong(const char *what) __attribute__((noreturn));

#endif
