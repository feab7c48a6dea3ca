/* SPDX-License-Identifier: MIT */
/* A device's own word on a result of read or write, handed in so that this room need not know devices. */
#ifndef IO_EXPLAIN_H
#define IO_EXPLAIN_H

#include <stdint.h>
#include <sys/types.h>

struct explain {
	int (*call)(void *dev, ssize_t result, uint64_t *at); /* see vfiomig_device_ops.explain; NULL: as it is */
	void *dev;
};

static inline int explain_result(const struct explain *explain, ssize_t result, uint64_t *at)
{
	return explain->call ? explain->call(explain->dev, result, at) : (int)result;
}

#endif
