/* SPDX-License-Identifier: MIT */
/*
 * The config state: the last packet of a device's stream, here taken apart, put together and named field by field. On
 * the way it is {be32 layout, be32 bytes} and so many bytes in that layout:
 *
 *   VFIOMIG_CONFIG_RAW   the PCI config space as it was read
 *   VFIOMIG_CONFIG_QEMU  what QEMU sends as a device's config: be64 0xffffffffef100002; be32 2; the config space; 4
 *                        times be32, whether INTA to INTD is asserted; with MSI-X, its table (16 bytes per vector) and
 *                        its pending bits (one bit per vector, in whole bytes); subsections, if any; be64
 *                        0xffffffffef100001
 *
 * So a VMM that has QEMU's bytes hands them over behind those eight, and takes them back without.
 */
#ifndef VFIOMIG_CONFIG_H
#define VFIOMIG_CONFIG_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <vfiomig/error.h>

#ifdef __cplusplus
extern "C" {
#endif

enum vfiomig_config_layout {
	VFIOMIG_CONFIG_NONE = 0, /* a device without config space: its config state has no byte */
	VFIOMIG_CONFIG_RAW = 1,
	VFIOMIG_CONFIG_QEMU = 2,
};

enum {
	VFIOMIG_CONFIG_INTX = 4,
	VFIOMIG_CONFIG_VECTORS_MAX = 2048, /* MSI-X has no more */
	VFIOMIG_CONFIG_VECTOR_BYTES = 16,
};

/* "none", "raw", "qemu"; "?" for a number that is no layout. */
const char *vfiomig_config_layout_name(enum vfiomig_config_layout layout);

/*
 * All pointers are into the caller's memory: of decode into its blob. From intx on, VFIOMIG_CONFIG_QEMU has it and no
 * other.
 */
struct vfiomig_config {
	size_t size; /* sizeof(struct vfiomig_config), of the caller */
	enum vfiomig_config_layout layout;
	uint32_t space_bytes; /* 0, 256 or 4096 */
	const uint8_t *space;
	uint8_t intx[VFIOMIG_CONFIG_INTX]; /* 1: asserted */
	uint32_t vectors;		   /* of the MSI-X capability in the config space; 0: it has none */
	const uint8_t *msix_table; /* as the device has it, little-endian; encode: NULL is zeros, all vectors masked */
	const uint8_t *msix_pending; /* bit v % 8 of byte v / 8; encode: NULL is zeros */
	uint32_t extra_bytes;	     /* of a VMM's own: subsections, not taken apart */
	const uint8_t *extra;
};

/*
 * Take the config state @blob apart; @config->size is the caller's to set. -EINVAL (VFIOMIG_USAGE): that is not known;
 * or (VFIOMIG_DEVICE), by name:
 *   "config-blob"              no layout and length, an unknown layout, or a length that is not there
 *   "config-bytes"             the config space has neither 256 nor 4096 bytes
 *   "config-qemu-tag"          QEMU's state does not begin or end with its tags
 *   "config-qemu-version"      of a PCIDevice that is not of version 2
 *   "config-qemu-bytes"        its length is not what config space and MSI-X capability make it
 *   "config-qemu-intx"         an interrupt line that is neither 0 nor 1
 */
int vfiomig_config_decode(struct vfiomig_config *config, const void *blob, size_t bytes, struct vfiomig_error *err);

/*
 * Put @config together in its layout; of QEMU's, vectors is not asked for, but taken from the config space. Returns the
 * bytes of @blob, or -ENOBUFS if it has less room than that (VFIOMIG_DEVICE), or -EINVAL: space_bytes or layout is
 * none, extra does not begin as a subsection (VFIOMIG_DEVICE), or config->size is not known (VFIOMIG_USAGE).
 */
ssize_t vfiomig_config_encode(void *blob, size_t bytes, const struct vfiomig_config *config, struct vfiomig_error *err);

/* A field of a config space, named as lspci names it. */
struct vfiomig_config_field {
	char section[64]; /* "" for the header, "[40] Power Management", "[100 v2] Advanced Error Reporting", "QEMU" */
	char name[32];	  /* "Control", "Region 0", "DevCtl", ...; with its section there is no other of it */
	uint32_t at;	  /* in the config space; UINT32_MAX: it is not there */
	uint32_t bytes;	  /* 1 to 8 */
	uint64_t value;
	char text[160]; /* what it means, "" where the number says it */
};

/*
 * Hand every field of @config to @each, in the order of the config space's lists. Of a space that makes no sense, those
 * that do.
 */
void vfiomig_config_fields(const struct vfiomig_config *config,
			   void (*each)(void *context, const struct vfiomig_config_field *field), void *context);

#ifdef __cplusplus
}
#endif
#endif
