/* SPDX-License-Identifier: MIT */
/* From an IOMMU group to a device descriptor, by the group and container interface. */
#ifndef DEVICE_VFIO_GROUP_H
#define DEVICE_VFIO_GROUP_H

#include "device/vfio_node.h"

struct vfio_group {
	int container; /* owned, -1: none, as the others; or the iommufd (vfio_cdev.h) */
	int group;     /* owned */
	int device;    /* owned */
};

/*
 * Open @node's device in a container of its own. All errors are VFIOMIG_PREFLIGHT, and nothing is left open then:
 *   -ENODEV  no VFIO in the kernel, or no such group or device     -EACCES, -EPERM  no right to open it
 *   -EBUSY   the group is in use, or not all of it belongs to VFIO
 */
int vfio_group_open(struct vfio_group *group, const struct vfio_roots *roots, const struct vfio_node *node,
		    struct vfiomig_error *err);

void vfio_group_close(struct vfio_group *group);

#endif
