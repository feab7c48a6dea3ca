/* SPDX-License-Identifier: MIT */
#include <stdint.h>
#include <stdlib.h>

#include <vfiomig/config.h>

#include "seeds.h"
#include "support/config_rig.h"

static void seed(const char *name, enum vfiomig_config_layout layout, uint32_t bytes, int msix, const char *extra)
{
	static uint8_t blob[65536], space[4096];
	struct vfiomig_config config = { .size = sizeof(config),
					 .layout = layout,
					 .space_bytes = bytes,
					 .space = space,
					 .intx = { 0, 1, 0, 0 },
					 .extra_bytes = (uint32_t)strlen(extra),
					 .extra = (const uint8_t *)extra };
	ssize_t whole;

	rig_config(space, bytes, msix);
	whole = vfiomig_config_encode(blob, sizeof(blob), &config, NULL);
	if (whole < 0)
		abort();
	seed_write("config_state", name, blob, (size_t)whole);
}

void seed_configs(void)
{
	seed("raw", VFIOMIG_CONFIG_RAW, 256, 1, "");
	seed("raw-express", VFIOMIG_CONFIG_RAW, 4096, 1, "");
	seed("qemu", VFIOMIG_CONFIG_QEMU, 256, 0, "");
	seed("qemu-msix", VFIOMIG_CONFIG_QEMU, 256, 1, "");
	seed("qemu-express", VFIOMIG_CONFIG_QEMU, 4096, 1, "");
	seed("qemu-subsection", VFIOMIG_CONFIG_QEMU, 256, 1, "\5\x0dVFIODisplay/x");
}
