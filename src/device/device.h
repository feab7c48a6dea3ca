/* SPDX-License-Identifier: MIT */
/* What stands behind the public handle of a device. */
#ifndef DEVICE_DEVICE_H
#define DEVICE_DEVICE_H

#include <stdbool.h>

#include <vfiomig/device.h>

struct vfiomig_device {
	const struct vfiomig_device_ops *ops;
	void *impl; /* first argument of the operations */
	char name[32];
	char spec[256];
	enum vfiomig_gate gate;
	bool abandoned;	     /* a call to it never returned, and may yet: it is not to be released */
	bool owned_by_vmm;   /* vfio:fd=N: with the gate on, only a VMM can say that its platform is ready */
	const char *warning; /* what the last config_put could not set, "" if nothing; impl's, valid until close */
	struct vfiomig_device_info info;
};

#endif
