/* SPDX-License-Identifier: MIT */
/*
 * A kernel that is not there: ioctl(2) of this binary is ours, and answers for the descriptors that a test has declared to
 * be VFIO's. Config space is read and written for real, in a memory file.
 */
#ifndef UNIT_DEVICE_VFIO_KERNEL_H
#define UNIT_DEVICE_VFIO_KERNEL_H

#include <stdbool.h>
#include <stdint.h>

#define REGION_OFFSET (7 << 20)

struct fake_kernel {
	bool on;
	int device; /* descriptor that is a device */
	uint64_t flags;
	uint32_t state;
	uint32_t fail_state; /* SET_STATE to it fails, and leaves the device in lands_in */
	uint32_t lands_in;
	int next_fd; /* what the next SET_STATE gives away */
	int data_fd; /* the last that was given away */
	uint64_t initial_bytes, dirty_bytes;
	uint32_t precopy_flags; /* that GET_PRECOPY_INFO answers, whoever has asked for them or not */
	bool has_precopy_flags; /* offers the v2 form */
	bool asked_for_precopy_flags;
	int precopy_errno, data_size_errno;
	uint32_t region_bytes;
	int reset_errno;
	uint32_t group_flags;
	int container_errno, iommu_errno, get_device_errno;
	unsigned long iommu;
	int bind_errno, bound_to; /* the iommufd of the last device that was bound; -1: none */
	char asked[64];
};

extern struct fake_kernel kernel;

/* The fake kernel of a test, with one healthy device that runs. */
void start_kernel(void);

bool is_open(int fd);

#endif
