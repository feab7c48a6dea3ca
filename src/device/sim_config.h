/* SPDX-License-Identifier: MIT */
/* The PCI config space of a simulated device, and what it remembers of its load. */
#ifndef DEVICE_SIM_CONFIG_H
#define DEVICE_SIM_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "device/config_space.h"

struct sim_config {
	uint32_t bytes; /* 0, 256 or 4096 */
	uint64_t seed;
	unsigned loads; /* since RESUMING began */
	bool early;	/* one of them came before all data */
	uint8_t now[VFIOMIG_CONFIG_BYTES_MAX];
};

/* As a guest has set it up: writable bytes from @seed. */
void sim_config_init(struct sim_config *config, uint32_t bytes, uint64_t seed);

/* As after power-on: nothing set up. */
void sim_config_clear(struct sim_config *config);

/* Reading and writing by the rules of PCI: read-only bits stay. @config must outlive it. */
struct config_access sim_config_access(struct sim_config *config);

/* Loaded once, after all data, with what the seed says? -EINVAL and a sentence if not. */
int sim_config_verdict(const struct sim_config *config, struct vfiomig_error *err);

#endif
