/* SPDX-License-Identifier: MIT */
/* What a back end hands to vfiomig_device_open: one of these for each kind of spec. */
#ifndef DEVICE_BACKEND_H
#define DEVICE_BACKEND_H

#include "device/device.h"
#include "device/spec.h"

/*
 * Open what @spec names and fill ops and impl of @device (and owned_by_vmm, warning). impl is @device's from then on, to be
 * released by ops->close. On failure nothing is left open.
 */
int file_open(struct vfiomig_device *device, const struct spec *spec, struct vfiomig_error *err);
int sim_open(struct vfiomig_device *device, const struct spec *spec, struct vfiomig_error *err);
int vfio_open(struct vfiomig_device *device, const struct spec *spec, struct vfiomig_error *err);

#endif
