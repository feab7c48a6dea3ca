/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>

#include "support/drive.h"
#include "unit/device_vfio_kernel.h"

TestSuite(vfio_precopy, .init = start_kernel);

static struct vfiomig_device *open_device(void)
{
	char spec[64];

	snprintf(spec, sizeof(spec), "vfio:fd=%d", kernel.device);
	return drive_open(spec);
}

static struct vfiomig_device *open_in(enum vfiomig_state state)
{
	struct vfiomig_device *device = open_device();

	kernel.next_fd = memfd_create("data", 0);
	drive_to(device, state);
	return device;
}

static int explain(struct vfiomig_device *device, ssize_t result)
{
	uint64_t at = 5;
	int meaning = device->ops->explain(device->impl, result, &at);

	cr_assert_eq(at, 5);
	return meaning;
}

Test(vfio_precopy, ends_for_now_by_enomsg_and_by_zero_alike)
{
	struct vfiomig_device *device = open_in(VFIOMIG_STATE_PRE_COPY);

	cr_assert_eq(explain(device, 0), -ENOMSG);
	cr_assert_eq(explain(device, -ENOMSG), -ENOMSG);
	cr_assert_eq(explain(device, -ENODEV), -ENODEV);
	drive_to(device, VFIOMIG_STATE_PRE_COPY_P2P);
	cr_assert_eq(explain(device, 0), -ENOMSG);
	vfiomig_device_close(device);
}

Test(vfio_precopy, is_over_in_stop_copy_where_only_zero_is_an_end)
{
	struct vfiomig_device *device = open_in(VFIOMIG_STATE_PRE_COPY);

	drive_to(device, VFIOMIG_STATE_STOP_COPY);
	cr_assert_eq(explain(device, 0), 0);
	cr_assert_eq(explain(device, -ENOMSG), -EIO);
	vfiomig_device_close(device);
}

Test(vfio_precopy, keeps_its_descriptor_up_to_stop_copy_and_closes_it_on_the_way_back)
{
	struct vfiomig_device *device = open_in(VFIOMIG_STATE_PRE_COPY);
	int fd = kernel.data_fd;

	drive_to(device, VFIOMIG_STATE_PRE_COPY_P2P);
	cr_assert_eq(device->ops->data_fd(device->impl), fd);
	drive_to(device, VFIOMIG_STATE_STOP_COPY);
	cr_assert_eq(device->ops->data_fd(device->impl), fd);
	cr_assert(is_open(fd));
	drive_to(device, VFIOMIG_STATE_RUNNING);
	cr_assert_not(is_open(fd));
	vfiomig_device_close(device);
	device = open_in(VFIOMIG_STATE_PRE_COPY);
	fd = kernel.data_fd;
	drive_to(device, VFIOMIG_STATE_RUNNING);
	cr_assert_eq(device->ops->data_fd(device->impl), -1);
	cr_assert_not(is_open(fd));
	vfiomig_device_close(device);
}

Test(vfio_precopy, tells_what_is_still_to_be_read)
{
	struct vfiomig_device *device = open_in(VFIOMIG_STATE_PRE_COPY);
	struct vfiomig_pending left;

	kernel.initial_bytes = 4000;
	kernel.dirty_bytes = UINT64_MAX; /* garbage, but the device's own */
	left = drive_pending(device);
	cr_assert(left.precopy_known && left.stop_copy_known);
	cr_assert_eq(left.initial_bytes, 4000);
	cr_assert_eq(left.dirty_bytes, UINT64_MAX);
	cr_assert_eq(left.stop_copy_bytes, 12345);
	cr_assert_not(left.initial_again);
	drive_to(device, VFIOMIG_STATE_PRE_COPY_P2P);
	cr_assert(drive_pending(device).precopy_known);
	drive_to(device, VFIOMIG_STATE_STOP_COPY);
	left = drive_pending(device);
	cr_assert_not(left.precopy_known);
	cr_assert_eq(left.stop_copy_bytes, 12345);
	vfiomig_device_close(device);
}

Test(vfio_precopy, hears_of_a_new_first_state_where_the_device_can_tell)
{
	struct vfiomig_device *device;

	kernel.has_precopy_flags = true;
	device = open_in(VFIOMIG_STATE_PRE_COPY);
	cr_assert(kernel.asked_for_precopy_flags);
	cr_assert_not(drive_pending(device).initial_again);
	kernel.precopy_flags = 1;
	kernel.initial_bytes = 9000;
	cr_assert(drive_pending(device).initial_again);
	cr_assert_eq(drive_pending(device).initial_bytes, 9000);
	kernel.precopy_flags = 2; /* of another kernel to come */
	cr_assert_not(drive_pending(device).initial_again);
	vfiomig_device_close(device);
}

Test(vfio_precopy, believes_no_flags_of_a_device_that_does_not_offer_them)
{
	struct vfiomig_device *device = open_in(VFIOMIG_STATE_PRE_COPY);

	kernel.precopy_flags = 1;
	cr_assert(drive_pending(device).precopy_known);
	cr_assert_not(drive_pending(device).initial_again);
	vfiomig_device_close(device);
}

Test(vfio_precopy, does_not_ask_a_device_without_it)
{
	struct vfiomig_device *device;

	kernel.has_precopy_flags = true;
	kernel.flags = VFIOMIG_MIGRATION_STOP_COPY;
	device = open_in(VFIOMIG_STATE_STOP_COPY);
	cr_assert_not(kernel.asked_for_precopy_flags);
	cr_assert_not(drive_pending(device).precopy_known);
	vfiomig_device_close(device);
}

Test(vfio_precopy, knows_nothing_where_the_kernel_cannot_tell)
{
	struct vfiomig_device *device = open_in(VFIOMIG_STATE_PRE_COPY);
	struct vfiomig_pending left;

	kernel.precopy_errno = ENOTTY;
	kernel.data_size_errno = ENOTTY;
	left = drive_pending(device);
	cr_assert_not(left.precopy_known);
	cr_assert_not(left.stop_copy_known);
	vfiomig_device_close(device);
}

Test(vfio_precopy, that_has_failed_says_so)
{
	struct vfiomig_device *device = open_in(VFIOMIG_STATE_PRE_COPY);
	struct vfiomig_pending left = { 0 };
	struct vfiomig_error err = { 0 };

	kernel.precopy_errno = ENODEV;
	cr_assert_eq(device->ops->pending(device->impl, &left, &err), -ENODEV);
	cr_assert_eq(err.code, VFIOMIG_DEVICE);
	vfiomig_device_close(device);
}
