// SPDX-License-Identifier: GPL-2.0
/*
 * vfio_migtest - a synthetic VFIO device with migration, for tests
 *
 * Mediated devices without any hardware behind them: a PCI-like config space
 * and the whole of the VFIO migration v2 uAPI (STOP_COPY, P2P, PRE_COPY).
 * The migration data is made from a seed and every byte of it is checked on
 * load: a wrong, missing, reordered or extra byte makes the state change out
 * of RESUMING fail with EINVAL. README.md says how to use it.
 */
#include <linux/device.h>
#include <linux/mdev.h>
#include <linux/module.h>

#include "migtest.h"

static struct class *migtest_class;
static struct device *migtest_dev;
static struct mdev_parent migtest_parent;

static int migtest_probe(struct mdev_device *mdev)
{
	struct migtest *mt;
	int ret;

	mt = vfio_alloc_device(migtest, vdev, &mdev->dev, &migtest_ops);
	if (IS_ERR(mt))
		return PTR_ERR(mt);
	dev_set_drvdata(&mdev->dev, mt);
	ret = vfio_register_emulated_iommu_dev(&mt->vdev);
	if (ret)
		vfio_put_device(&mt->vdev);
	return ret;
}

static void migtest_remove(struct mdev_device *mdev)
{
	struct migtest *mt = dev_get_drvdata(&mdev->dev);

	vfio_unregister_group_dev(&mt->vdev);
	vfio_put_device(&mt->vdev);
}

static struct mdev_driver migtest_driver = {
	.device_api = VFIO_DEVICE_API_PCI_STRING,
	.max_instances = 256,
	.driver = {
		.name = "migtest",
		.owner = THIS_MODULE,
		.mod_name = KBUILD_MODNAME,
		.dev_groups = migtest_groups,
	},
	.probe = migtest_probe,
	.remove = migtest_remove,
};

static struct mdev_type migtest_type = {
	.sysfs_name = "pci",
	.pretty_name = "Synthetic device with migration",
};

static struct mdev_type *migtest_types[] = { &migtest_type };

static int __init migtest_init(void)
{
	int ret;

	migtest_class = class_create("migtest");
	if (IS_ERR(migtest_class))
		return PTR_ERR(migtest_class);
	migtest_dev = device_create(migtest_class, NULL, 0, NULL, "migtest");
	if (IS_ERR(migtest_dev)) {
		ret = PTR_ERR(migtest_dev);
		goto err_class;
	}
	ret = mdev_register_driver(&migtest_driver);
	if (ret)
		goto err_dev;
	ret = mdev_register_parent(&migtest_parent, migtest_dev, &migtest_driver, migtest_types,
				   ARRAY_SIZE(migtest_types));
	if (!ret)
		return 0;
	mdev_unregister_driver(&migtest_driver);
err_dev:
	device_unregister(migtest_dev);
err_class:
	class_destroy(migtest_class);
	return ret;
}

static void __exit migtest_exit(void)
{
	mdev_unregister_parent(&migtest_parent);
	mdev_unregister_driver(&migtest_driver);
	device_unregister(migtest_dev);
	class_destroy(migtest_class);
}

module_init(migtest_init);
module_exit(migtest_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Synthetic VFIO device with migration, for tests");
