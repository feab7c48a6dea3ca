/* SPDX-License-Identifier: MIT */
/*
 * A simulated config space has read-only and writable bits like a real one. A destination starts with nothing set up, so
 * that a config state which was never loaded, loaded early, twice or changed on its way is found out.
 */
#include "device/sim_config.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <string.h>

#include "base/error.h"
#include "device/sim_content.h"

/* An endpoint of no known class without capabilities; neither ids are assigned to anybody. */
static const uint8_t constant[PCI_STD_HEADER_SIZEOF] = {
	[PCI_VENDOR_ID] = 0xe7,	       [PCI_VENDOR_ID + 1] = 0x1e,	 [PCI_DEVICE_ID] = 0x02,
	[PCI_CLASS_DEVICE + 1] = 0xff, [PCI_SUBSYSTEM_VENDOR_ID] = 0xe7, [PCI_SUBSYSTEM_VENDOR_ID + 1] = 0x1e,
	[PCI_SUBSYSTEM_ID] = 0x02,     [PCI_INTERRUPT_PIN] = 0x01,
};

/* Which bits can be written: BAR 0 is 64 KiB of memory, all above the header is plain storage. */
static uint8_t writable(uint32_t at)
{
	switch (at) {
	case PCI_COMMAND:
		return PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
	case PCI_COMMAND + 1:
		return PCI_COMMAND_INTX_DISABLE >> 8;
	case PCI_CACHE_LINE_SIZE:
	case PCI_BASE_ADDRESS_0 + 2:
	case PCI_BASE_ADDRESS_0 + 3:
	case PCI_INTERRUPT_LINE:
		return 0xff;
	default:
		return at < PCI_STD_HEADER_SIZEOF ? 0 : 0xff;
	}
}

static uint8_t set_up(const struct sim_config *config, uint32_t at)
{
	uint8_t fixed = at < PCI_STD_HEADER_SIZEOF ? constant[at] : 0;
	uint8_t seeded = (uint8_t)content_mix(config->seed + (uint64_t)at * VFIOMIG_CONFIG_BYTES_MAX);

	if (at == PCI_COMMAND)
		seeded |= PCI_COMMAND_MEMORY; /* a running device decodes */
	return (uint8_t)(fixed | (seeded & writable(at)));
}

void sim_config_init(struct sim_config *config, uint32_t bytes, uint64_t seed)
{
	*config = (struct sim_config){ .bytes = bytes, .seed = seed };
	for (uint32_t at = 0; at < bytes; at++)
		config->now[at] = set_up(config, at);
}

void sim_config_clear(struct sim_config *config)
{
	config->loads = 0;
	config->early = false;
	for (uint32_t at = 0; at < config->bytes; at++)
		config->now[at] &= (uint8_t)~writable(at);
}

static int read_bytes(void *context, uint32_t at, void *to, uint32_t bytes)
{
	struct sim_config *config = context;

	if (at > config->bytes || bytes > config->bytes - at)
		return -EINVAL;
	memcpy(to, config->now + at, bytes);
	return 0;
}

static int write_bytes(void *context, uint32_t at, const void *from, uint32_t bytes)
{
	struct sim_config *config = context;
	const uint8_t *value = from;

	if (at > config->bytes || bytes > config->bytes - at)
		return -EINVAL;
	for (uint32_t i = 0; i < bytes; i++) {
		uint8_t mask = writable(at + i);

		config->now[at + i] = (uint8_t)((config->now[at + i] & ~mask) | (value[i] & mask));
	}
	return 0;
}

struct config_access sim_config_access(struct sim_config *config)
{
	return (struct config_access){ read_bytes, write_bytes, config, config->bytes };
}

int sim_config_verdict(const struct sim_config *config, struct vfiomig_error *err)
{
	if (!config->bytes)
		return 0;
	if (config->loads != 1)
		return error_set(err, VFIOMIG_DEVICE, EINVAL, "config-count",
				 "the config state was loaded %u times, not once", config->loads);
	if (config->early)
		return error_set(err, VFIOMIG_DEVICE, EINVAL, "config-early",
				 "the config state was loaded before all data had been written");
	for (uint32_t at = 0; at < config->bytes; at++)
		if (config->now[at] != set_up(config, at))
			return error_set(err, VFIOMIG_DEVICE, EINVAL, "config-wrong",
					 "byte 0x%02x of the config space is 0x%02x, not 0x%02x", at, config->now[at],
					 set_up(config, at));
	return 0;
}
