/* SPDX-License-Identifier: MIT */
/* The PCI config space as the last packet of a stream: saved whole, loaded by rules. Shared by vfio and sim. */
#ifndef DEVICE_CONFIG_SPACE_H
#define DEVICE_CONFIG_SPACE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <vfiomig/config.h>
#include <vfiomig/device.h>

enum {
	CONFIG_BLOB_HEAD_BYTES = 8 /* {be32 layout, be32 bytes} */
};

/* How to get at a config space. Both calls move all @bytes or return a negative errno. */
struct config_access {
	int (*read)(void *context, uint32_t at, void *to, uint32_t bytes);
	int (*write)(void *context, uint32_t at, const void *from, uint32_t bytes);
	void *context;
	uint32_t bytes; /* 0 (there is none), 256 or 4096 */
};

/*
 * In @layout; in QEMU's, interrupts are as after a reset: who armed them was a VMM. Returns the bytes of @blob, 0 for a device without
 * config space, or -ENOBUFS or what read said.
 */
ssize_t config_space_save(const struct config_access *access, enum vfiomig_config_layout layout, void *blob,
			  size_t bytes, struct vfiomig_error *err);

/*
 * Verify all of @blob, in whichever layout, then write its config space. @report gets a sentence about writable bytes that kept a value
 * of their own, or about vectors of MSI-X that were armed and are the VMM's to arm again, or "".
 *   -EINVAL  not a blob for this device, or a read-only byte differs: nothing was written; names as of vfiomig_config_decode, and
 *            "config-qemu-subsection": state that only the VMM has a place for
 *   else     what read or write said: the device must be reset
 */
int config_space_load(const struct config_access *access, const void *blob, size_t bytes, char *report,
		      size_t report_bytes, struct vfiomig_error *err);

/* Would @config (@bytes of it) load here? Changes nothing. -EINVAL: no, and why. */
int config_space_check(const struct config_access *access, const uint8_t *config, uint32_t bytes,
		       struct vfiomig_error *err);

#endif
