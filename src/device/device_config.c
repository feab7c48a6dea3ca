/* SPDX-License-Identifier: MIT */
/* The config state, as the device's own operations and a VMM's hooks share it. The device's thread. */
#include <errno.h>

#include "base/error.h"
#include "base/sized.h"
#include "device/device.h"

int vfiomig_device_set_hooks(struct vfiomig_device *device, const struct vfiomig_device_hooks *hooks, void *context,
			     struct vfiomig_error *err)
{
	if (sized_take(&device->hooks, sizeof(device->hooks), hooks))
		return error_set(err, VFIOMIG_USAGE, EINVAL, "device-hooks", "device hooks of %zu bytes, not %zu",
				 hooks->size, sizeof(*hooks));
	device->hooks_context = context;
	return 0;
}

ssize_t device_config_get(struct vfiomig_device *device, void *blob, size_t bytes, struct vfiomig_error *err)
{
	if (device->hooks.config_get)
		return device->hooks.config_get(device->hooks_context, blob, bytes, err);
	return device->ops->config_get ? device->ops->config_get(device->impl, blob, bytes, err) : 0;
}

bool device_takes_config(const struct vfiomig_device *device)
{
	return device->hooks.config_put || device->ops->config_put;
}

static int put(struct vfiomig_device *device, const void *blob, size_t bytes, struct vfiomig_error *err)
{
	if (device->hooks.config_put)
		return device->hooks.config_put(device->hooks_context, blob, bytes, err);
	return bytes ? device->ops->config_put(device->impl, blob, bytes, err) : 0;
}

int device_config_load(struct vfiomig_device *device, const void *blob, size_t bytes, struct vfiomig_error *err)
{
	const struct vfiomig_device_hooks *hooks = &device->hooks;
	int rc = hooks->config_loading ? hooks->config_loading(device->hooks_context, blob, bytes, err) : 0;

	rc = rc ? rc : put(device, blob, bytes, err);
	if (!rc && hooks->config_loaded)
		rc = hooks->config_loaded(device->hooks_context, err);
	return rc;
}
