/* SPDX-License-Identifier: MIT */
#include "device/config_capability.h"

#include <linux/pci_regs.h>

enum { STANDARD_BYTES = 256 };

static uint32_t get_le32(const uint8_t *from)
{
	return from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 | (uint32_t)from[3] << 24;
}

/* False if it was there before. */
static bool visit(struct config_capability *capability, uint32_t at)
{
	uint8_t bit = (uint8_t)(1U << (at / 4 % 8)), *seen = &capability->seen[at / 32];

	if (*seen & bit)
		return false;
	*seen |= bit;
	return true;
}

static bool take_standard(struct config_capability *capability, const uint8_t *space, uint32_t at)
{
	at &= ~UINT32_C(3);
	if (at < PCI_STD_HEADER_SIZEOF || space[at] == 0xff || !visit(capability, at))
		return false;
	capability->at = at;
	capability->id = space[at];
	capability->next = space[at + 1] & ~UINT32_C(3);
	return true;
}

static bool take_extended(struct config_capability *capability, const uint8_t *space, uint32_t bytes, uint32_t at)
{
	uint32_t head;

	if (at < STANDARD_BYTES || at + 4 > bytes || !visit(capability, at))
		return false;
	head = get_le32(space + at);
	if (!head || head == UINT32_MAX)
		return false;
	capability->at = at;
	capability->id = head & 0xffff;
	capability->version = head >> 16 & 0xf;
	capability->next = head >> 20 & 0xffc;
	capability->extended = true;
	return true;
}

bool config_capability_next(struct config_capability *capability, const uint8_t *space, uint32_t bytes)
{
	uint32_t at = capability->next;

	if (bytes < STANDARD_BYTES)
		return false;
	if (capability->extended)
		return take_extended(capability, space, bytes, at);
	if (!capability->begun && space[PCI_STATUS] & PCI_STATUS_CAP_LIST)
		at = space[PCI_CAPABILITY_LIST];
	capability->begun = true;
	if (take_standard(capability, space, at))
		return true;
	return take_extended(capability, space, bytes, STANDARD_BYTES);
}

uint32_t config_capability_find(const uint8_t *space, uint32_t bytes, uint8_t id, uint32_t least)
{
	struct config_capability capability = { 0 };

	while (config_capability_next(&capability, space, bytes) && !capability.extended)
		if (capability.id == id && capability.at + least <= STANDARD_BYTES)
			return capability.at;
	return 0;
}

uint32_t config_msix_vectors(const uint8_t *space, uint32_t bytes)
{
	uint32_t at = config_capability_find(space, bytes, PCI_CAP_ID_MSIX, PCI_CAP_MSIX_SIZEOF);

	return at ? (get_le32(space + at) >> 16 & PCI_MSIX_FLAGS_QSIZE) + 1 : 0;
}
