/* SPDX-License-Identifier: MIT */
#include "device/config_qemu.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/pci_regs.h>
#include <stdbool.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "device/config_capability.h"

#define TAG_BEGIN UINT64_C(0xffffffffef100002)
#define TAG_END	  UINT64_C(0xffffffffef100001)

enum {
	PCI_DEVICE_VERSION = 2,
	SUBSECTION = 5, /* the byte that a subsection begins with */
	TAG_BYTES = 8,
	HEAD_BYTES = TAG_BYTES + 4, /* tag and version */
	INTX_BYTES = 4 * VFIOMIG_CONFIG_INTX,
};

static uint32_t pending_bytes(uint32_t vectors)
{
	return (vectors + 7) / 8;
}

/* Of the state, with a config space of @space_bytes and that many vectors, before any subsection. */
static size_t fixed_bytes(uint32_t space_bytes, uint32_t vectors)
{
	return HEAD_BYTES + (size_t)space_bytes + INTX_BYTES + (size_t)vectors * VFIOMIG_CONFIG_VECTOR_BYTES +
	       pending_bytes(vectors) + TAG_BYTES;
}

/* Would @state fit a config space of @space_bytes: does it end where it then must, or go on with a subsection? */
static bool fits(const uint8_t *state, size_t bytes, uint32_t space_bytes)
{
	size_t fixed = fixed_bytes(space_bytes, 0);

	if (bytes < fixed)
		return false;
	fixed = fixed_bytes(space_bytes, config_msix_vectors(state + HEAD_BYTES, space_bytes));
	return bytes == fixed || (bytes > fixed && state[fixed - TAG_BYTES] == SUBSECTION);
}

/* The larger one first: a PCI Express device's first 256 bytes and what follows could by chance look like the smaller. */
static uint32_t find_space_bytes(const uint8_t *state, size_t bytes)
{
	if (fits(state, bytes, PCI_CFG_SPACE_EXP_SIZE))
		return PCI_CFG_SPACE_EXP_SIZE;
	return fits(state, bytes, PCI_CFG_SPACE_SIZE) ? PCI_CFG_SPACE_SIZE : 0;
}

static int refuse_tag(const char *which, uint64_t found, uint64_t expected, struct vfiomig_error *err)
{
	return error_set(err, VFIOMIG_DEVICE, EINVAL, "config-qemu-tag",
			 "a config state in QEMU's layout %s with 0x%016" PRIx64 ", not 0x%016" PRIx64, which, found,
			 expected);
}

static int check_frame(const uint8_t *state, size_t bytes, struct vfiomig_error *err)
{
	if (bytes < fixed_bytes(PCI_CFG_SPACE_SIZE, 0))
		return error_set(err, VFIOMIG_DEVICE, EINVAL, "config-qemu-bytes",
				 "a config state in QEMU's layout has %zu bytes, and the least are %zu", bytes,
				 fixed_bytes(PCI_CFG_SPACE_SIZE, 0));
	if (get_be64(state) != TAG_BEGIN)
		return refuse_tag("begins", get_be64(state), TAG_BEGIN, err);
	if (get_be64(state + bytes - TAG_BYTES) != TAG_END)
		return refuse_tag("ends", get_be64(state + bytes - TAG_BYTES), TAG_END, err);
	if (get_be32(state + TAG_BYTES) != PCI_DEVICE_VERSION)
		return error_set(err, VFIOMIG_DEVICE, EINVAL, "config-qemu-version",
				 "a config state in QEMU's layout is of a PCIDevice of version %" PRIu32 ", not %d",
				 get_be32(state + TAG_BYTES), PCI_DEVICE_VERSION);
	return 0;
}

int config_qemu_decode(struct vfiomig_config *config, const uint8_t *state, size_t bytes, struct vfiomig_error *err)
{
	const uint8_t *at = state + HEAD_BYTES;
	int rc = check_frame(state, bytes, err);

	if (rc)
		return rc;
	config->space_bytes = find_space_bytes(state, bytes);
	if (!config->space_bytes)
		return error_set(
			err, VFIOMIG_DEVICE, EINVAL, "config-qemu-bytes",
			"a config state in QEMU's layout of %zu bytes is not as long as its config space and MSI-X "
			"capability make it",
			bytes);
	config->space = at;
	config->vectors = config_msix_vectors(at, config->space_bytes);
	at += config->space_bytes;
	for (unsigned i = 0; i < VFIOMIG_CONFIG_INTX; i++, at += 4) {
		if (get_be32(at) > 1)
			return error_set(err, VFIOMIG_DEVICE, EINVAL, "config-qemu-intx",
					 "a config state in QEMU's layout has INT%c at %" PRIu32 ", neither 0 nor 1",
					 'A' + (int)i, get_be32(at));
		config->intx[i] = at[3];
	}
	config->msix_table = config->vectors ? at : NULL;
	at += (size_t)config->vectors * VFIOMIG_CONFIG_VECTOR_BYTES;
	config->msix_pending = config->vectors ? at : NULL;
	at += pending_bytes(config->vectors);
	config->extra_bytes = (uint32_t)(state + bytes - TAG_BYTES - at);
	config->extra = config->extra_bytes ? at : NULL;
	return 0;
}

/* Nobody's interrupt: every vector masked, as after a reset. */
static void put_vectors(uint8_t *table, const struct vfiomig_config *config, uint32_t vectors)
{
	size_t table_bytes = (size_t)vectors * VFIOMIG_CONFIG_VECTOR_BYTES;
	uint8_t *pending = table + table_bytes;

	memset(table, 0, table_bytes + pending_bytes(vectors));
	if (config->msix_table)
		memcpy(table, config->msix_table, table_bytes);
	else
		for (uint32_t v = 0; v < vectors; v++)
			table[(size_t)v * VFIOMIG_CONFIG_VECTOR_BYTES + PCI_MSIX_ENTRY_VECTOR_CTRL] =
				PCI_MSIX_ENTRY_CTRL_MASKBIT;
	if (config->msix_pending)
		memcpy(pending, config->msix_pending, pending_bytes(vectors));
}

ssize_t config_qemu_encode(uint8_t *state, size_t bytes, const struct vfiomig_config *config, struct vfiomig_error *err)
{
	uint32_t vectors = config_msix_vectors(config->space, config->space_bytes);
	size_t whole = fixed_bytes(config->space_bytes, vectors) + config->extra_bytes;
	uint8_t *at = state + HEAD_BYTES;

	if (config->extra_bytes && config->extra[0] != SUBSECTION)
		return error_set(
			err, VFIOMIG_DEVICE, EINVAL, "config-qemu-bytes",
			"what is to follow QEMU's config state is no subsection: it begins with 0x%02x, not 0x%02x",
			config->extra[0], SUBSECTION);
	if (bytes < whole)
		return error_set(err, VFIOMIG_DEVICE, ENOBUFS, "config-read",
				 "the config state has %zu bytes in QEMU's layout, room is for %zu", whole, bytes);
	put_be64(state, TAG_BEGIN);
	put_be32(state + TAG_BYTES, PCI_DEVICE_VERSION);
	memcpy(at, config->space, config->space_bytes);
	at += config->space_bytes;
	for (unsigned i = 0; i < VFIOMIG_CONFIG_INTX; i++, at += 4)
		put_be32(at, config->intx[i]);
	put_vectors(at, config, vectors);
	at = state + whole - TAG_BYTES;
	put_be64(at, TAG_END);
	if (config->extra_bytes)
		memcpy(at - config->extra_bytes, config->extra, config->extra_bytes);
	return (ssize_t)whole;
}
