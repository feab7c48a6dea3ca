/* SPDX-License-Identifier: MIT */
/* See memory_sets.h. */
#include "memory_sets.h"

#include <errno.h>
#include <stdlib.h>

static void side_fini(struct memory_device *side, unsigned devices)
{
	for (unsigned d = 0; side && d < devices; d++)
		memory_device_fini(&side[d]);
	free(side);
}

static struct memory_device *side_init(uint64_t bytes, unsigned devices, uint64_t seed,
				       const struct memory_device_options *options)
{
	struct memory_device *side = calloc(devices, sizeof(*side));

	for (unsigned d = 0; side && d < devices; d++) {
		int rc = memory_device_init(&side[d], bytes, seed + ((uint64_t)d << 32));

		side[d].options = *options;
		if (rc) {
			side_fini(side, d + 1);
			errno = -rc;
			return NULL;
		}
	}
	return side;
}

static void set_fini(struct memory_set *set)
{
	side_fini(set->from, set->devices);
	side_fini(set->to, set->devices);
	*set = (struct memory_set){ 0 };
}

struct memory_set *memory_sets_get(struct memory_sets *sets, uint64_t bytes, unsigned devices)
{
	struct memory_set *set = sets->set;

	while (set < sets->set + sets->count && set->bytes != bytes)
		set++;
	if (set->devices >= devices)
		return set;
	if (set == sets->set + sets->count)
		sets->count++;
	set_fini(set);
	set->bytes = bytes;
	set->from = side_init(bytes, devices, (uint64_t)1 << 40, &sets->from);
	if (!set->from)
		return NULL;
	set->devices = devices;
	set->to = side_init(bytes, devices, (uint64_t)2 << 40, &sets->to);
	return set->to ? set : NULL;
}

int memory_set_prepare(struct memory_set *set, unsigned devices)
{
	int rc = 0;

	for (unsigned d = 0; !rc && d < devices; d++) {
		rc = memory_device_enter(&set->from[d], VFIOMIG_STATE_RUNNING);
		if (!rc)
			rc = memory_device_enter(&set->to[d], VFIOMIG_STATE_RUNNING);
		if (!rc)
			rc = memory_device_spoil(&set->to[d]);
	}
	return rc;
}

int memory_set_compare(const struct memory_set *set, unsigned devices, unsigned *which)
{
	int rc = 0;

	for (unsigned d = 0; !rc && d < devices; d++) {
		rc = memory_device_compare(&set->from[d], &set->to[d]);
		*which = d;
	}
	return rc;
}

void memory_sets_fini(struct memory_sets *sets)
{
	while (sets->count)
		set_fini(&sets->set[--sets->count]);
}
