/* SPDX-License-Identifier: MIT */
/*
 * "Nothing is allocated on the data path": the linker sends the production code's allocations through here (--wrap), and they are
 * counted from the switchover on. The simulator itself allocates nothing while it runs.
 */
#include <stdlib.h>

#include "simulate.h"

void *__real_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__real_realloc(void *old, size_t bytes);
void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_realloc(void *old, size_t bytes);

static bool watching;
static unsigned count;

void alloc_watch(bool on)
{
	watching = on;
	count = on ? 0 : count;
}

unsigned alloc_count(void)
{
	return count;
}

void *__wrap_malloc(size_t bytes)
{
	count += watching;
	return __real_malloc(bytes);
}

void *__wrap_calloc(size_t number, size_t bytes)
{
	count += watching;
	return __real_calloc(number, bytes);
}

void *__wrap_realloc(void *old, size_t bytes)
{
	count += watching;
	return __real_realloc(old, bytes);
}
