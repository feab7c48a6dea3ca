/* SPDX-License-Identifier: MIT */
/* What sysfs knows of a VFIO device, without opening it. */
#ifndef DEVICE_VFIO_NODE_H
#define DEVICE_VFIO_NODE_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include <vfiomig/error.h>

/* Where the kernel shows itself; tests have folders of their own. */
struct vfio_roots {
	const char *sysfs; /* "/sys" */
	const char *dev;   /* "/dev" */
};

extern const struct vfio_roots vfio_roots;

struct vfio_node {
	char path[PATH_MAX]; /* of the device's folder */
	char id[128];	     /* PCI address or UUID: the folder's name, and the device's in its group */
	char driver[64];     /* "" if none is bound */
	bool vfio;	     /* the driver is one of VFIO's */
	int group;	     /* IOMMU group, -1: none */
	char cdev[32];	     /* its file below /dev/vfio/devices; "" if there is none */
	int numa_node;	     /* -1: unknown */
	uint16_t vendor, device;
	char firmware[64]; /* of the RDMA device of the function or its parent, "" where there is none, as psid */
	char psid[32];
};

/* Read all about the folder @path. -ENODEV (VFIOMIG_PREFLIGHT): there is no such folder. */
int vfio_node_read(struct vfio_node *node, const char *path, struct vfiomig_error *err);

/*
 * Find the device that @arg names: a PCI address (the domain may be missing), an mdev's UUID or an absolute path.
 * -EINVAL (VFIOMIG_USAGE): it is none of these; -ENODEV (VFIOMIG_PREFLIGHT).
 */
int vfio_node_find(struct vfio_node *node, const struct vfio_roots *roots, const char *arg, struct vfiomig_error *err);

/* Can it be opened through its group, or its own file? -ENODEV (VFIOMIG_PREFLIGHT): no, and why. */
int vfio_node_check(const struct vfio_node *node, struct vfiomig_error *err);

#endif
