/* SPDX-License-Identifier: MIT */
/* See memory_device.h. */
#include "memory_device.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGE_BYTES = 4096 };

int memory_device_map(const struct memory_device *device, void **memory)
{
	*memory = NULL;
	if (!device->bytes)
		return 0;
	*memory = mmap(NULL, device->bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, device->fd, 0);
	if (*memory != MAP_FAILED)
		return 0;
	*memory = NULL;
	return -errno;
}

void memory_device_unmap(const struct memory_device *device, void *memory)
{
	if (memory)
		munmap(memory, device->bytes);
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
	void *memory;
	uint64_t *words;
	int rc;

	*device = (struct memory_device){ .bytes = bytes, .state = VFIOMIG_STATE_RUNNING };
	device->fd = memfd_create("vfiomig-bench", MFD_CLOEXEC);
	if (device->fd < 0 || ftruncate(device->fd, (off_t)bytes))
		return -errno;
	rc = memory_device_map(device, &memory);
	if (rc)
		return rc;
	words = memory;
	for (uint64_t i = 0; i < bytes / sizeof(*words); i++)
		words[i] = mix(seed + i);
	memory_device_unmap(device, memory);
	return 0;
}

void memory_device_fini(struct memory_device *device)
{
	pace_end(&device->pace);
	if (device->fd >= 0)
		close(device->fd);
	device->fd = -1;
}

int memory_device_spoil(struct memory_device *device)
{
	void *memory;
	uint64_t *words;
	int rc = memory_device_map(device, &memory);

	if (rc)
		return rc;
	words = memory;
	for (uint64_t at = 0; at + sizeof(*words) <= device->bytes; at += PAGE_BYTES)
		words[at / sizeof(*words)] ^= UINT64_MAX;
	memory_device_unmap(device, memory);
	return 0;
}

int memory_device_compare(const struct memory_device *a, const struct memory_device *b)
{
	void *left, *right = NULL;
	int rc;

	if (a->bytes != b->bytes)
		return -EBADMSG;
	rc = memory_device_map(a, &left);
	if (!rc)
		rc = memory_device_map(b, &right);
	if (!rc && a->bytes && memcmp(left, right, a->bytes))
		rc = -EBADMSG;
	memory_device_unmap(a, left);
	memory_device_unmap(b, right);
	return rc;
}

/* The chain of states by arcs: RUNNING, RUNNING_P2P (where there is one), STOP, and two ends that stream. -1: none of them. */
static int place(const struct memory_device *device, enum vfiomig_state state)
{
	int p2p = device->options.without_p2p ? 0 : 1;

	switch (state) {
	case VFIOMIG_STATE_RUNNING:
		return 0;
	case VFIOMIG_STATE_RUNNING_P2P:
		return p2p ? 1 : -1;
	case VFIOMIG_STATE_STOP:
		return p2p + 1;
	case VFIOMIG_STATE_STOP_COPY:
	case VFIOMIG_STATE_RESUMING:
		return p2p + 2;
	default:
		return -1;
	}
}

static uint64_t way_ms(const struct memory_device *device, int from, int to, enum vfiomig_state target)
{
	uint64_t arcs = (uint64_t)(from < to ? to - from : from - to);

	if (from == to && device->state != target)
		arcs = 2; /* from one end over STOP to the other */
	if (device->state != VFIOMIG_STATE_RESUMING || !arcs)
		return arcs * device->options.transition_ms;
	return (arcs - 1) * device->options.transition_ms + device->options.load_ms;
}

static int end_stream(struct memory_device *device)
{
	int rc;

	if (memory_device_data_fd(device) < 0)
		return 0;
	if (device->pace.runs) {
		rc = pace_end(&device->pace);
		device->streamed = device->pace.bytes;
	} else {
		off_t at = lseek(device->fd, 0, SEEK_CUR);

		rc = at < 0 ? -errno : 0;
		device->streamed = rc ? 0 : (uint64_t)at;
	}
	if (device->state == VFIOMIG_STATE_RESUMING)
		device->loaded = moment_now();
	device->state = VFIOMIG_STATE_STOP;
	return rc;
}

static int begin_stream(struct memory_device *device, enum vfiomig_state target)
{
	bool gives = target == VFIOMIG_STATE_STOP_COPY;
	uint64_t rate = gives ? device->options.read_rate : device->options.write_rate;

	if (gives)
		device->started = moment_now();
	if (rate)
		return pace_begin(&device->pace, device->fd, gives, rate);
	return lseek(device->fd, 0, SEEK_SET) < 0 ? -errno : 0;
}

static int arrive(struct memory_device *device, enum vfiomig_state target)
{
	int rc = 0;

	if (target == VFIOMIG_STATE_STOP_COPY || target == VFIOMIG_STATE_RESUMING)
		rc = begin_stream(device, target);
	if (!rc)
		device->state = target;
	if (target == VFIOMIG_STATE_RUNNING)
		device->running = moment_now();
	return rc;
}

int memory_device_enter(struct memory_device *device, enum vfiomig_state target)
{
	int rc = end_stream(device);

	return rc ? rc : arrive(device, target);
}

int memory_device_walk(struct memory_device *device, enum vfiomig_state target)
{
	int from = place(device, device->state), to = place(device, target), rc;
	uint64_t ms;

	if (from < 0 || to < 0)
		return -EINVAL;
	if (device->state == target)
		return 0;
	if (device->state == VFIOMIG_STATE_RUNNING)
		device->left = moment_now();
	ms = way_ms(device, from, to, target);
	rc = end_stream(device);
	if (!rc && ms)
		moment_sleep_until(moment_now().wall_ns + ms * NS_PER_MS);
	return rc ? rc : arrive(device, target);
}

int memory_device_data_fd(const struct memory_device *device)
{
	if (device->state != VFIOMIG_STATE_STOP_COPY && device->state != VFIOMIG_STATE_RESUMING)
		return -1;
	return device->pace.runs ? device->pace.data_fd : device->fd;
}
