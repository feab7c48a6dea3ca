/* SPDX-License-Identifier: MIT */
/*
 * Binding is all that migration needs: without an address space attached the device reaches no memory, which is what a container without
 * mappings comes to.
 */
#include "device/vfio_cdev.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/error.h"
#include "device/vfio_uapi.h"

static int open_iommufd(struct vfio_group *group, const struct vfio_roots *roots, struct vfiomig_error *err)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/iommu", roots->dev);
	group->container = open(path, O_RDWR | O_CLOEXEC);
	if (group->container >= 0)
		return 0;
	if (errno == ENOENT || errno == ENODEV || errno == ENXIO)
		return error_set(err, VFIOMIG_PREFLIGHT, ENODEV, "no-iommufd",
				 "%s is missing: this kernel has no iommufd, or it is not loaded (modprobe iommufd)",
				 path);
	return error_set(err, VFIOMIG_PREFLIGHT, errno, "no-iommufd", "%s cannot be opened: %s", path, strerror(errno));
}

static int open_device(struct vfio_group *group, const struct vfio_roots *roots, const struct vfio_node *node,
		       struct vfiomig_error *err)
{
	char path[PATH_MAX];

	if (!node->cdev[0])
		return error_set(err, VFIOMIG_PREFLIGHT, ENODEV, "no-cdev",
				 "%s has no file below %s/vfio/devices: its kernel or driver knows only IOMMU groups "
				 "(iommufd=off)",
				 node->id, roots->dev);
	snprintf(path, sizeof(path), "%s/vfio/devices/%s", roots->dev, node->cdev);
	group->device = open(path, O_RDWR | O_CLOEXEC);
	if (group->device >= 0)
		return 0;
	return error_set(err, VFIOMIG_PREFLIGHT, errno == ENOENT ? ENODEV : errno, "no-cdev",
			 "%s, the device file of %s, cannot be opened: %s", path, node->id, strerror(errno));
}

static int bind_device(const struct vfio_group *group, const struct vfio_node *node, struct vfiomig_error *err)
{
	struct vfio_bind bind = { .argsz = sizeof(bind), .iommufd = group->container };

	if (!ioctl(group->device, VFIO_DEVICE_BIND_IOMMUFD, &bind))
		return 0;
	/* The kernel says EINVAL where a cdev is bound already, and EBUSY where the group is open. */
	if (errno == EBUSY || errno == EINVAL)
		return error_set(err, VFIOMIG_PREFLIGHT, EBUSY, "cdev-busy",
				 "%s is in use: somebody else has it, or another device of its IOMMU group, open",
				 node->id);
	return error_set(err, VFIOMIG_PREFLIGHT, errno, "no-iommufd", "%s cannot be bound to an iommufd: %s", node->id,
			 strerror(errno));
}

int vfio_cdev_open(struct vfio_group *group, const struct vfio_roots *roots, const struct vfio_node *node,
		   struct vfiomig_error *err)
{
	int rc;

	*group = (struct vfio_group){ -1, -1, -1 };
	rc = open_iommufd(group, roots, err);
	if (!rc)
		rc = open_device(group, roots, node, err);
	if (!rc)
		rc = bind_device(group, node, err);
	if (rc)
		vfio_group_close(group);
	return rc;
}

static bool has_groups(const struct vfio_roots *roots, const struct vfio_node *node)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/vfio/vfio", roots->dev);
	return node->group >= 0 && access(path, F_OK) == 0;
}

int vfio_way_open(struct vfio_group *group, const struct vfio_roots *roots, const struct vfio_node *node,
		  enum vfio_way way, struct vfiomig_error *err)
{
	if (way == VFIO_WAY_CDEV || (way == VFIO_WAY_AUTO && node->cdev[0] && !has_groups(roots, node)))
		return vfio_cdev_open(group, roots, node, err);
	return vfio_group_open(group, roots, node, err);
}
