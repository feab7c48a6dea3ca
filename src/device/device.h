/* SPDX-License-Identifier: MIT */
/* What stands behind the public handle of a device. */
#ifndef DEVICE_DEVICE_H
#define DEVICE_DEVICE_H

#include <stdbool.h>

#include <vfiomig/device.h>

struct vfiomig_device {
	const struct vfiomig_device_ops *ops;
	void *impl;			   /* first argument of the operations */
	struct vfiomig_device_ops wrapped; /* of a program's own device: its operations */
	struct vfiomig_device_hooks hooks; /* a VMM's; zeroes: none */
	void *hooks_context;
	char name[32];
	char spec[256];
	enum vfiomig_gate gate;
	bool in_session;     /* from _add_device to the session's _close: one session at a time moves it */
	bool abandoned;	     /* a call to it never returned, and may yet: it is not to be released */
	bool owned_by_vmm;   /* vfio:fd=N: with the gate on, only a VMM can say that its platform is ready */
	const char *warning; /* what the last config_put could not set, "" if nothing; impl's, valid until close */
	struct vfiomig_device_info info;
};

/*
 * The config state by way of the hooks where there are some; as ops->config_get and config_put. load: between a VMM's two hooks, which
 * are called for a device without config state too. takes: where it does not, nothing but 0 bytes may be loaded.
 */
ssize_t device_config_get(struct vfiomig_device *device, void *blob, size_t bytes, struct vfiomig_error *err);
bool device_takes_config(const struct vfiomig_device *device);
int device_config_load(struct vfiomig_device *device, const void *blob, size_t bytes, struct vfiomig_error *err);

#endif
