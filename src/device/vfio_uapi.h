/* SPDX-License-Identifier: MIT */
/*
 * <linux/vfio.h>, and what kernel headers before 6.2 do not have of it. Structs bear names of their own, so that newer
 * headers do no harm; states come from vfiomig/device.h, which has the same numbers.
 */
#ifndef DEVICE_VFIO_UAPI_H
#define DEVICE_VFIO_UAPI_H

#include <linux/vfio.h>
#include <stdint.h>

#ifndef VFIO_DEVICE_FEATURE_MIG_DATA_SIZE
#define VFIO_DEVICE_FEATURE_MIG_DATA_SIZE 9
#endif

struct vfio_data_size {
	uint64_t stop_copy_bytes; /* an estimate */
};

_Static_assert(sizeof(struct vfio_device_feature_migration) == 8, "flags");
_Static_assert(sizeof(struct vfio_device_feature_mig_state) == 8, "state and data_fd");

#endif
