/* SPDX-License-Identifier: MIT */
/* On which NUMA node a session's slots lie and its devices' threads run. Pure: what is where comes in. */
#ifndef CORE_NUMA_H
#define CORE_NUMA_H

#include <stdbool.h>

#include <vfiomig/session.h>

/* What the caller wants. */
struct numa_wish {
	enum vfiomig_numa mode;
	int node; /* of VFIOMIG_NUMA_NODE */
};

/*
 * The slots' node, -1: anywhere. By default the network card's at @card, which every byte goes through; of one that is on no node, the
 * first device's that is.
 */
int numa_slots_node(const struct numa_wish *wish, int card, const int *devices, unsigned count);

/* Where the thread of a device on node @device runs, -1: anywhere. */
int numa_thread_node(const struct numa_wish *wish, int device);

/* Does the state of a device on node @device cross from node to node on its way to the card at @card? */
bool numa_crosses(int card, int device);

#endif
