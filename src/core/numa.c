/* SPDX-License-Identifier: MIT */
#include "core/numa.h"

int numa_slots_node(const struct numa_wish *wish, int card, const int *devices, unsigned count)
{
	if (wish->mode == VFIOMIG_NUMA_OFF)
		return -1;
	if (wish->mode == VFIOMIG_NUMA_NODE)
		return wish->node;
	for (unsigned i = 0; card < 0 && i < count; i++)
		card = devices[i];
	return card;
}

int numa_thread_node(const struct numa_wish *wish, int device)
{
	if (wish->mode == VFIOMIG_NUMA_OFF)
		return -1;
	return wish->mode == VFIOMIG_NUMA_NODE ? wish->node : device;
}

bool numa_crosses(int card, int device)
{
	return card >= 0 && device >= 0 && card != device;
}
