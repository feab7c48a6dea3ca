/* SPDX-License-Identifier: MIT */
/* VFIO devices are found and judged by sysfs: opening one takes it from others, and may reset it. */
#include "device/vfio_node.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"

const struct vfio_roots vfio_roots = { "/sys", "/dev" };

/* Join to a path; what does not fit becomes a path that does not exist. */
static void join(char path[PATH_MAX], const char *format, ...) __attribute__((format(printf, 2, 3)));
static void join(char path[PATH_MAX], const char *format, ...)
{
	va_list args;
	int length;

	va_start(args, format);
	length = vsnprintf(path, PATH_MAX, format, args);
	va_end(args);
	if (length < 0 || length >= PATH_MAX)
		path[0] = 0;
}

static void copy(char *to, size_t bytes, const char *from)
{
	size_t length = strnlen(from, bytes - 1);

	memcpy(to, from, length);
	to[length] = 0;
}

/* The first line of @folder/@name into @text; "" if it cannot be read. */
static void read_line(const char *folder, const char *name, char *text, size_t bytes)
{
	char path[PATH_MAX];
	FILE *file;

	text[0] = 0;
	join(path, "%s/%s", folder, name);
	file = fopen(path, "re");
	if (!file)
		return;
	if (!fgets(text, (int)bytes, file))
		text[0] = 0;
	fclose(file);
	text[strcspn(text, "\n")] = 0;
}

/* The last part of the link @folder/@name into @text; "" if there is none. */
static void read_link(const char *folder, const char *name, char *text, size_t bytes)
{
	char path[PATH_MAX], target[PATH_MAX];
	const char *slash;
	ssize_t length;

	text[0] = 0;
	join(path, "%s/%s", folder, name);
	length = readlink(path, target, sizeof(target) - 1);
	if (length < 0)
		return;
	target[length] = 0;
	slash = strrchr(target, '/');
	copy(text, bytes, slash ? slash + 1 : target);
}

static int read_int(const char *folder, const char *name, int missing)
{
	char text[32], *end;
	long value;

	read_line(folder, name, text, sizeof(text));
	value = strtol(text, &end, 0);
	return end == text || value < INT_MIN || value > INT_MAX ? missing : (int)value;
}

static bool has(const char *folder, const char *name)
{
	char path[PATH_MAX];

	join(path, "%s/%s", folder, name);
	return !access(path, F_OK);
}

static int read_group(const char *folder)
{
	char text[32], *end;
	long value;

	read_link(folder, "iommu_group", text, sizeof(text));
	value = strtol(text, &end, 10);
	return end == text || *end || value < 0 || value > INT_MAX ? -1 : (int)value;
}

/* Firmware and board id are told by the RDMA device: of a virtual function that VFIO has, by its parent's. */
static void read_firmware(struct vfio_node *node, const char *parent)
{
	char folder[PATH_MAX], rdma[PATH_MAX];
	struct dirent *entry;
	DIR *dir;

	join(folder, "%s%s/infiniband", node->path, parent);
	dir = opendir(folder);
	if (!dir)
		return;
	while ((entry = readdir(dir)) && !node->firmware[0]) {
		if (entry->d_name[0] == '.')
			continue;
		join(rdma, "%s/%s", folder, entry->d_name);
		read_line(rdma, "fw_ver", node->firmware, sizeof(node->firmware));
		read_line(rdma, "board_id", node->psid, sizeof(node->psid));
	}
	closedir(dir);
}

/* The one entry of the folder that tells of it. */
static void read_cdev(struct vfio_node *node)
{
	char folder[PATH_MAX], file[PATH_MAX];
	struct dirent *entry;
	DIR *dir;

	join(folder, "%s/vfio-dev", node->path);
	dir = opendir(folder);
	if (!dir)
		return;
	while ((entry = readdir(dir)) && !node->cdev[0]) {
		if (entry->d_name[0] == '.')
			continue;
		join(file, "%s/%s/dev", folder, entry->d_name);
		if (!access(file, F_OK)) /* absent where the kernel knows only groups */
			copy(node->cdev, sizeof(node->cdev), entry->d_name);
	}
	closedir(dir);
}

int vfio_node_read(struct vfio_node *node, const char *path, struct vfiomig_error *err)
{
	char bus[32];
	const char *slash;

	*node = (struct vfio_node){ .group = -1, .numa_node = -1 };
	if (!realpath(path, node->path))
		return error_set(err, VFIOMIG_PREFLIGHT, ENODEV, "no-device", "there is no device %s: %s", path,
				 strerror(errno));
	slash = strrchr(node->path, '/');
	copy(node->id, sizeof(node->id), slash ? slash + 1 : node->path);
	read_link(node->path, "driver", node->driver, sizeof(node->driver));
	read_link(node->path, "subsystem", bus, sizeof(bus));
	node->vfio = has(node->path, "vfio-dev") || strstr(node->driver, "vfio") || !strcmp(bus, "mdev");
	node->group = read_group(node->path);
	read_cdev(node);
	node->numa_node = read_int(node->path, "numa_node", -1);
	node->vendor = (uint16_t)read_int(node->path, "vendor", 0);
	node->device = (uint16_t)read_int(node->path, "device", 0);
	read_firmware(node, "");
	if (!node->firmware[0])
		read_firmware(node, "/physfn");
	return 0;
}

/* Does @text look like @shape, in which 'x' stands for a hex digit? */
static bool looks_like(const char *text, const char *shape)
{
	for (; *shape && *text; shape++, text++)
		if (*shape == 'x' ? !isxdigit((unsigned char)*text) : *shape != *text)
			return false;
	return !*shape && !*text;
}

int vfio_node_find(struct vfio_node *node, const struct vfio_roots *roots, const char *arg, struct vfiomig_error *err)
{
	char path[PATH_MAX];

	if (arg[0] == '/')
		join(path, "%s", arg);
	else if (looks_like(arg, "xxxx:xx:xx.x"))
		join(path, "%s/bus/pci/devices/%s", roots->sysfs, arg);
	else if (looks_like(arg, "xx:xx.x"))
		join(path, "%s/bus/pci/devices/0000:%s", roots->sysfs, arg);
	else if (looks_like(arg, "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"))
		join(path, "%s/bus/mdev/devices/%s", roots->sysfs, arg);
	else
		return error_set(err, VFIOMIG_USAGE, EINVAL, "device-spec",
				 "device 'vfio:%s': '%s' is no PCI address, mdev UUID, sysfs path or fd=N", arg, arg);
	return vfio_node_read(node, path, err);
}

int vfio_node_check(const struct vfio_node *node, struct vfiomig_error *err)
{
	if (!node->vfio && !node->driver[0])
		return error_set(err, VFIOMIG_PREFLIGHT, ENODEV, "no-driver",
				 "%s has no driver: bind it to its VFIO driver (mlx5-vfio-pci, vfio-pci, ...)",
				 node->id);
	if (!node->vfio)
		return error_set(
			err, VFIOMIG_PREFLIGHT, ENODEV, "no-driver",
			"%s is bound to '%s', which is no VFIO driver: bind it to mlx5-vfio-pci, vfio-pci or such",
			node->id, node->driver);
	if (node->group < 0 && !node->cdev[0])
		return error_set(err, VFIOMIG_PREFLIGHT, ENODEV, "no-group",
				 "%s has no IOMMU group: is there an IOMMU, and is it on (intel_iommu=on)?", node->id);
	return 0;
}
