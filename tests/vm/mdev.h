/* SPDX-License-Identifier: MIT */
/* A mediated VFIO device as the guest's own programs use it. Whatever goes wrong ends the program, with exit status 3. */
#ifndef MDEV_H
#define MDEV_H

#include <linux/vfio.h>
#include <stdint.h>
#include <sys/types.h>

/* Newer than bookworm's header. */
#ifndef VFIO_MIG_GET_PRECOPY_INFO
#define VFIO_DEVICE_STATE_PRE_COPY 6
#endif

enum { CONFIG_BYTES = 256 };

struct mdev {
	int container;
	int group;
	int fd;
	off_t config; /* of the config region in fd */
};

/* Says "what: errno's sentence" and exits with 3. */
__attribute__((noreturn, format(printf, 1, 2))) void die(const char *format, ...);

/* By the device's UUID; mdev_close() gives it back. */
void mdev_open(struct mdev *device, const char *uuid);
void mdev_close(const struct mdev *device);

/* Returns the data_fd that comes with the new state, -1 without one, or -errno - 1 below that. */
int mdev_set_state(const struct mdev *device, unsigned int state);

/* The same, but a refusal ends the program. */
int mdev_must_set_state(const struct mdev *device, unsigned int state);

/* Between @config and the device, CONFIG_BYTES of it. */
void mdev_config_get(const struct mdev *device, uint8_t *config);

/*
 * In the order that a PCI device wants: BARs, the rest, the command register last; or, for @command_first, the other way
 * round. Returns 0 or -errno.
 */
int mdev_config_put(const struct mdev *device, const uint8_t *config, int command_first);

#endif
