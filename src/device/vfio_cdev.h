/* SPDX-License-Identifier: MIT */
/*
 * The newer way to a device: a file of its own below /dev/vfio/devices, bound to an iommufd. Kernels may be built without the older one, by
 * groups and containers.
 */
#ifndef DEVICE_VFIO_CDEV_H
#define DEVICE_VFIO_CDEV_H

#include "device/vfio_group.h"
#include "device/vfio_node.h"

enum vfio_way {
	VFIO_WAY_AUTO = 0, /* the older one, unless this kernel does not have it and the device has a file of its own */
	VFIO_WAY_CDEV,
	VFIO_WAY_GROUP,
};

/*
 * Open @node's device in an iommufd of its own; the descriptors are @group's, its container the iommufd and its group -1. All errors are
 * VFIOMIG_PREFLIGHT, and nothing is left open then:
 *   -ENODEV  no iommufd in the kernel, or the device has no file     -EACCES, -EPERM  no right to open it
 *   -EBUSY   it is in use
 */
int vfio_cdev_open(struct vfio_group *group, const struct vfio_roots *roots, const struct vfio_node *node,
		   struct vfiomig_error *err);

/* By @way; errors as of both. */
int vfio_way_open(struct vfio_group *group, const struct vfio_roots *roots, const struct vfio_node *node,
		  enum vfio_way way, struct vfiomig_error *err);

#endif
