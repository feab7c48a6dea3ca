/* SPDX-License-Identifier: MIT */
/* The config state as it travels: which layout, how long, and then that layout's own. */
#include <vfiomig/config.h>

#include <errno.h>
#include <inttypes.h>
#include <linux/pci_regs.h>
#include <stdbool.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "device/config_qemu.h"
#include "device/config_space.h"

const char *vfiomig_config_layout_name(enum vfiomig_config_layout layout)
{
	static const char *const names[] = { "none", "raw", "qemu" };

	return (unsigned)layout < sizeof(names) / sizeof(names[0]) ? names[layout] : "?";
}

static int check_size(const struct vfiomig_config *config, struct vfiomig_error *err)
{
	if (config->size == sizeof(*config))
		return 0;
	return error_set(err, VFIOMIG_USAGE, EINVAL, NULL, "a struct vfiomig_config of %zu bytes, not %zu",
			 config->size, sizeof(*config));
}

static bool is_space(size_t bytes)
{
	return bytes == PCI_CFG_SPACE_SIZE || bytes == PCI_CFG_SPACE_EXP_SIZE;
}

static int decode_raw(struct vfiomig_config *config, const uint8_t *state, size_t bytes, struct vfiomig_error *err)
{
	if (!is_space(bytes))
		return error_set(err, VFIOMIG_DEVICE, EINVAL, "config-bytes",
				 "a config space of %zu bytes: there are only such of %d and %d", bytes,
				 PCI_CFG_SPACE_SIZE, PCI_CFG_SPACE_EXP_SIZE);
	config->space_bytes = (uint32_t)bytes;
	config->space = state;
	return 0;
}

int vfiomig_config_decode(struct vfiomig_config *config, const void *blob, size_t bytes, struct vfiomig_error *err)
{
	const uint8_t *state = (const uint8_t *)blob + CONFIG_BLOB_HEAD_BYTES;
	uint32_t layout, state_bytes;
	int rc = check_size(config, err);

	if (rc)
		return rc;
	*config = (struct vfiomig_config){ .size = config->size };
	if (!bytes)
		return 0;
	if (bytes < CONFIG_BLOB_HEAD_BYTES)
		return error_set(err, VFIOMIG_DEVICE, EINVAL, "config-blob",
				 "a config state of %zu bytes has no header", bytes);
	layout = get_be32(blob);
	state_bytes = get_be32((const uint8_t *)blob + 4);
	if (layout != VFIOMIG_CONFIG_RAW && layout != VFIOMIG_CONFIG_QEMU)
		return error_set(err, VFIOMIG_DEVICE, EINVAL, "config-blob",
				 "a config state of kind %" PRIu32 " is unknown here", layout);
	if (state_bytes != bytes - CONFIG_BLOB_HEAD_BYTES)
		return error_set(err, VFIOMIG_DEVICE, EINVAL, "config-blob",
				 "the config state says %" PRIu32 " bytes and has %zu", state_bytes,
				 bytes - CONFIG_BLOB_HEAD_BYTES);
	config->layout = (enum vfiomig_config_layout)layout;
	return layout == VFIOMIG_CONFIG_RAW ? decode_raw(config, state, state_bytes, err)
					    : config_qemu_decode(config, state, state_bytes, err);
}

static ssize_t encode_raw(uint8_t *state, size_t bytes, const struct vfiomig_config *config, struct vfiomig_error *err)
{
	if (bytes < config->space_bytes)
		return error_set(err, VFIOMIG_DEVICE, ENOBUFS, "config-read",
				 "the config space has %" PRIu32 " bytes, room is for %zu", config->space_bytes, bytes);
	memcpy(state, config->space, config->space_bytes);
	return config->space_bytes;
}

ssize_t vfiomig_config_encode(void *blob, size_t bytes, const struct vfiomig_config *config, struct vfiomig_error *err)
{
	uint8_t *to = blob, *state = to + CONFIG_BLOB_HEAD_BYTES;
	ssize_t put = check_size(config, err);

	if (put)
		return put;
	if (!is_space(config->space_bytes) ||
	    (config->layout != VFIOMIG_CONFIG_RAW && config->layout != VFIOMIG_CONFIG_QEMU))
		return error_set(err, VFIOMIG_DEVICE, EINVAL, "config-bytes",
				 "a config space of %" PRIu32 " bytes cannot be put into layout %d",
				 config->space_bytes, (int)config->layout);
	if (bytes < CONFIG_BLOB_HEAD_BYTES)
		return error_set(err, VFIOMIG_DEVICE, ENOBUFS, "config-read", "room is for %zu bytes of config state",
				 bytes);
	bytes -= CONFIG_BLOB_HEAD_BYTES;
	put = config->layout == VFIOMIG_CONFIG_RAW ? encode_raw(state, bytes, config, err)
						   : config_qemu_encode(state, bytes, config, err);
	if (put < 0)
		return put;
	put_be32(to, config->layout);
	put_be32(to + 4, (uint32_t)put);
	return put + CONFIG_BLOB_HEAD_BYTES;
}
