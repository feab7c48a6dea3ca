/* SPDX-License-Identifier: MIT */
/* The public handle: by spec, or around a program's own operations. */
#include "device/device.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/sized.h"
#include "device/backend.h"

static const struct {
	const char *kind;
	int (*open)(struct vfiomig_device *device, const struct spec *spec, struct vfiomig_error *err);
} kinds[] = {
	{ "file", file_open },
	{ "sim", sim_open },
	{ "vfio", vfio_open },
};

/* What a program says of its device goes into messages and files of fixed size. */
static int check_info(struct vfiomig_device_info *info, struct vfiomig_error *err)
{
	info->driver[sizeof(info->driver) - 1] = '\0';
	info->firmware[sizeof(info->firmware) - 1] = '\0';
	info->psid[sizeof(info->psid) - 1] = '\0';
	if (info->config_bytes == 0 || info->config_bytes == 256 || info->config_bytes == VFIOMIG_CONFIG_BYTES_MAX)
		return 0;
	return error_set(err, VFIOMIG_USAGE, EINVAL, "device-info",
			 "a config space of %u bytes: there are none but 256 and %d, and devices without",
			 info->config_bytes, VFIOMIG_CONFIG_BYTES_MAX);
}

/* A caller without an error struct must not make a back end look twice: operations always get one. */
static int describe(struct vfiomig_device *device, struct vfiomig_error *err)
{
	struct vfiomig_error own = { 0 };
	int rc;

	device->info.numa_node = -1;
	rc = device->ops->describe(device->impl, &device->info, err ? err : &own);
	if (rc)
		return error_set(err, VFIOMIG_PREFLIGHT, -rc, "describe", "the device cannot be described: %s",
				 strerror(-rc));
	return check_info(&device->info, err);
}

static int open_kind(struct vfiomig_device *device, const struct spec *spec, struct vfiomig_error *err)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!strcmp(kinds[i].kind, spec->kind))
			return kinds[i].open(device, spec, err);
	return error_set(err, VFIOMIG_USAGE, EINVAL, "device-spec",
			 "device '%s': there is no kind '%s', only file, sim and vfio", spec->text, spec->kind);
}

int vfiomig_device_open(struct vfiomig_device **out, const char *spec, struct vfiomig_error *err)
{
	struct vfiomig_device *device;
	struct vfiomig_error own = { 0 };
	struct spec parsed;
	int rc;

	*out = NULL;
	if (!err)
		err = &own;
	rc = spec_parse(&parsed, spec, err);
	if (rc)
		return rc;
	device = calloc(1, sizeof(*device));
	if (!device)
		return error_set(err, VFIOMIG_INTERNAL, ENOMEM, NULL, "no memory for a device");
	memcpy(device->spec, parsed.text, sizeof(device->spec));
	memcpy(device->name, parsed.name, strlen(parsed.name));
	device->gate = parsed.gate;
	rc = open_kind(device, &parsed, err);
	if (!rc)
		rc = describe(device, err);
	if (rc) {
		vfiomig_device_close(device);
		return rc;
	}
	*out = device;
	return 0;
}

static int check_wrap(const struct vfiomig_device_ops *ops, const char *name, enum vfiomig_gate gate,
		      struct vfiomig_error *err)
{
	if (!sized_valid(ops->size, sizeof(*ops)) || !sized_tail_empty(ops, sizeof(*ops), ops->size))
		return error_set(err, VFIOMIG_USAGE, EINVAL, "device-ops", "device operations of %zu bytes, not %zu",
				 ops->size, sizeof(*ops));
	if (ops->size < offsetof(struct vfiomig_device_ops, reset) + sizeof(ops->reset) || !ops->describe ||
	    !ops->set_state || !ops->get_state || !ops->data_fd || !ops->reset)
		return error_set(err, VFIOMIG_USAGE, EINVAL, "device-ops",
				 "describe, set_state, get_state, data_fd and reset must be there");
	if (name && *name && !spec_name_valid(name))
		return error_set(err, VFIOMIG_USAGE, EINVAL, "device-name",
				 "'%.40s' is no name: 1 to 31 letters, digits, '_', '-' and '.'", name);
	if ((unsigned)gate > VFIOMIG_GATE_OFF)
		return error_set(err, VFIOMIG_USAGE, EINVAL, "device-gate", "%d is no gate", (int)gate);
	return 0;
}

int vfiomig_device_wrap(struct vfiomig_device **out, const struct vfiomig_device_ops *ops, void *dev, const char *name,
			enum vfiomig_gate gate, struct vfiomig_error *err)
{
	struct vfiomig_device *device;
	int rc;

	*out = NULL;
	rc = check_wrap(ops, name, gate, err);
	if (rc)
		return rc;
	device = calloc(1, sizeof(*device));
	if (!device)
		return error_set(err, VFIOMIG_INTERNAL, ENOMEM, NULL, "no memory for a device");
	sized_take(&device->wrapped, sizeof(device->wrapped), ops);
	device->ops = &device->wrapped;
	device->impl = dev;
	device->gate = gate;
	device->warning = "";
	if (name)
		memcpy(device->name, name, strlen(name));
	rc = describe(device, err);
	if (rc) {
		free(device); /* what @dev is stays the caller's */
		return rc;
	}
	*out = device;
	return 0;
}

const struct vfiomig_device_info *vfiomig_device_info(const struct vfiomig_device *device)
{
	return &device->info;
}

const char *vfiomig_device_name(const struct vfiomig_device *device)
{
	return device->name;
}

const char *vfiomig_device_spec(const struct vfiomig_device *device)
{
	return device->spec;
}

enum vfiomig_state vfiomig_device_state(struct vfiomig_device *device)
{
	return device->ops->get_state(device->impl);
}

void vfiomig_device_close(struct vfiomig_device *device)
{
	/* What a stuck call still uses must outlive it, that is, live as long as this process. */
	if (!device || device->abandoned)
		return;
	if (device->impl && device->ops && device->ops->close)
		device->ops->close(device->impl);
	free(device);
}
