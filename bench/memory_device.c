/* SPDX-License-Identifier: MIT */
/* See memory_device.h. */
#include "memory_device.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { PAGE_BYTES = 4096 };

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

struct moment moment_now(void)
{
	return (struct moment){ clock_ns(CLOCK_MONOTONIC), clock_ns(CLOCK_PROCESS_CPUTIME_ID) };
}

struct moment moment_since(struct moment start, struct moment end)
{
	return (struct moment){ end.wall_ns - start.wall_ns, end.cpu_ns - start.cpu_ns };
}

static uint64_t *map(const struct memory_device *device)
{
	void *memory;

	if (!device->bytes)
		return NULL;
	memory = mmap(NULL, device->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, device->fd, 0);
	return memory == MAP_FAILED ? NULL : memory;
}

/* splitmix64: no two pages are alike, so a page in the wrong place is seen. */
static uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15u;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

int memory_device_init(struct memory_device *device, uint64_t bytes, uint64_t seed)
{
	uint64_t *words;

	*device = (struct memory_device){ .bytes = bytes, .state = VFIOMIG_STATE_RUNNING };
	device->fd = memfd_create("vfiomig-bench", MFD_CLOEXEC);
	if (device->fd < 0 || ftruncate(device->fd, (off_t)bytes))
		return -errno;
	words = map(device);
	if (!words)
		return bytes ? -errno : 0;
	for (uint64_t i = 0; i < bytes / sizeof(*words); i++)
		words[i] = mix(seed + i);
	munmap(words, bytes);
	return 0;
}

void memory_device_fini(struct memory_device *device)
{
	if (device->fd >= 0)
		close(device->fd);
	device->fd = -1;
}

int memory_device_spoil(struct memory_device *device)
{
	uint64_t *words = map(device);

	if (!words)
		return device->bytes ? -errno : 0;
	for (uint64_t at = 0; at + sizeof(*words) <= device->bytes; at += PAGE_BYTES)
		words[at / sizeof(*words)] ^= UINT64_MAX;
	munmap(words, device->bytes);
	return 0;
}

int memory_device_compare(const struct memory_device *a, const struct memory_device *b)
{
	uint64_t *left = map(a), *right = map(b);
	int rc = -ENOMEM;

	if (a->bytes != b->bytes)
		rc = -EBADMSG;
	else if (!a->bytes)
		rc = 0;
	else if (left && right)
		rc = memcmp(left, right, a->bytes) ? -EBADMSG : 0;
	if (left)
		munmap(left, a->bytes);
	if (right)
		munmap(right, b->bytes);
	return rc;
}

static int describe(void *dev, struct vfiomig_device_info *info, struct vfiomig_error *err)
{
	const struct memory_device *device = dev;

	(void)err;
	snprintf(info->driver, sizeof(info->driver), "memory");
	info->migration_flags = VFIOMIG_MIGRATION_STOP_COPY | VFIOMIG_MIGRATION_P2P;
	info->numa_node = -1;
	info->expected_bytes = device->bytes;
	return 0;
}

static int set_state(void *dev, enum vfiomig_state target, struct vfiomig_error *err)
{
	struct memory_device *device = dev;
	bool streams = target == VFIOMIG_STATE_STOP_COPY || target == VFIOMIG_STATE_RESUMING;

	if (device->state == VFIOMIG_STATE_RESUMING && target != device->state)
		device->loaded = moment_now();
	if (streams && lseek(device->fd, 0, SEEK_SET) < 0) {
		err->errnum = errno;
		snprintf(err->text, sizeof(err->text), "the memory stream cannot be rewound: %s", strerror(errno));
		return -err->errnum;
	}
	if (target == VFIOMIG_STATE_STOP_COPY)
		device->started = moment_now();
	device->state = target;
	return 0;
}

static enum vfiomig_state get_state(void *dev)
{
	const struct memory_device *device = dev;

	return device->state;
}

static int data_fd(void *dev)
{
	const struct memory_device *device = dev;
	bool streams = device->state == VFIOMIG_STATE_STOP_COPY || device->state == VFIOMIG_STATE_RESUMING;

	return streams ? device->fd : -1;
}

static int reset(void *dev, struct vfiomig_error *err)
{
	struct memory_device *device = dev;

	(void)err;
	device->state = VFIOMIG_STATE_RUNNING;
	return 0;
}

const struct vfiomig_device_ops memory_device_ops = {
	.size = sizeof(memory_device_ops),
	.describe = describe,
	.set_state = set_state,
	.get_state = get_state,
	.data_fd = data_fd,
	.reset = reset,
};
