/* SPDX-License-Identifier: MIT */
/* A sysfs and a /dev in a folder of their own, made of what the tests put there and removed with it. */
#ifndef SUPPORT_FAKE_SYSFS_H
#define SUPPORT_FAKE_SYSFS_H

#include <criterion/criterion.h>

#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "device/vfio_node.h"

struct fake_sysfs {
	char root[64];
	char sysfs[80], dev[80];
	struct vfio_roots roots;
};

/* All folders above the last '/' of @path. */
static inline void fake_folders(const char *path)
{
	char part[PATH_MAX];

	for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		snprintf(part, sizeof(part), "%.*s", (int)(slash - path), path);
		mkdir(part, 0755);
	}
}

static inline void fake_file(const struct fake_sysfs *fake, const char *name, const char *text)
{
	char path[PATH_MAX];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", fake->root, name);
	fake_folders(path);
	file = fopen(path, "w");
	cr_assert_not_null(file, "%s", path);
	fputs(text, file);
	fclose(file);
}

/* A link whose target need not exist: only its name is read. */
static inline void fake_link(const struct fake_sysfs *fake, const char *name, const char *target)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", fake->root, name);
	fake_folders(path);
	cr_assert_eq(symlink(target, path), 0, "%s", path);
}

static inline void fake_sysfs_open(struct fake_sysfs *fake)
{
	snprintf(fake->root, sizeof(fake->root), "%s", "/tmp/vfiomig-sysfs-XXXXXX");
	cr_assert_not_null(mkdtemp(fake->root));
	snprintf(fake->sysfs, sizeof(fake->sysfs), "%s/sys", fake->root);
	snprintf(fake->dev, sizeof(fake->dev), "%s/dev", fake->root);
	fake->roots = (struct vfio_roots){ fake->sysfs, fake->dev };
}

static inline int fake_remove(const char *path, const struct stat *stat, int kind, struct FTW *ftw)
{
	(void)stat, (void)kind, (void)ftw;
	return remove(path);
}

static inline void fake_sysfs_close(struct fake_sysfs *fake)
{
	nftw(fake->root, fake_remove, 8, FTW_DEPTH | FTW_PHYS);
}

/* A PCI function bound to @driver ("": to none) in IOMMU group @group (-1: in none). */
static inline void fake_pci(const struct fake_sysfs *fake, const char *address, const char *driver, int group)
{
	char name[256], target[256];

	snprintf(name, sizeof(name), "sys/bus/pci/devices/%s/vendor", address);
	fake_file(fake, name, "0x15b3\n");
	snprintf(name, sizeof(name), "sys/bus/pci/devices/%s/device", address);
	fake_file(fake, name, "0x101e\n");
	snprintf(name, sizeof(name), "sys/bus/pci/devices/%s/numa_node", address);
	fake_file(fake, name, "1\n");
	snprintf(name, sizeof(name), "sys/bus/pci/devices/%s/driver", address);
	snprintf(target, sizeof(target), "../../../bus/pci/drivers/%s", driver);
	if (*driver)
		fake_link(fake, name, target);
	snprintf(name, sizeof(name), "sys/bus/pci/devices/%s/iommu_group", address);
	snprintf(target, sizeof(target), "../../../kernel/iommu_groups/%d", group);
	if (group >= 0)
		fake_link(fake, name, target);
}

static inline void fake_mdev(const struct fake_sysfs *fake, const char *uuid, int group)
{
	char name[256], target[256];

	snprintf(name, sizeof(name), "sys/bus/mdev/devices/%s/subsystem", uuid);
	fake_link(fake, name, "../../../bus/mdev");
	snprintf(name, sizeof(name), "sys/bus/mdev/devices/%s/driver", uuid);
	fake_link(fake, name, "../../../bus/mdev/drivers/migtest");
	snprintf(name, sizeof(name), "sys/bus/mdev/devices/%s/iommu_group", uuid);
	snprintf(target, sizeof(target), "../../../kernel/iommu_groups/%d", group);
	fake_link(fake, name, target);
}

#endif
