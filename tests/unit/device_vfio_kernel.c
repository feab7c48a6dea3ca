/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "unit/device_vfio_kernel.h"

#include "device/device.h"
#include "device/vfio_uapi.h"

struct fake_kernel kernel;

static int no(int number)
{
	errno = number;
	return -1;
}

static int answer_state(struct vfio_device_feature *head)
{
	struct vfio_device_feature_mig_state *state = (void *)head->data;

	if (head->flags & VFIO_DEVICE_FEATURE_GET) {
		state->device_state = kernel.state;
		state->data_fd = -1;
		return 0;
	}
	if (state->device_state == kernel.fail_state) {
		kernel.state = kernel.lands_in;
		return no(EIO);
	}
	kernel.state = state->device_state;
	state->data_fd = kernel.next_fd;
	if (kernel.next_fd >= 0)
		kernel.data_fd = kernel.next_fd;
	kernel.next_fd = -1;
	return 0;
}

static int answer_feature(struct vfio_device_feature *head)
{
	switch (head->flags & VFIO_DEVICE_FEATURE_MASK) {
	case VFIO_DEVICE_FEATURE_MIGRATION:
		if (!kernel.flags)
			return no(ENOTTY);
		memcpy(head->data, &kernel.flags, 8);
		return 0;
	case VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE:
		return answer_state(head);
	case VFIO_DEVICE_FEATURE_MIG_PRECOPY_INFOv2:
		if (!kernel.has_precopy_flags || !(head->flags & VFIO_DEVICE_FEATURE_SET))
			return no(ENOTTY);
		kernel.asked_for_precopy_flags = true;
		return 0;
	case VFIO_DEVICE_FEATURE_MIG_DATA_SIZE:
		if (kernel.data_size_errno)
			return no(kernel.data_size_errno);
		memcpy(head->data, &(uint64_t){ 12345 }, 8);
		return 0;
	default:
		return no(ENOTTY);
	}
}

static int answer_region(struct vfio_region_info *region)
{
	region->flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
	region->offset = REGION_OFFSET;
	region->size = region->index == VFIO_PCI_CONFIG_REGION_INDEX ? kernel.region_bytes : 0;
	return 0;
}

static int answer_device(unsigned long request, void *argument)
{
	switch (request) {
	case VFIO_DEVICE_GET_INFO:
		((struct vfio_device_info *)argument)->flags = VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET;
		return 0;
	case VFIO_DEVICE_GET_REGION_INFO:
		return answer_region(argument);
	case VFIO_DEVICE_FEATURE:
		return answer_feature(argument);
	case VFIO_DEVICE_RESET:
		if (kernel.reset_errno)
			return no(kernel.reset_errno);
		kernel.state = VFIOMIG_STATE_RUNNING;
		return 0;
	default:
		return no(ENOTTY);
	}
}

static int answer_data(unsigned long request, struct vfio_precopy_sizes *sizes)
{
	if (request != VFIO_MIG_GET_PRECOPY_INFO)
		return no(ENOTTY);
	if (kernel.state != VFIOMIG_STATE_PRE_COPY && kernel.state != VFIOMIG_STATE_PRE_COPY_P2P)
		return no(EINVAL);
	if (kernel.precopy_errno || sizes->argsz < sizeof(*sizes))
		return no(kernel.precopy_errno ? kernel.precopy_errno : EINVAL);
	sizes->flags = kernel.precopy_flags;
	sizes->initial_bytes = kernel.initial_bytes;
	sizes->dirty_bytes = kernel.dirty_bytes;
	return 0;
}

static int answer_group(unsigned long request, void *argument)
{
	switch (request) {
	case VFIO_GROUP_GET_STATUS:
		((struct vfio_group_status *)argument)->flags = kernel.group_flags;
		return 0;
	case VFIO_GROUP_SET_CONTAINER:
		return kernel.container_errno ? no(kernel.container_errno) : 0;
	case VFIO_SET_IOMMU:
		kernel.iommu = (unsigned long)argument;
		return kernel.iommu_errno ? no(kernel.iommu_errno) : 0;
	case VFIO_DEVICE_BIND_IOMMUFD:
		if (kernel.bind_errno)
			return no(kernel.bind_errno);
		kernel.bound_to = ((struct vfio_bind *)argument)->iommufd;
		return 0;
	case VFIO_GROUP_GET_DEVICE_FD:
		snprintf(kernel.asked, sizeof(kernel.asked), "%s", (const char *)argument);
		return kernel.get_device_errno ? no(kernel.get_device_errno) : dup(kernel.device);
	default:
		return no(ENOTTY);
	}
}

int ioctl(int fd, unsigned long request, ...)
{
	va_list args;
	void *argument;

	va_start(args, request);
	argument = va_arg(args, void *);
	va_end(args);
	if (kernel.on && request >> 8 == VFIO_TYPE && fd == kernel.data_fd)
		return answer_data(request, argument);
	if (kernel.on && request >> 8 == VFIO_TYPE)
		return fd == kernel.device ? answer_device(request, argument) : answer_group(request, argument);
	return (int)syscall(SYS_ioctl, fd, request, argument);
}

void start_kernel(void)
{
	uint8_t config[4096] = { [PCI_VENDOR_ID] = 0xe7, [PCI_VENDOR_ID + 1] = 0x1e, [PCI_SUBSYSTEM_ID] = 9 };

	kernel = (struct fake_kernel){ .on = true,
				       .device = memfd_create("device", 0),
				       .flags = VFIOMIG_MIGRATION_STOP_COPY | VFIOMIG_MIGRATION_PRE_COPY,
				       .state = VFIOMIG_STATE_RUNNING,
				       .fail_state = UINT32_MAX,
				       .next_fd = -1,
				       .data_fd = -1,
				       .bound_to = -1,
				       .region_bytes = 256,
				       .group_flags = VFIO_GROUP_FLAGS_VIABLE };
	cr_assert_eq(pwrite(kernel.device, config, sizeof(config), REGION_OFFSET), sizeof(config));
}

bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}
