/* SPDX-License-Identifier: MIT */
/* What this machine offers: its RDMA and VFIO devices, found without opening any VFIO device. */
#ifndef VFIOMIG_HOST_H
#define VFIOMIG_HOST_H

#include <stdbool.h>
#include <stdint.h>

#include <vfiomig/error.h>

#ifdef __cplusplus
extern "C" {
#endif

struct vfiomig_rdma_device {
	char name[64];
	char transport[16]; /* "RoCE", "InfiniBand", "iWARP", "unknown" */
	char netdev[32];    /* of port 1, "" if none */
	char state[16];	    /* of port 1: "active", "down", ... */
	unsigned mtu;	    /* active path MTU of port 1, bytes */
	uint32_t qps_max, cq_entries_max;
	bool usable;	  /* rdma-vfiomig can use it */
	char reason[128]; /* why not, or "" */
};

struct vfiomig_vfio_device {
	char id[128]; /* PCI address or mdev UUID: what goes after "vfio:" */
	char driver[64];
	int group;     /* IOMMU group, -1 if none */
	int numa_node; /* -1 unknown */
	uint16_t vendor, device;
	uint32_t migration_flags; /* 0: no migration, or it could not be asked, see reason */
	bool usable;
	char reason[160]; /* why not, or "" */
};

/*
 * Fill up to @max entries and return how many there are (may be more than @max), or a negative errno: -ENOMEM. No RDMA
 * in the kernel is no error: 0.
 */
int vfiomig_host_rdma_devices(struct vfiomig_rdma_device *devices, unsigned max, struct vfiomig_error *err);

/*
 * The same for devices bound to a VFIO driver and for mediated devices. @ask: open each one that nobody uses for a
 * moment to ask for its migration features.
 */
int vfiomig_host_vfio_devices(struct vfiomig_vfio_device *devices, unsigned max, bool ask, struct vfiomig_error *err);

#ifdef __cplusplus
}
#endif
#endif
