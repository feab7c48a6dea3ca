/* SPDX-License-Identifier: MIT */
/*
 * A kernel that is not there: ioctl(2) of this binary is ours, and answers for the descriptors that a test has declared to
 * be VFIO's. Config space is read and written for real, in a memory file.
 */
#include "support/fake_sysfs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "device/device.h"
#include "device/vfio_feature.h"
#include "device/vfio_group.h"
#include "device/vfio_uapi.h"

#define REGION_OFFSET (7 << 20)

static struct kernel {
	bool on;
	int device; /* descriptor that is a device */
	uint64_t flags;
	uint32_t state;
	uint32_t fail_state; /* SET_STATE to it fails, and leaves the device in lands_in */
	uint32_t lands_in;
	int next_fd; /* what the next SET_STATE gives away */
	uint32_t region_bytes;
	int reset_errno;
	uint32_t group_flags;
	int container_errno, iommu_errno, get_device_errno;
	unsigned long iommu;
	char asked[64];
} kernel;

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
	case VFIO_DEVICE_FEATURE_MIG_DATA_SIZE:
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
	if (kernel.on && request >> 8 == VFIO_TYPE)
		return fd == kernel.device ? answer_device(request, argument) : answer_group(request, argument);
	return (int)syscall(SYS_ioctl, fd, request, argument);
}

static void start_kernel(void)
{
	uint8_t config[4096] = { [PCI_VENDOR_ID] = 0xe7, [PCI_VENDOR_ID + 1] = 0x1e, [PCI_SUBSYSTEM_ID] = 9 };

	kernel = (struct kernel){ .on = true,
				  .device = memfd_create("device", 0),
				  .flags = VFIOMIG_MIGRATION_STOP_COPY | VFIOMIG_MIGRATION_PRE_COPY,
				  .state = VFIOMIG_STATE_RUNNING,
				  .fail_state = UINT32_MAX,
				  .next_fd = -1,
				  .region_bytes = 256,
				  .group_flags = VFIO_GROUP_FLAGS_VIABLE };
	cr_assert_eq(pwrite(kernel.device, config, sizeof(config), REGION_OFFSET), sizeof(config));
}

TestSuite(vfio, .init = start_kernel);
TestSuite(vfio_group, .init = start_kernel);

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

static int is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
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

static struct fake_sysfs fake;

/* Open group 7 of a fake /dev; returns what vfio_group_open says. */
static int open_group(struct vfio_group *group, struct vfiomig_error *err)
{
	static const struct vfio_node node = { .id = "0000:01:00.2", .group = 7 };

	*err = (struct vfiomig_error){ 0 };
	return vfio_group_open(group, &fake.roots, &node, err);
}

Test(vfio_group, gives_a_device_and_closes_all_of_it)
{
	struct vfio_group group, was;
	struct vfiomig_error err;

	fake_sysfs_open(&fake);
	fake_file(&fake, "dev/vfio/vfio", "");
	fake_file(&fake, "dev/vfio/7", "");
	cr_assert_eq(open_group(&group, &err), 0, "%s", err.text);
	cr_assert_str_eq(kernel.asked, "0000:01:00.2");
	cr_assert_eq(kernel.iommu, VFIO_TYPE1v2_IOMMU);
	was = group;
	vfio_group_close(&group);
	cr_assert_not(is_open(was.container) || is_open(was.group) || is_open(was.device));
	vfio_group_close(&group);
	fake_sysfs_close(&fake);
}

static void group_refused(int rc, const char *name)
{
	struct vfio_group group;
	struct vfiomig_error err;
	int before = dup(0), after;

	close(before);
	cr_assert_eq(open_group(&group, &err), rc, "%s: %s", name, err.text);
	cr_assert_eq(err.code, VFIOMIG_PREFLIGHT);
	cr_assert_str_eq(err.name, name);
	after = dup(0);
	close(after);
	cr_assert_eq(after, before, "a descriptor is left open");
}

Test(vfio_group, says_what_is_missing_and_leaves_nothing_open)
{
	fake_sysfs_open(&fake);
	group_refused(-ENODEV, "no-vfio");
	fake_file(&fake, "dev/vfio/vfio", "");
	group_refused(-ENODEV, "no-group");
	fake_file(&fake, "dev/vfio/7", "");
	kernel.group_flags = 0;
	group_refused(-EBUSY, "group-not-viable");
	kernel.group_flags = VFIO_GROUP_FLAGS_VIABLE;
	kernel.container_errno = EBUSY;
	group_refused(-EBUSY, "no-container");
	kernel.container_errno = 0;
	kernel.iommu_errno = ENODEV;
	group_refused(-ENODEV, "no-iommu");
	kernel.iommu_errno = 0;
	kernel.get_device_errno = ENODEV;
	group_refused(-ENODEV, "no-device");
	fake_sysfs_close(&fake);
}
