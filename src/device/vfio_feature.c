/* SPDX-License-Identifier: MIT */
/* The one place where VFIO's ioctls and their errno are translated. */
#include "device/vfio_feature.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "device/vfio_uapi.h"

enum { FEATURE_BYTES_MAX = 16 };

/* @data goes in and comes out; what the kernel did not fill stays. */
static int feature(int fd, uint32_t flags, void *data, uint32_t bytes)
{
	_Alignas(8) uint8_t buffer[sizeof(struct vfio_device_feature) + FEATURE_BYTES_MAX] = { 0 };
	struct vfio_device_feature *head = (struct vfio_device_feature *)(void *)buffer;

	head->argsz = (uint32_t)sizeof(*head) + bytes;
	head->flags = flags;
	memcpy(buffer + sizeof(*head), data, bytes);
	if (ioctl(fd, VFIO_DEVICE_FEATURE, head))
		return -errno;
	memcpy(data, buffer + sizeof(*head), bytes);
	return 0;
}

int vfio_get_migration_flags(int fd, uint32_t *flags)
{
	struct vfio_device_feature_migration migration = { 0 };
	int rc = feature(fd, VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_MIGRATION, &migration, sizeof(migration));

	*flags = (uint32_t)migration.flags;
	return rc;
}

int vfio_get_state(int fd, enum vfiomig_state *state)
{
	struct vfio_device_feature_mig_state now = { 0 };
	int rc = feature(fd, VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, &now, sizeof(now));

	*state = now.device_state < VFIOMIG_STATE_COUNT ? (enum vfiomig_state)now.device_state : VFIOMIG_STATE_ERROR;
	return rc;
}

int vfio_set_state(int fd, enum vfiomig_state state, int *data_fd)
{
	struct vfio_device_feature_mig_state wanted = { .device_state = state, .data_fd = -1 };
	int rc = feature(fd, VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, &wanted, sizeof(wanted));

	*data_fd = rc ? -1 : wanted.data_fd;
	return rc;
}

int vfio_get_data_bytes(int fd, uint64_t *bytes)
{
	struct vfio_data_size size = { 0 };
	int rc = feature(fd, VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_MIG_DATA_SIZE, &size, sizeof(size));

	*bytes = size.stop_copy_bytes;
	return rc;
}

int vfio_enable_precopy_flags(int fd)
{
	uint8_t nothing = 0;

	return feature(fd, VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_MIG_PRECOPY_INFOv2, &nothing, 0);
}

int vfio_get_precopy_bytes(int data_fd, uint32_t *flags, uint64_t *initial_bytes, uint64_t *dirty_bytes)
{
	struct vfio_precopy_sizes sizes = { .argsz = sizeof(sizes) };
	int rc = ioctl(data_fd, VFIO_MIG_GET_PRECOPY_INFO, &sizes) ? -errno : 0;

	*flags = sizes.flags;
	*initial_bytes = sizes.initial_bytes;
	*dirty_bytes = sizes.dirty_bytes;
	return rc;
}

int vfio_get_device_flags(int fd, uint32_t *flags)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	int rc = ioctl(fd, VFIO_DEVICE_GET_INFO, &info) ? -errno : 0;

	*flags = info.flags;
	return rc;
}

int vfio_get_config_region(int fd, uint64_t *offset, uint32_t *bytes)
{
	struct vfio_region_info region = { .argsz = sizeof(region), .index = VFIO_PCI_CONFIG_REGION_INDEX };
	const uint32_t both = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;

	*bytes = 0;
	*offset = 0;
	if (ioctl(fd, VFIO_DEVICE_GET_REGION_INFO, &region))
		return -errno;
	*offset = region.offset;
	if ((region.flags & both) == both && region.size >= 256)
		*bytes = region.size >= VFIOMIG_CONFIG_BYTES_MAX ? VFIOMIG_CONFIG_BYTES_MAX : 256;
	return 0;
}

int vfio_reset(int fd)
{
	return ioctl(fd, VFIO_DEVICE_RESET) ? -errno : 0;
}
