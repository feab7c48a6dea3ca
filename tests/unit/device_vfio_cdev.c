/* SPDX-License-Identifier: MIT */
/* The way to a device by a file of its own and an iommufd. */
#include "support/fake_sysfs.h"

#include <errno.h>

#include "unit/device_vfio_kernel.h"

#include "device/vfio_cdev.h"

static struct fake_sysfs fake;
static const char address[] = "0000:01:00.2";

static void start(void)
{
	start_kernel();
	fake_sysfs_open(&fake);
	fake_pci(&fake, address, "mlx5_vfio_pci", 7);
	fake_file(&fake, "dev/iommu", "");
	fake_file(&fake, "dev/vfio/devices/vfio3", "");
}

static void stop(void)
{
	fake_sysfs_close(&fake);
}

TestSuite(vfio_cdev, .init = start, .fini = stop);

static struct vfio_node node_of_device(void)
{
	struct vfio_node node;

	cr_assert_eq(vfio_node_find(&node, &fake.roots, address, NULL), 0);
	return node;
}

static void give_cdev(void)
{
	char name[128];

	snprintf(name, sizeof(name), "sys/bus/pci/devices/%s/vfio-dev/vfio3/dev", address);
	fake_file(&fake, name, "511:3\n");
}

static int open_by(struct vfio_group *group, enum vfio_way way, struct vfiomig_error *err)
{
	const struct vfio_node node = node_of_device();

	*err = (struct vfiomig_error){ 0 };
	return vfio_way_open(group, &fake.roots, &node, way, err);
}

Test(vfio_cdev, is_bound_to_an_iommufd_of_its_own_and_closed_with_it)
{
	struct vfio_group group, was;
	struct vfiomig_error err;

	give_cdev();
	cr_assert_eq(open_by(&group, VFIO_WAY_CDEV, &err), 0, "%s", err.text);
	cr_assert_eq(kernel.bound_to, group.container);
	cr_assert_eq(group.group, -1);
	was = group;
	vfio_group_close(&group);
	cr_assert_not(is_open(was.container) || is_open(was.device));
}

Test(vfio_cdev, is_taken_by_itself_only_where_there_are_no_groups)
{
	struct vfio_group group;
	struct vfiomig_error err;

	give_cdev();
	cr_assert_eq(open_by(&group, VFIO_WAY_AUTO, &err), 0, "%s", err.text);
	cr_assert_eq(kernel.bound_to, group.container);
	vfio_group_close(&group);
	kernel.bound_to = -1;
	fake_file(&fake, "dev/vfio/vfio", "");
	fake_file(&fake, "dev/vfio/7", "");
	cr_assert_eq(open_by(&group, VFIO_WAY_AUTO, &err), 0, "%s", err.text);
	cr_assert_eq(kernel.bound_to, -1);
	cr_assert_geq(group.group, 0);
	vfio_group_close(&group);
}

static void refused(enum vfio_way way, int rc, const char *name)
{
	struct vfio_group group;
	struct vfiomig_error err;
	int before = dup(0), after;

	close(before);
	cr_assert_eq(open_by(&group, way, &err), rc, "%s: %s", name, err.text);
	cr_assert_eq(err.code, VFIOMIG_PREFLIGHT);
	cr_assert_str_eq(err.name, name);
	after = dup(0);
	close(after);
	cr_assert_eq(after, before, "a descriptor is left open");
}

Test(vfio_cdev, says_what_is_missing_and_leaves_nothing_open)
{
	char path[128];

	refused(VFIO_WAY_CDEV, -ENODEV, "no-cdev");
	give_cdev();
	kernel.bind_errno = EBUSY;
	refused(VFIO_WAY_CDEV, -EBUSY, "cdev-busy");
	kernel.bind_errno = EINVAL;
	refused(VFIO_WAY_CDEV, -EBUSY, "cdev-busy");
	kernel.bind_errno = ENOMEM;
	refused(VFIO_WAY_CDEV, -ENOMEM, "no-iommufd");
	refused(VFIO_WAY_GROUP, -ENODEV, "no-vfio");
	snprintf(path, sizeof(path), "%s/dev/vfio/devices/vfio3", fake.root);
	cr_assert_eq(unlink(path), 0);
	refused(VFIO_WAY_CDEV, -ENODEV, "no-cdev");
	snprintf(path, sizeof(path), "%s/dev/iommu", fake.root);
	cr_assert_eq(unlink(path), 0);
	refused(VFIO_WAY_CDEV, -ENODEV, "no-iommufd");
}
