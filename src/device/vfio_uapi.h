/* SPDX-License-Identifier: MIT */
/*
 * <linux/vfio.h>, and what kernel headers before 6.2 do not have of it. Structs bear names of their own, so that newer
 * headers do no harm; states come from vfiomig/device.h, which has the same numbers.
 */
#ifndef DEVICE_VFIO_UAPI_H
#define DEVICE_VFIO_UAPI_H

#include <linux/vfio.h>
#include <stdint.h>

/* Kernels from 6.6 on. */
#ifndef VFIO_DEVICE_BIND_IOMMUFD
#define VFIO_DEVICE_BIND_IOMMUFD _IO(VFIO_TYPE, VFIO_BASE + 18)
#endif

struct vfio_bind {
	uint32_t argsz;
	uint32_t flags;
	int32_t iommufd;
	uint32_t devid; /* out */
};

_Static_assert(sizeof(struct vfio_bind) == 16, "argsz, flags and two numbers");

#ifndef VFIO_DEVICE_FEATURE_MIG_DATA_SIZE
#define VFIO_DEVICE_FEATURE_MIG_DATA_SIZE 9
#endif

struct vfio_data_size {
	uint64_t stop_copy_bytes; /* an estimate */
};

/* Newer kernels: SET without data; from then on the flags of struct vfio_precopy_sizes are the device's word. */
#ifndef VFIO_DEVICE_FEATURE_MIG_PRECOPY_INFOv2
#define VFIO_DEVICE_FEATURE_MIG_PRECOPY_INFOv2 12
#endif

/* On a data_fd in PRE_COPY and PRE_COPY_P2P; struct vfio_precopy_sizes. */
#ifndef VFIO_MIG_GET_PRECOPY_INFO
#define VFIO_MIG_GET_PRECOPY_INFO _IO(VFIO_TYPE, VFIO_BASE + 21)
#endif

#ifndef VFIO_PRECOPY_INFO_REINIT
#define VFIO_PRECOPY_INFO_REINIT (1 << 0)
#endif

/* struct vfio_precopy_info of 6.2 and later; estimates. */
struct vfio_precopy_sizes {
	uint32_t argsz;
	uint32_t flags;
	uint64_t initial_bytes;
	uint64_t dirty_bytes;
};

_Static_assert(sizeof(struct vfio_precopy_sizes) == 24, "argsz, flags and two sizes");
_Static_assert(sizeof(struct vfio_device_feature_migration) == 8, "flags");
_Static_assert(sizeof(struct vfio_device_feature_mig_state) == 8, "state and data_fd");

#endif
