/* SPDX-License-Identifier: MIT */
/*
 * Public structs that carry their size, in a first member of type size_t, so that they may grow at their end: a caller built against an
 * older library hands in a shorter one, one built against a newer library a longer one.
 */
#ifndef BASE_SIZED_H
#define BASE_SIZED_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* Nothing but zeroes beyond what is known here: nothing is asked for that would be passed over. */
static inline bool sized_tail_empty(const void *theirs, size_t known, size_t bytes)
{
	for (size_t i = known; i < bytes; i++)
		if (((const unsigned char *)theirs)[i])
			return false;
	return true;
}

/*
 * What the caller hands in, into @own of @own_bytes; what it does not know is zero there. -EINVAL: @theirs is no such struct, or
 * sets what is not known here.
 */
static inline int sized_take(void *own, size_t own_bytes, const void *theirs)
{
	size_t bytes;

	memcpy(&bytes, theirs, sizeof(bytes));
	if (bytes < sizeof(bytes) || bytes > 16 * own_bytes || !sized_tail_empty(theirs, own_bytes, bytes))
		return -EINVAL;
	memset(own, 0, own_bytes);
	memcpy(own, theirs, bytes < own_bytes ? bytes : own_bytes);
	memcpy(own, &own_bytes, sizeof(own_bytes));
	return 0;
}

static inline bool sized_valid(size_t bytes, size_t own_bytes)
{
	return bytes > sizeof(bytes) && bytes <= 16 * own_bytes;
}

/* What the caller is to be handed out, as much of it as it knows; its size stays, and what it knows beyond is zero. */
static inline void sized_give(void *theirs, const void *own, size_t own_bytes)
{
	size_t bytes;

	memcpy(&bytes, theirs, sizeof(bytes));
	memcpy(theirs, own, bytes < own_bytes ? bytes : own_bytes);
	if (bytes > own_bytes)
		memset((unsigned char *)theirs + own_bytes, 0, bytes - own_bytes);
	memcpy(theirs, &bytes, sizeof(bytes));
}

#endif
