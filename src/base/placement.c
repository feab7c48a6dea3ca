/* SPDX-License-Identifier: MIT */
/*
 * Preferred, not bound: bound memory on a node that has run out ends in the out-of-memory killer, although the next node
 * has plenty.
 */
#include "base/placement.h"

#include <errno.h>
#include <limits.h>
#include <numaif.h>

enum { NODES_MAX = 1024, BITS_PER_WORD = sizeof(unsigned long) * CHAR_BIT };

int placement_prefer(void *base, size_t bytes, int numa_node)
{
	unsigned long nodes[NODES_MAX / BITS_PER_WORD] = { 0 };
	unsigned node = (unsigned)numa_node;

	if (numa_node == -1)
		return 0;
	if (node >= NODES_MAX)
		return -EINVAL;
	nodes[node / BITS_PER_WORD] = 1ul << node % BITS_PER_WORD;
	/* The kernel takes one bit less than it is told. */
	return mbind(base, bytes, MPOL_PREFERRED, nodes, NODES_MAX + 1, 0) ? -errno : 0;
}
