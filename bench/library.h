/* SPDX-License-Identifier: MIT */
/* One migration through the library, both ends in this process, over loopback or an address of this host. */
#ifndef BENCH_LIBRARY_H
#define BENCH_LIBRARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vfiomig/vfiomig.h>

struct library_options {
	unsigned lanes, slots;
	size_t slot_bytes;
	enum vfiomig_transport transport;
	enum vfiomig_loader loader;
	enum vfiomig_integrity integrity;
	bool sealed; /* packets, by a key that is made for the run */
	bool gate, serial_states;
	unsigned peer_timeout_ms; /* 0: the library's default */
	const char *address;	  /* of this host, without port, where the two ends meet */
};

struct library_outcome {
	uint64_t downtime_us;	      /* as the source says */
	uint64_t bytes;		      /* config states included */
	char transport[8], loader[8]; /* what was taken */
	bool has_budget;
	struct vfiomig_budget budget;
};

/*
 * Migrate @devices devices from @from to @to, in their order. 0 and *@outcome, or a negative errno and a sentence in @err. The devices
 * stay the caller's.
 */
int library_migrate(struct vfiomig_device *const *from, struct vfiomig_device *const *to, unsigned devices,
		    const struct library_options *options, struct library_outcome *outcome, struct vfiomig_error *err);

#endif
