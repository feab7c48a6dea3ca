/* SPDX-License-Identifier: MIT */
/* One VMM of the two, and what both of them are told. */
#ifndef VMM_H
#define VMM_H

#include <stdbool.h>

#include <vfiomig/vfiomig.h>

struct setup {
	const char *source, *destination; /* their devices, as of vfiomig_device_open */
	const char *listen;		  /* where the destination's session is reached */
	const char *bind;		  /* where the source's leaves from; NULL: the kernel's choice */
	enum vfiomig_transport transport;
	unsigned patience_ms; /* silence after which the other session counts as dead; 0: the library's default */
	bool source_says_no, destination_says_no;
	bool ask; /* the source asks on standard input before it commits */
};

/* A migration from its beginning to its end; @channel leads to the other VMM. Returns 0: the destination runs, 1: the source, 2: unknown. */
int vmm_migrate(const struct setup *setup, bool source, int channel);

#endif
