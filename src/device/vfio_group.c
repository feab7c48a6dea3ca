/* SPDX-License-Identifier: MIT */
/*
 * Each device gets a container of its own: migration needs no memory mapped for DMA, and devices of a container share
 * their fate. Every way in which this fails is the host's setup, so each says what to do about it.
 */
#include "device/vfio_group.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/error.h"
#include "device/vfio_uapi.h"

static int open_container(struct vfio_group *group, const struct vfio_roots *roots, struct vfiomig_error *err)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/vfio/vfio", roots->dev);
	group->container = open(path, O_RDWR | O_CLOEXEC);
	if (group->container >= 0)
		return 0;
	if (errno == ENOENT || errno == ENODEV || errno == ENXIO)
		return error_set(err, VFIOMIG_PREFLIGHT, ENODEV, "no-vfio",
				 "%s is missing: this kernel has no VFIO, or it is not loaded (modprobe vfio-pci)",
				 path);
	return error_set(err, VFIOMIG_PREFLIGHT, errno, "no-vfio", "%s cannot be opened: %s", path, strerror(errno));
}

static int open_group(struct vfio_group *group, const struct vfio_roots *roots, const struct vfio_node *node,
		      struct vfiomig_error *err)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/vfio/%d", roots->dev, node->group);
	group->group = open(path, O_RDWR | O_CLOEXEC);
	if (group->group >= 0)
		return 0;
	if (errno == EBUSY)
		return error_set(err, VFIOMIG_PREFLIGHT, EBUSY, "group-busy",
				 "%s is in use: somebody else has IOMMU group %d open", node->id, node->group);
	if (errno == ENOENT)
		return error_set(err, VFIOMIG_PREFLIGHT, ENODEV, "no-group",
				 "%s is missing, the IOMMU group of %s: is the device bound to a VFIO driver?", path,
				 node->id);
	return error_set(err, VFIOMIG_PREFLIGHT, errno, "no-group", "%s, the IOMMU group of %s, cannot be opened: %s",
			 path, node->id, strerror(errno));
}

static int check_viable(const struct vfio_group *group, const struct vfio_node *node, struct vfiomig_error *err)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };

	if (ioctl(group->group, VFIO_GROUP_GET_STATUS, &status))
		return error_set(err, VFIOMIG_PREFLIGHT, errno, "no-group", "IOMMU group %d does not answer: %s",
				 node->group, strerror(errno));
	if (status.flags & VFIO_GROUP_FLAGS_VIABLE)
		return 0;
	return error_set(
		err, VFIOMIG_PREFLIGHT, EBUSY, "group-not-viable",
		"%s cannot be used: another device of its IOMMU group %d is bound to a driver of the host; bind "
		"all of them to VFIO or to nothing",
		node->id, node->group);
}

static int join_container(struct vfio_group *group, const struct vfio_node *node, struct vfiomig_error *err)
{
	if (ioctl(group->group, VFIO_GROUP_SET_CONTAINER, &group->container))
		return error_set(err, VFIOMIG_PREFLIGHT, errno, "no-container",
				 "IOMMU group %d cannot be put into a container: %s", node->group, strerror(errno));
	if (ioctl(group->container, VFIO_SET_IOMMU, (unsigned long)VFIO_TYPE1v2_IOMMU))
		return error_set(err, VFIOMIG_PREFLIGHT, errno, "no-iommu",
				 "the IOMMU of group %d cannot be set up (type1v2): %s; is vfio_iommu_type1 loaded?",
				 node->group, strerror(errno));
	return 0;
}

static int get_device(struct vfio_group *group, const struct vfio_node *node, struct vfiomig_error *err)
{
	group->device = ioctl(group->group, VFIO_GROUP_GET_DEVICE_FD, node->id);
	if (group->device >= 0)
		return 0;
	return error_set(err, VFIOMIG_PREFLIGHT, errno, "no-device", "IOMMU group %d does not give %s away: %s",
			 node->group, node->id, strerror(errno));
}

int vfio_group_open(struct vfio_group *group, const struct vfio_roots *roots, const struct vfio_node *node,
		    struct vfiomig_error *err)
{
	int rc;

	*group = (struct vfio_group){ -1, -1, -1 };
	rc = open_container(group, roots, err);
	if (!rc)
		rc = open_group(group, roots, node, err);
	if (!rc)
		rc = check_viable(group, node, err);
	if (!rc)
		rc = join_container(group, node, err);
	if (!rc)
		rc = get_device(group, node, err);
	if (rc)
		vfio_group_close(group);
	return rc;
}

/* The device goes first: a group with an open device cannot leave its container. */
void vfio_group_close(struct vfio_group *group)
{
	if (group->device >= 0)
		close(group->device);
	if (group->group >= 0)
		close(group->group);
	if (group->container >= 0)
		close(group->container);
	*group = (struct vfio_group){ -1, -1, -1 };
}
