/* SPDX-License-Identifier: MIT */
/* A memory device as the library sees it. */
#include "memory_device.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { CONFIG_BYTES = 256 };

static int describe(void *dev, struct vfiomig_device_info *info, struct vfiomig_error *err)
{
	const struct memory_device *device = dev;

	(void)err;
	if (device->like) {
		*info = *device->like;
		return 0;
	}
	snprintf(info->driver, sizeof(info->driver), "memory");
	info->migration_flags = VFIOMIG_MIGRATION_STOP_COPY;
	if (!device->options.without_p2p)
		info->migration_flags |= VFIOMIG_MIGRATION_P2P;
	info->numa_node = -1;
	info->expected_bytes = device->bytes;
	return 0;
}

static int set_state(void *dev, enum vfiomig_state target, struct vfiomig_error *err)
{
	int rc = memory_device_walk(dev, target);

	if (rc) {
		err->errnum = -rc;
		snprintf(err->text, sizeof(err->text), "the memory device cannot go to %s: %s",
			 vfiomig_state_name(target), strerror(-rc));
	}
	return rc;
}

static enum vfiomig_state get_state(void *dev)
{
	const struct memory_device *device = dev;

	return device->state;
}

static int data_fd(void *dev)
{
	return memory_device_data_fd(dev);
}

static ssize_t config_get(void *dev, void *blob, size_t bytes, struct vfiomig_error *err)
{
	const struct memory_device *device = dev;

	(void)err;
	if (!device->options.config_ms || bytes < CONFIG_BYTES)
		return 0;
	memset(blob, 1, CONFIG_BYTES);
	return CONFIG_BYTES;
}

static int config_put(void *dev, const void *blob, size_t bytes, struct vfiomig_error *err)
{
	struct memory_device *device = dev;

	(void)blob;
	(void)err;
	device->config_loaded = bytes;
	moment_sleep_until(moment_now().wall_ns + device->options.config_ms * NS_PER_MS);
	return 0;
}

static int reset(void *dev, struct vfiomig_error *err)
{
	(void)err;
	return memory_device_enter(dev, VFIOMIG_STATE_RUNNING);
}

static int pending(void *dev, struct vfiomig_pending *out, struct vfiomig_error *err)
{
	const struct memory_device *device = dev;

	(void)err;
	out->stop_copy_known = true;
	out->stop_copy_bytes = device->bytes;
	return 0;
}

const struct vfiomig_device_ops memory_device_ops = {
	.size = sizeof(memory_device_ops),
	.describe = describe,
	.set_state = set_state,
	.get_state = get_state,
	.data_fd = data_fd,
	.config_get = config_get,
	.config_put = config_put,
	.reset = reset,
	.pending = pending,
};
