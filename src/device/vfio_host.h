/* SPDX-License-Identifier: MIT */
/* The VFIO devices of this machine: vfiomig_host_vfio_devices with replaceable roots. */
#ifndef DEVICE_VFIO_HOST_H
#define DEVICE_VFIO_HOST_H

#include <vfiomig/host.h>

#include "device/vfio_node.h"

int vfio_host_list(const struct vfio_roots *roots, struct vfiomig_vfio_device *devices, unsigned max, bool ask,
		   struct vfiomig_error *err);

#endif
