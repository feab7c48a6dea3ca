/* SPDX-License-Identifier: MIT */
/* See mdev.h. It shares no code with rdma-vfiomig, which is judged by what is built on this. */
#include "mdev.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

void die(const char *format, ...)
{
	int error = errno;
	va_list args;

	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, ": %s\n", strerror(error));
	exit(3);
}

void mdev_open(struct mdev *device, const char *uuid)
{
	struct vfio_region_info region = { .argsz = sizeof(region), .index = VFIO_PCI_CONFIG_REGION_INDEX };
	char path[PATH_MAX], link[PATH_MAX];
	ssize_t n;

	snprintf(path, sizeof(path), "/sys/bus/mdev/devices/%s/iommu_group", uuid);
	n = readlink(path, link, sizeof(link) - 1);
	if (n < 0)
		die("%s", path);
	link[n] = 0;
	snprintf(path, sizeof(path), "/dev/vfio/%s", basename(link));
	device->container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	device->group = open(path, O_RDWR | O_CLOEXEC);
	if (device->container < 0 || device->group < 0)
		die("%s", path);
	if (ioctl(device->group, VFIO_GROUP_SET_CONTAINER, &device->container))
		die("VFIO_GROUP_SET_CONTAINER");
	if (ioctl(device->container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU))
		die("VFIO_SET_IOMMU");
	device->fd = ioctl(device->group, VFIO_GROUP_GET_DEVICE_FD, uuid);
	if (device->fd < 0)
		die("VFIO_GROUP_GET_DEVICE_FD %s", uuid);
	if (ioctl(device->fd, VFIO_DEVICE_GET_REGION_INFO, &region))
		die("VFIO_DEVICE_GET_REGION_INFO");
	device->config = (off_t)region.offset;
}

void mdev_close(const struct mdev *device)
{
	close(device->fd);
	close(device->group);
	close(device->container);
}

int mdev_set_state(const struct mdev *device, unsigned int state)
{
	union {
		struct vfio_device_feature feature;
		uint64_t room[4];
	} arg = { .feature = { .argsz = sizeof(struct vfio_device_feature) +
					sizeof(struct vfio_device_feature_mig_state),
			       .flags = VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE } };
	struct vfio_device_feature_mig_state mig = { .device_state = state, .data_fd = -1 };

	memcpy(arg.feature.data, &mig, sizeof(mig));
	if (ioctl(device->fd, VFIO_DEVICE_FEATURE, &arg))
		return -errno - 1;
	memcpy(&mig, arg.feature.data, sizeof(mig));
	return mig.data_fd;
}

int mdev_must_set_state(const struct mdev *device, unsigned int state)
{
	int fd = mdev_set_state(device, state);

	if (fd < -1) {
		errno = -fd - 1;
		die("state %u", state);
	}
	return fd;
}

void mdev_config_get(const struct mdev *device, uint8_t *config)
{
	if (pread(device->fd, config, CONFIG_BYTES, device->config) != CONFIG_BYTES)
		die("config of the source");
}

static int put(const struct mdev *device, const uint8_t *config, size_t from, size_t to)
{
	return pwrite(device->fd, config + from, to - from, device->config + (off_t)from) < 0 ? -errno : 0;
}

int mdev_config_put(const struct mdev *device, const uint8_t *config, int command_first)
{
	int error = 0;

	if (command_first)
		error = put(device, config, 0x04, 0x06);
	if (!error)
		error = put(device, config, 0x0c, 0x28);
	if (!error)
		error = put(device, config, 0x3c, CONFIG_BYTES);
	if (!error && !command_first)
		error = put(device, config, 0x04, 0x06);
	return error;
}
