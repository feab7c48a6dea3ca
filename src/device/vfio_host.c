/* SPDX-License-Identifier: MIT */
/* What could be migrated here: for people who set up a host, so each device that cannot be used says why. */
#include "device/vfio_host.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "device/vfio_cdev.h"
#include "device/vfio_feature.h"

struct list {
	const struct vfio_roots *roots;
	struct vfiomig_vfio_device *devices; /* the caller's */
	unsigned max, count;
	bool ask;
};

static void refuse(struct vfiomig_vfio_device *device, const char *why)
{
	device->usable = false;
	snprintf(device->reason, sizeof(device->reason), "%.*s", (int)sizeof(device->reason) - 1, why);
}

/* Others' devices stay theirs: the kernel opens a group once only. */
static void ask_device(const struct list *list, const struct vfio_node *node, struct vfiomig_vfio_device *device)
{
	struct vfiomig_error err = { 0 };
	struct vfio_group group;

	if (vfio_way_open(&group, list->roots, node, VFIO_WAY_AUTO, &err)) {
		refuse(device, err.text);
		return;
	}
	if (vfio_get_migration_flags(group.device, &device->migration_flags))
		refuse(device, "its driver does not offer migration");
	vfio_group_close(&group);
}

static void add(struct list *list, const struct vfio_node *node)
{
	struct vfiomig_error err = { 0 };
	struct vfiomig_vfio_device *device;

	if (list->count++ >= list->max)
		return;
	device = &list->devices[list->count - 1];
	*device = (struct vfiomig_vfio_device){ .group = node->group, .numa_node = node->numa_node, .usable = true };
	memcpy(device->id, node->id, sizeof(device->id));
	memcpy(device->driver, node->driver, sizeof(device->driver));
	device->vendor = node->vendor;
	device->device = node->device;
	if (vfio_node_check(node, &err))
		refuse(device, err.text);
	else if (list->ask)
		ask_device(list, node, device);
	else
		snprintf(device->reason, sizeof(device->reason), "not asked for its migration features");
}

static int visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static void free_names(struct dirent **names, int count)
{
	for (int i = 0; i < count; i++)
		free(names[i]);
	free(names);
}

/* A bus that this kernel does not have has no devices. */
static int add_bus(struct list *list, const char *bus, struct vfiomig_error *err)
{
	char folder[PATH_MAX], path[PATH_MAX + 256 + 1];
	struct dirent **names;
	int count;

	snprintf(folder, sizeof(folder), "%s/bus/%s/devices", list->roots->sysfs, bus);
	count = scandir(folder, &names, visible, alphasort);
	if (count < 0 && errno == ENOMEM)
		return error_set(err, VFIOMIG_INTERNAL, ENOMEM, NULL, "no memory for the devices in %s", folder);
	if (count < 0)
		return 0;
	for (int i = 0; i < count; i++) {
		struct vfio_node node;

		snprintf(path, sizeof(path), "%s/%s", folder, names[i]->d_name);
		if (!vfio_node_read(&node, path, NULL) && node.vfio)
			add(list, &node);
	}
	free_names(names, count);
	return 0;
}

int vfio_host_list(const struct vfio_roots *roots, struct vfiomig_vfio_device *devices, unsigned max, bool ask,
		   struct vfiomig_error *err)
{
	struct list list = { roots, devices, max, 0, ask };
	int rc = add_bus(&list, "pci", err);

	if (!rc)
		rc = add_bus(&list, "mdev", err);
	return rc ? rc : (int)list.count;
}

int vfiomig_host_vfio_devices(struct vfiomig_vfio_device *devices, unsigned max, bool ask, struct vfiomig_error *err)
{
	return vfio_host_list(&vfio_roots, devices, max, ask, err);
}
