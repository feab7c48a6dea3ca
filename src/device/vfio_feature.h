/* SPDX-License-Identifier: MIT */
/* The ioctls of a VFIO device, one call each: 0 or a negative errno. @fd is the device's descriptor, the caller's. */
#ifndef DEVICE_VFIO_FEATURE_H
#define DEVICE_VFIO_FEATURE_H

#include <stdint.h>

#include <vfiomig/device.h>

/* VFIO_MIGRATION_* flags. -ENOTTY: the device does not migrate, or is none of VFIO's. */
int vfio_get_migration_flags(int fd, uint32_t *flags);

int vfio_get_state(int fd, enum vfiomig_state *state);

/* *@data_fd: the new data_fd, the caller's, or -1 if the state has none or goes on with the one before. */
int vfio_set_state(int fd, enum vfiomig_state state, int *data_fd);

/* The kernel's estimate of the stream, bytes. */
int vfio_get_data_bytes(int fd, uint64_t *bytes);

/*
 * May the flags of GET_PRECOPY_INFO be believed from now on? Kernels before the v2 form echo what they were given, so they
 * must be asked. An errno, ENOTTY mostly: no.
 */
int vfio_enable_precopy_flags(int fd);

/*
 * GET_PRECOPY_INFO of @data_fd, in PRE_COPY and PRE_COPY_P2P only (-EINVAL elsewhere). *@flags: VFIO_PRECOPY_INFO_*, to be
 * believed only after vfio_enable_precopy_flags.
 */
int vfio_get_precopy_bytes(int data_fd, uint32_t *flags, uint64_t *initial_bytes, uint64_t *dirty_bytes);

/* Where the config space is in @fd, and its size: 0 (the device has none), 256 or 4096. */
int vfio_get_config_region(int fd, uint64_t *offset, uint32_t *bytes);

/* VFIO_DEVICE_FLAGS_* */
int vfio_get_device_flags(int fd, uint32_t *flags);

int vfio_reset(int fd);

#endif
