/* SPDX-License-Identifier: MIT */
#include "support/fake_sysfs.h"

#include <errno.h>

#include "device/vfio_host.h"

#define UUID "11111111-2222-3333-4444-555555555555"

static struct fake_sysfs fake;

static void open_fake(void)
{
	fake_sysfs_open(&fake);
}

static void close_fake(void)
{
	fake_sysfs_close(&fake);
}

TestSuite(vfio_node, .init = open_fake, .fini = close_fake);
TestSuite(vfio_host, .init = open_fake, .fini = close_fake);

static struct vfio_node find(const char *arg)
{
	struct vfio_node node;
	struct vfiomig_error err = { 0 };

	cr_assert_eq(vfio_node_find(&node, &fake.roots, arg, &err), 0, "%s", err.text);
	return node;
}

static void refused(const char *arg, int rc, enum vfiomig_code code)
{
	struct vfio_node node;
	struct vfiomig_error err = { 0 };

	cr_assert_eq(vfio_node_find(&node, &fake.roots, arg, &err), rc, "%s", arg);
	cr_assert_eq(err.code, code);
	cr_assert(strstr(err.text, arg) != NULL, "%s", err.text);
}

Test(vfio_node, is_found_by_pci_address_with_or_without_domain)
{
	struct vfio_node node;

	fake_pci(&fake, "0000:3b:00.2", "mlx5_vfio_pci", 27);
	node = find("0000:3b:00.2");
	cr_assert_str_eq(node.id, "0000:3b:00.2");
	cr_assert_str_eq(node.driver, "mlx5_vfio_pci");
	cr_assert_eq(node.group, 27);
	cr_assert_eq(node.numa_node, 1);
	cr_assert_eq(node.vendor, 0x15b3);
	cr_assert_eq(node.device, 0x101e);
	cr_assert(node.vfio);
	cr_assert_str_eq(find("3b:00.2").id, "0000:3b:00.2");
}

Test(vfio_node, is_found_by_uuid)
{
	struct vfio_node node;

	fake_mdev(&fake, UUID, 3);
	node = find(UUID);
	cr_assert_str_eq(node.id, UUID);
	cr_assert_eq(node.group, 3);
	cr_assert_eq(node.numa_node, -1);
	cr_assert(node.vfio, "every mdev is VFIO's");
	cr_assert_eq(vfio_node_check(&node, NULL), 0);
}

Test(vfio_node, is_found_by_path)
{
	char path[256];

	fake_pci(&fake, "0000:3b:00.2", "vfio-pci", 27);
	snprintf(path, sizeof(path), "%s/bus/pci/devices/0000:3b:00.2", fake.sysfs);
	cr_assert_str_eq(find(path).id, "0000:3b:00.2");
}

Test(vfio_node, tells_an_unknown_device_from_what_is_no_device_at_all)
{
	refused("0000:3b:00.7", -ENODEV, VFIOMIG_PREFLIGHT);
	refused(UUID, -ENODEV, VFIOMIG_PREFLIGHT);
	refused("/sys/no/such", -ENODEV, VFIOMIG_PREFLIGHT);
	refused("eth0", -EINVAL, VFIOMIG_USAGE);
	refused("0000:3b:00", -EINVAL, VFIOMIG_USAGE);
	refused("0000:3b:00.2x", -EINVAL, VFIOMIG_USAGE);
	refused(UUID "0", -EINVAL, VFIOMIG_USAGE);
	refused("../..", -EINVAL, VFIOMIG_USAGE);
}

static void unusable(const char *arg, const char *name, const char *says)
{
	struct vfio_node node = find(arg);
	struct vfiomig_error err = { 0 };

	cr_assert_eq(vfio_node_check(&node, &err), -ENODEV);
	cr_assert_eq(err.code, VFIOMIG_PREFLIGHT);
	cr_assert_str_eq(err.name, name);
	cr_assert(strstr(err.text, says) != NULL, "%s", err.text);
}

Test(vfio_node, says_what_keeps_a_device_from_being_opened)
{
	fake_pci(&fake, "0000:3b:00.2", "mlx5_core", 27);
	fake_pci(&fake, "0000:3b:00.3", "", 27);
	fake_pci(&fake, "0000:3b:00.4", "vfio-pci", -1);
	unusable("0000:3b:00.2", "no-driver", "'mlx5_core'");
	unusable("0000:3b:00.3", "no-driver", "has no driver");
	unusable("0000:3b:00.4", "no-group", "IOMMU");
}

Test(vfio_node, knows_a_vfio_driver_by_its_vfio_dev_folder)
{
	fake_pci(&fake, "0000:3b:00.2", "xe_special", 27);
	fake_file(&fake, "sys/bus/pci/devices/0000:3b:00.2/vfio-dev/vfio0/dev", "511:0\n");
	cr_assert(find("0000:3b:00.2").vfio);
}

Test(vfio_node, has_the_firmware_of_its_parent)
{
	struct vfio_node node;

	fake_pci(&fake, "0000:3b:00.0", "mlx5_core", 26);
	fake_pci(&fake, "0000:3b:00.2", "mlx5_vfio_pci", 27);
	fake_link(&fake, "sys/bus/pci/devices/0000:3b:00.2/physfn", "../0000:3b:00.0");
	fake_file(&fake, "sys/bus/pci/devices/0000:3b:00.0/infiniband/mlx5_0/fw_ver", "28.39.1002\n");
	fake_file(&fake, "sys/bus/pci/devices/0000:3b:00.0/infiniband/mlx5_0/board_id", "MT_0000000838\n");
	node = find("0000:3b:00.2");
	cr_assert_str_eq(node.firmware, "28.39.1002");
	cr_assert_str_eq(node.psid, "MT_0000000838");
}

Test(vfio_host, lists_vfio_devices_and_mdevs_only_in_order)
{
	struct vfiomig_vfio_device devices[8];

	fake_pci(&fake, "0000:3b:00.3", "vfio-pci", 28);
	fake_pci(&fake, "0000:3b:00.2", "mlx5_vfio_pci", 27);
	fake_pci(&fake, "0000:00:00.0", "nvme", 1);
	fake_mdev(&fake, UUID, 3);
	cr_assert_eq(vfio_host_list(&fake.roots, devices, 8, false, NULL), 3);
	cr_assert_str_eq(devices[0].id, "0000:3b:00.2");
	cr_assert_str_eq(devices[0].driver, "mlx5_vfio_pci");
	cr_assert_eq(devices[0].group, 27);
	cr_assert_eq(devices[0].vendor, 0x15b3);
	cr_assert(devices[0].usable);
	cr_assert_str_eq(devices[1].id, "0000:3b:00.3");
	cr_assert_str_eq(devices[2].id, UUID);
}

Test(vfio_host, counts_devices_that_it_has_no_room_for)
{
	struct vfiomig_vfio_device device = { 0 };

	fake_pci(&fake, "0000:3b:00.3", "vfio-pci", 28);
	fake_pci(&fake, "0000:3b:00.2", "vfio-pci", 27);
	cr_assert_eq(vfio_host_list(&fake.roots, &device, 1, false, NULL), 2);
	cr_assert_str_eq(device.id, "0000:3b:00.2");
	cr_assert_eq(vfio_host_list(&fake.roots, NULL, 0, false, NULL), 2);
}

Test(vfio_host, says_why_a_device_cannot_be_used)
{
	struct vfiomig_vfio_device devices[2];

	fake_pci(&fake, "0000:3b:00.2", "vfio-pci", -1);
	fake_pci(&fake, "0000:3b:00.3", "vfio-pci", 5);
	cr_assert_eq(vfio_host_list(&fake.roots, devices, 2, true, NULL), 2);
	cr_assert_not(devices[0].usable);
	cr_assert(strstr(devices[0].reason, "IOMMU group") != NULL, "%s", devices[0].reason);
	cr_assert_not(devices[1].usable);
	cr_assert(strstr(devices[1].reason, "vfio/vfio is missing") != NULL, "%s", devices[1].reason);
}

Test(vfio_host, finds_nothing_where_there_is_nothing)
{
	cr_assert_eq(vfio_host_list(&fake.roots, NULL, 0, true, NULL), 0);
}
