/* SPDX-License-Identifier: MIT */
/* On which NUMA node memory lies. A wish: a host that cannot or may not grant it costs speed, never the migration. */
#ifndef BASE_PLACEMENT_H
#define BASE_PLACEMENT_H

#include <stddef.h>

/*
 * Let pages of [@base, @base + @bytes) that are not yet populated come from @numa_node while it has any. -1: no wish. The
 * memory stays the caller's; @base is page-aligned. Returns 0, or a negative errno that may be ignored: -EINVAL no
 * such node, -ENOSYS and -EPERM not on this kernel or not in this container.
 */
int placement_prefer(void *base, size_t bytes, int numa_node);

#endif
