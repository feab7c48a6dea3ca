/* SPDX-License-Identifier: MIT */
#include "support/fake_sysfs.h"

#include <errno.h>

#include "unit/device_vfio_kernel.h"

#include "device/vfio_group.h"
#include "device/vfio_uapi.h"

TestSuite(vfio_group, .init = start_kernel);

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
