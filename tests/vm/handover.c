/* SPDX-License-Identifier: MIT */
/*
 * handover [-s] UUID FD COMMAND...: opens a mediated device as a VMM would, and runs COMMAND with the device's descriptor as number
 * FD; -s: stopped before. So `vfio:fd=N` is tried with a descriptor that another program has opened.
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

static void stop_device(int fd)
{
	struct {
		struct vfio_device_feature head;
		struct vfio_device_feature_mig_state state;
	} stop = { .head = { .argsz = sizeof(stop),
			     .flags = VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE },
		   .state = { .device_state = VFIO_DEVICE_STATE_STOP, .data_fd = -1 } };

	if (ioctl(fd, VFIO_DEVICE_FEATURE, &stop))
		die("STOP");
}

int main(int argc, char **argv)
{
	int fd, wanted, stopped = argc > 1 && !strcmp(argv[1], "-s");

	argc -= stopped;
	argv += stopped;
	if (argc < 4) {
		fprintf(stderr, "usage: handover [-s] UUID FD COMMAND...\n");
		return 2;
	}
	wanted = atoi(argv[2]);
	fd = open_device(argv[1]);
	if (stopped)
		stop_device(fd);
	if (dup2(fd, wanted) < 0)
		die("dup2");
	if (fd != wanted)
		close(fd);
	execvp(argv[3], argv + 3);
	die(argv[3]);
}
