/* SPDX-License-Identifier: MIT */
/* The options that say which way the state takes: rails, the NUMA node that it lies on, and lanes that are lost on purpose. */
#ifndef CLI_TRANSFER_PATHS_H
#define CLI_TRANSFER_PATHS_H

#include "transfer.h"

/* --rail, --numa-node and --lose-lane with @arg; what makes no sense ends in argp_error. */
void transfer_add_rail(struct argp_state *state, struct transfer_options *transfer, const char *arg);
void transfer_take_numa_node(struct argp_state *state, struct transfer_options *transfer, const char *arg);
void transfer_lose_lane(struct argp_state *state, struct transfer_options *transfer, const char *arg);

/* The far end of [LOCAL=]REMOTE, within @rail. */
const char *transfer_rail_remote(const char *rail);

#endif
