/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "unit/device_vfio_kernel.h"

#include "device/device.h"

TestSuite(vfio, .init = start_kernel);

static int try_open(struct vfiomig_device **device, const char *options, struct vfiomig_error *err)
{
	char spec[128];

	*err = (struct vfiomig_error){ 0 };
	snprintf(spec, sizeof(spec), "vfio:fd=%d%s", kernel.device, options);
	return vfiomig_device_open(device, spec, err);
}

static struct vfiomig_device *open_device(void)
{
	struct vfiomig_device *device;
	struct vfiomig_error err;

	cr_assert_eq(try_open(&device, "", &err), 0, "%s", err.text);
	return device;
}

static int set_state(struct vfiomig_device *device, enum vfiomig_state state, struct vfiomig_error *err)
{
	*err = (struct vfiomig_error){ 0 };
	return device->ops->set_state(device->impl, state, err);
}

Test(vfio, describes_an_inherited_device)
{
	struct vfiomig_device *device = open_device();
	const struct vfiomig_device_info *info = vfiomig_device_info(device);

	cr_assert(device->owned_by_vmm);
	cr_assert_eq(info->vendor, 0x1ee7);
	cr_assert_eq(info->subsystem_device, 9);
	cr_assert_eq(info->config_bytes, 256);
	cr_assert_eq(info->expected_bytes, 12345);
	cr_assert_eq(info->migration_flags, VFIOMIG_MIGRATION_STOP_COPY | VFIOMIG_MIGRATION_PRE_COPY);
	cr_assert_eq(info->numa_node, -1);
	vfiomig_device_close(device);
}

Test(vfio, leaves_an_inherited_descriptor_open)
{
	vfiomig_device_close(open_device());
	cr_assert(is_open(kernel.device));
}

Test(vfio, refuses_a_device_without_migration)
{
	struct vfiomig_device *device;
	struct vfiomig_error err;

	kernel.flags = 0;
	cr_assert_eq(try_open(&device, "", &err), -ENOTSUP);
	cr_assert_null(device);
	cr_assert_eq(err.code, VFIOMIG_PREFLIGHT);
	cr_assert_str_eq(err.name, "no-migration");
	cr_assert(is_open(kernel.device));
}

Test(vfio, refuses_a_descriptor_that_is_no_device)
{
	struct vfiomig_device *device;
	struct vfiomig_error err = { 0 };

	kernel.on = false;
	cr_assert_eq(try_open(&device, "", &err), -ENODEV);
	cr_assert_eq(err.code, VFIOMIG_PREFLIGHT);
	err = (struct vfiomig_error){ 0 };
	cr_assert_eq(vfiomig_device_open(&device, "vfio:fd=987654", &err), -ENODEV);
	cr_assert(strstr(err.text, "987654") != NULL);
}

static void usage(const char *spec)
{
	struct vfiomig_device *device;
	struct vfiomig_error err = { 0 };

	cr_assert_eq(vfiomig_device_open(&device, spec, &err), -EINVAL, "%s", spec);
	cr_assert_eq(err.code, VFIOMIG_USAGE);
}

Test(vfio, wants_an_address_or_a_descriptor_and_nothing_else)
{
	usage("vfio:");
	usage("vfio:0000:00:00.0,fd=3");
	usage("vfio:fd=-1");
	usage("vfio:fd=x");
	usage("vfio:fd=3,bytes=1");
	usage("vfio:eth0");
}

Test(vfio, goes_on_with_the_descriptor_of_pre_copy)
{
	struct vfiomig_device *device = open_device();
	struct vfiomig_error err;
	int fd = kernel.next_fd = memfd_create("data", 0);

	cr_assert_eq(set_state(device, VFIOMIG_STATE_PRE_COPY, &err), 0);
	cr_assert_eq(device->ops->data_fd(device->impl), fd);
	cr_assert_eq(set_state(device, VFIOMIG_STATE_STOP_COPY, &err), 0);
	cr_assert_eq(device->ops->data_fd(device->impl), fd);
	cr_assert(is_open(fd));
	cr_assert_eq(set_state(device, VFIOMIG_STATE_STOP, &err), 0);
	cr_assert_eq(device->ops->data_fd(device->impl), -1);
	cr_assert_not(is_open(fd));
	vfiomig_device_close(device);
}

Test(vfio, replaces_its_descriptor_by_a_new_one)
{
	struct vfiomig_device *device = open_device();
	struct vfiomig_error err;
	int old = kernel.next_fd = memfd_create("data", 0), new;

	cr_assert_eq(set_state(device, VFIOMIG_STATE_STOP_COPY, &err), 0);
	new = kernel.next_fd = memfd_create("data", 0);
	cr_assert_eq(set_state(device, VFIOMIG_STATE_RESUMING, &err), 0);
	cr_assert_eq(device->ops->data_fd(device->impl), new);
	cr_assert_not(is_open(old));
	vfiomig_device_close(device);
	cr_assert_not(is_open(new));
}

Test(vfio, asks_where_a_failed_transition_has_left_the_device)
{
	struct vfiomig_device *device = open_device();
	struct vfiomig_error err;
	int fd = kernel.next_fd = memfd_create("data", 0);

	cr_assert_eq(set_state(device, VFIOMIG_STATE_RESUMING, &err), 0);
	kernel.fail_state = VFIOMIG_STATE_RUNNING;
	kernel.lands_in = VFIOMIG_STATE_STOP;
	cr_assert_eq(set_state(device, VFIOMIG_STATE_RUNNING, &err), -EIO);
	cr_assert_eq(err.code, VFIOMIG_DEVICE);
	cr_assert(strstr(err.text, "RESUMING -> RUNNING") && strstr(err.text, "in STOP now"), "%s", err.text);
	cr_assert_eq(vfiomig_device_state(device), VFIOMIG_STATE_STOP);
	cr_assert_eq(device->ops->data_fd(device->impl), -1);
	cr_assert_not(is_open(fd));
	vfiomig_device_close(device);
}

Test(vfio, keeps_its_descriptor_where_a_failed_transition_has_not_left_the_state)
{
	struct vfiomig_device *device = open_device();
	struct vfiomig_error err;
	int fd = kernel.next_fd = memfd_create("data", 0);

	cr_assert_eq(set_state(device, VFIOMIG_STATE_RESUMING, &err), 0);
	kernel.fail_state = VFIOMIG_STATE_STOP;
	kernel.lands_in = VFIOMIG_STATE_RESUMING;
	cr_assert_eq(set_state(device, VFIOMIG_STATE_STOP, &err), -EIO);
	cr_assert_eq(device->ops->data_fd(device->impl), fd);
	vfiomig_device_close(device);
}

Test(vfio, in_a_state_that_is_none_counts_as_failed)
{
	struct vfiomig_device *device = open_device();

	kernel.state = 8;
	cr_assert_eq(vfiomig_device_state(device), VFIOMIG_STATE_ERROR);
	vfiomig_device_close(device);
}

Test(vfio, is_reset_into_running_without_a_stream)
{
	struct vfiomig_device *device = open_device();
	struct vfiomig_error err = { 0 };

	kernel.next_fd = memfd_create("data", 0);
	cr_assert_eq(set_state(device, VFIOMIG_STATE_RESUMING, &err), 0);
	cr_assert_eq(device->ops->reset(device->impl, &err), 0);
	cr_assert_eq(vfiomig_device_state(device), VFIOMIG_STATE_RUNNING);
	cr_assert_eq(device->ops->data_fd(device->impl), -1);
	kernel.reset_errno = EIO;
	cr_assert_eq(device->ops->reset(device->impl, &err), -EIO);
	cr_assert_eq(err.code, VFIOMIG_DEVICE);
	vfiomig_device_close(device);
}

Test(vfio, loads_a_config_where_its_region_is)
{
	struct vfiomig_device *device = open_device();
	struct vfiomig_error err = { 0 };
	uint8_t blob[65536], byte = 0;
	ssize_t bytes = device->ops->config_get(device->impl, blob, sizeof(blob), &err);

	cr_assert_eq(bytes, 264);
	blob[8 + 0x44] = 0x5a;
	cr_assert_eq(device->ops->config_put(device->impl, blob, (size_t)bytes, &err), 0, "%s", err.text);
	cr_assert_eq(pread(kernel.device, &byte, 1, REGION_OFFSET + 0x44), 1);
	cr_assert_eq(byte, 0x5a);
	cr_assert_str_eq(device->warning, "");
	blob[8] ^= 1;
	cr_assert_eq(device->ops->config_put(device->impl, blob, (size_t)bytes, &err), -EINVAL);
	vfiomig_device_close(device);
}

Test(vfio, has_the_config_space_that_its_region_has)
{
	struct vfiomig_device *device;

	kernel.region_bytes = 4096;
	device = open_device();
	cr_assert_eq(vfiomig_device_info(device)->config_bytes, 4096);
	vfiomig_device_close(device);
	kernel.region_bytes = 0;
	device = open_device();
	cr_assert_eq(vfiomig_device_info(device)->config_bytes, 0);
	vfiomig_device_close(device);
}
