/* SPDX-License-Identifier: MIT */
/*
 * Preferred, not bound: bound memory on a node that has run out ends in the out-of-memory killer, although the next node
 * has plenty.
 */
#include "base/placement.h"

#include <errno.h>
#include <limits.h>
#include <numaif.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

enum { NODES_MAX = 1024, BITS_PER_WORD = sizeof(unsigned long) * CHAR_BIT, DISTANCE_SAME = 10 };

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

/* The first line of a file of sysfs. 0, or a negative errno. */
static int read_line(const char *path, char *line, size_t bytes)
{
	FILE *file = fopen(path, "re");
	int rc = 0;

	if (!file)
		return -errno;
	if (!fgets(line, (int)bytes, file))
		rc = -EINVAL;
	fclose(file);
	return rc;
}

int placement_net_node(const char *sysfs, const char *interface)
{
	char path[PATH_MAX], line[32];
	int node = -1;

	snprintf(path, sizeof(path), "%s/class/net/%s/device/numa_node", sysfs, interface);
	if (read_line(path, line, sizeof(line)) || sscanf(line, "%d", &node) != 1 || node < 0)
		return -1;
	return node;
}

/* strtoul would take a sign, too. */
static bool parse_number(const char **text, unsigned long *number)
{
	char *end;

	if (**text < '0' || **text > '9')
		return false;
	*number = strtoul(*text, &end, 10);
	*text = end;
	return true;
}

/* "0-3,8,10-11": processors, or nodes */
static int parse_list(const char *text, cpu_set_t *list)
{
	CPU_ZERO(list);
	while (*text && *text != '\n') {
		unsigned long first, last;

		if (!parse_number(&text, &first))
			return -EINVAL;
		last = first;
		if (*text == '-') {
			text++;
			if (!parse_number(&text, &last) || last < first)
				return -EINVAL;
		}
		for (unsigned long i = first; i <= last && i < CPU_SETSIZE; i++)
			CPU_SET(i, list);
		if (*text == ',')
			text++;
		else if (*text && *text != '\n')
			return -EINVAL;
	}
	return 0;
}

/* The place of @node's number in a line with one for each node that is online: nodes 0 and 8 have the first and the second. */
static int place_of(const char *sysfs, int node)
{
	char path[PATH_MAX], line[4096];
	cpu_set_t online;
	int place = 0;

	snprintf(path, sizeof(path), "%s/devices/system/node/online", sysfs);
	if (read_line(path, line, sizeof(line)) || parse_list(line, &online))
		return node;
	if (node >= NODES_MAX || !CPU_ISSET((size_t)node, &online))
		return -1;
	for (size_t other = 0; other < (size_t)node; other++)
		place += CPU_ISSET(other, &online) ? 1 : 0;
	return place;
}

unsigned placement_distance(const char *sysfs, int a, int b)
{
	char path[PATH_MAX], line[4096], *at = line, *end;
	unsigned long distance = DISTANCE_SAME;
	int place;

	if (a < 0 || b < 0 || a == b)
		return DISTANCE_SAME;
	snprintf(path, sizeof(path), "%s/devices/system/node/node%d/distance", sysfs, a);
	if (read_line(path, line, sizeof(line)))
		return DISTANCE_SAME;
	place = place_of(sysfs, b);
	for (int i = 0; i <= place; i++, at = end) {
		distance = strtoul(at, &end, 10);
		if (end == at)
			return DISTANCE_SAME;
	}
	return distance < UINT_MAX ? (unsigned)distance : UINT_MAX;
}

int placement_cpus(const char *sysfs, int numa_node, cpu_set_t *cpus)
{
	char path[PATH_MAX], line[4096];

	snprintf(path, sizeof(path), "%s/devices/system/node/node%d/cpulist", sysfs, numa_node);
	if (read_line(path, line, sizeof(line)))
		return -ENOENT;
	return parse_list(line, cpus);
}

int placement_run(const char *sysfs, int numa_node)
{
	cpu_set_t there, allowed;
	int rc;

	if (numa_node == -1)
		return 0;
	rc = placement_cpus(sysfs, numa_node, &there);
	if (rc)
		return rc;
	if (sched_getaffinity(0, sizeof(allowed), &allowed))
		return -errno;
	CPU_AND(&there, &there, &allowed);
	if (!CPU_COUNT(&there))
		return -EPERM;
	return sched_setaffinity(0, sizeof(there), &there) ? -errno : 0;
}
