/* SPDX-License-Identifier: MIT */
/* The lists of capabilities in a config space that may be anybody's: bounded walks, whatever the pointers say. Pure. */
#ifndef DEVICE_CONFIG_CAPABILITY_H
#define DEVICE_CONFIG_CAPABILITY_H

#include <stdbool.h>
#include <stdint.h>

/* A place in one of the two lists; all zero: before the first of the standard ones. */
struct config_capability {
	uint32_t at;	  /* where it begins */
	uint32_t id;	  /* 8 bits, 16 of an extended one */
	uint32_t version; /* of an extended one, else 0 */
	uint32_t next;	  /* 0: it is the last */
	bool extended;
	bool begun;
	uint8_t seen[4096 / 4 / 8]; /* a bit per place: a list may not come by twice */
};

/* On to the next capability of @space (@bytes: 256 or 4096), first the standard, then the extended ones. */
bool config_capability_next(struct config_capability *capability, const uint8_t *space, uint32_t bytes);

/* Where the first standard one of @id begins, with at least @least bytes to the end of the list's 256; 0: there is none. */
uint32_t config_capability_find(const uint8_t *space, uint32_t bytes, uint8_t id, uint32_t least);

/* Vectors that the MSI-X capability promises, 0 without one. */
uint32_t config_msix_vectors(const uint8_t *space, uint32_t bytes);

#endif
