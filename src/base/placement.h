/* SPDX-License-Identifier: MIT */
/*
 * On which NUMA node memory lies and threads run. A wish: a host that cannot or may not grant it costs speed, never the migration. A node is
 * a number, or -1: unknown, or no wish.
 */
#ifndef BASE_PLACEMENT_H
#define BASE_PLACEMENT_H

#include <sched.h>
#include <stddef.h>

/* Where the kernel tells of nodes and devices; tests have one of their own. */
#define PLACEMENT_SYSFS "/sys"

/*
 * Let pages of [@base, @base + @bytes) that are not yet populated come from @numa_node while it has any. -1: no wish. The
 * memory stays the caller's; @base is page-aligned. Returns 0, or a negative errno that may be ignored: -EINVAL no
 * such node, -ENOSYS and -EPERM not on this kernel or not in this container.
 */
int placement_prefer(void *base, size_t bytes, int numa_node);

/* Of the device behind network interface @interface; -1 of one that has no device (a bridge, a veth). */
int placement_net_node(const char *sysfs, const char *interface);

/* From node @a to node @b, as the firmware tells: 10 is one and the same. 10 too if either is unknown. */
unsigned placement_distance(const char *sysfs, int a, int b);

/* @cpus become @numa_node's. 0; -ENOENT: there is no such node; -EINVAL: what sysfs says of it cannot be read. */
int placement_cpus(const char *sysfs, int numa_node, cpu_set_t *cpus);

/*
 * The calling thread runs on @numa_node's processors from now on, as far as it may run there. 0 also for -1; else a negative errno, and
 * nothing has changed: as of placement_cpus, -EPERM: none of them is allowed to it.
 */
int placement_run(const char *sysfs, int numa_node);

#endif
