/* SPDX-License-Identifier: MIT */
/*
 * What this process asks of the allocator and of mmap, so that a test can say "not by the peer's number". Counted in all threads,
 * the session's and the test's, from the mark on; nothing that is freed is taken off.
 */
#ifndef UNIT_SESSION_PEER_MEMORY_H
#define UNIT_SESSION_PEER_MEMORY_H

#include <stddef.h>

void peer_memory_mark(void);

/* Bytes asked for since the mark. */
size_t peer_memory_since(void);

#endif
