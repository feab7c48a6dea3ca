/* SPDX-License-Identifier: MIT */
/*
 * handover UUID FD COMMAND...: opens a mediated device as a VMM would, and runs COMMAND with the device's descriptor as number
 * FD. So `vfio:fd=N` is tried with a descriptor that another program has opened.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

__attribute__((noreturn)) static void die(const char *what)
{
	fprintf(stderr, "handover: %s: %s\n", what, strerror(errno));
	exit(125);
}

/* Group and container stay open in the command too: without them the device would be closed. */
static int open_device(const char *uuid)
{
	char path[PATH_MAX], link[PATH_MAX];
	int container, group, fd;
	ssize_t length;

	snprintf(path, sizeof(path), "/sys/bus/mdev/devices/%s/iommu_group", uuid);
	length = readlink(path, link, sizeof(link) - 1);
	if (length < 0)
		die(path);
	link[length] = '\0';
	snprintf(path, sizeof(path), "/dev/vfio/%s", basename(link));
	container = open("/dev/vfio/vfio", O_RDWR);
	group = open(path, O_RDWR);
	if (container < 0 || group < 0)
		die(path);
	if (ioctl(group, VFIO_GROUP_SET_CONTAINER, &container) || ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU))
		die("the container");
	fd = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, uuid);
	if (fd < 0)
		die(uuid);
	return fd;
}

int main(int argc, char **argv)
{
	int fd, wanted;

	if (argc < 4) {
		fprintf(stderr, "usage: handover UUID FD COMMAND...\n");
		return 2;
	}
	wanted = atoi(argv[2]);
	fd = open_device(argv[1]);
	if (dup2(fd, wanted) < 0)
		die("dup2");
	if (fd != wanted)
		close(fd);
	execvp(argv[3], argv + 3);
	die(argv[3]);
}
