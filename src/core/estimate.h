/* SPDX-License-Identifier: MIT */
/* What the downtime would be, from what was measured so far (struct vfiomig_estimate). Pure. */
#ifndef CORE_ESTIMATE_H
#define CORE_ESTIMATE_H

#include <stdbool.h>
#include <stdint.h>

#include <vfiomig/budget.h>

/* Of one device; zero: not measured. */
struct estimate_device {
	bool p2p;		      /* has the P2P states */
	bool stop_known;	      /* stop_bytes is the device's word */
	uint64_t stop_bytes;	      /* that STOP_COPY would give */
	bool config;		      /* has a config space to load */
	uint64_t read_bytes, read_ns; /* of PRE_COPY, at the source */
	uint64_t load_bytes, load_ns; /* of PRE_COPY, at the destination */
	uint64_t wire_ns;	      /* in which packets of load_bytes were under way */
	uint64_t precopy_ns;	      /* RUNNING to PRE_COPY took */
	uint64_t resuming_ns;	      /* RUNNING to RESUMING took, at the destination */
};

struct estimate_facts {
	unsigned devices;
	bool serial;			/* one device after another */
	uint64_t trial_bytes, trial_ns; /* of the lanes' trial */
	uint64_t rtt_ns;
	uint64_t slot_bytes;
	struct estimate_device device[VFIOMIG_DEVICES_MAX];
};

/* Fills all of @estimate but its size. */
void estimate_make(const struct estimate_facts *facts, struct vfiomig_estimate *estimate);

#endif
