/* SPDX-License-Identifier: MIT */
/*
 * QEMU's own layout of a device's config state (VFIOMIG_CONFIG_QEMU of <vfiomig/config.h>), so that what a VMM shim has to do is to
 * hand its bytes over. It has no lengths: how long it is follows from the config space in it, so that is judged first. Pure.
 */
#ifndef DEVICE_CONFIG_QEMU_H
#define DEVICE_CONFIG_QEMU_H

#include <vfiomig/config.h>

/* Without the eight bytes of layout and length. Errors: as of vfiomig_config_decode and vfiomig_config_encode. */
int config_qemu_decode(struct vfiomig_config *config, const uint8_t *state, size_t bytes, struct vfiomig_error *err);
ssize_t config_qemu_encode(uint8_t *state, size_t bytes, const struct vfiomig_config *config,
			   struct vfiomig_error *err);

#endif
