/* SPDX-License-Identifier: MIT */
/*
 * In front of glibc's allocator, or as the hook that the address sanitizer calls: this program's own definitions come first, for
 * the shared libraries too. The counter is all that they add.
 */
#include "unit/session_peer_memory.h"

#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static atomic_size_t asked;

void peer_memory_mark(void)
{
	atomic_store(&asked, 0);
}

size_t peer_memory_since(void)
{
	return atomic_load(&asked);
}

#ifdef __SANITIZE_ADDRESS__
void __sanitizer_malloc_hook(const volatile void *pointer, size_t bytes);

void __sanitizer_malloc_hook(const volatile void *pointer, size_t bytes)
{
	(void)pointer;
	atomic_fetch_add(&asked, bytes);
}
#else
void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *old, size_t bytes);

void *malloc(size_t bytes)
{
	atomic_fetch_add(&asked, bytes);
	return __libc_malloc(bytes);
}

void *calloc(size_t count, size_t bytes)
{
	atomic_fetch_add(&asked, count * bytes);
	return __libc_calloc(count, bytes);
}

void *realloc(void *old, size_t bytes)
{
	atomic_fetch_add(&asked, bytes);
	return __libc_realloc(old, bytes);
}

void *mmap(void *where, size_t bytes, int protection, int flags, int fd, off_t offset)
{
	atomic_fetch_add(&asked, bytes);
	return (void *)syscall(SYS_mmap, where, bytes, protection, flags, fd, offset);
}
#endif
