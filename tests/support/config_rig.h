/* SPDX-License-Identifier: MIT */
/* A config space as a network card's function has it: all capabilities that are taken apart, and MSI-X with three vectors. */
#ifndef SUPPORT_CONFIG_RIG_H
#define SUPPORT_CONFIG_RIG_H

#include <linux/pci_regs.h>
#include <stdint.h>
#include <string.h>

enum { RIG_PM = 0x40, RIG_MSI = 0x48, RIG_EXPRESS = 0x60, RIG_MSIX = 0xa0, RIG_VENDOR = 0xb0, RIG_VECTORS = 3 };

static inline void rig_le(uint8_t *space, uint32_t at, uint32_t bytes, uint64_t value)
{
	for (uint32_t i = 0; i < bytes; i++)
		space[at + i] = (uint8_t)(value >> 8 * i);
}

static inline void rig_header(uint8_t *space)
{
	rig_le(space, PCI_VENDOR_ID, 4, 0x101e15b3);
	rig_le(space, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE);
	rig_le(space, PCI_STATUS, 2, PCI_STATUS_CAP_LIST);
	rig_le(space, PCI_CLASS_REVISION, 4, 0x02000001);
	rig_le(space, PCI_CACHE_LINE_SIZE, 1, 16);
	rig_le(space, PCI_BASE_ADDRESS_0, 8, UINT64_C(0x12fe00000c));
	rig_le(space, PCI_BASE_ADDRESS_2, 4, 0xc001);
	rig_le(space, PCI_SUBSYSTEM_VENDOR_ID, 4, 0x005815b4);
	rig_le(space, PCI_CAPABILITY_LIST, 1, RIG_PM);
	rig_le(space, PCI_INTERRUPT_LINE, 2, 0x010b);
}

static inline void rig_capability(uint8_t *space, uint32_t at, uint8_t id, uint8_t next)
{
	space[at] = id;
	space[at + 1] = next;
}

/* @bytes: 256 or 4096; with @msix or without. */
static inline void rig_config(uint8_t *space, uint32_t bytes, int msix)
{
	memset(space, 0, bytes);
	rig_header(space);
	rig_capability(space, RIG_PM, PCI_CAP_ID_PM, RIG_MSI);
	rig_le(space, RIG_PM + 2, 2, 0x4803);
	rig_le(space, RIG_PM + 4, 2, 0x000b);
	rig_capability(space, RIG_MSI, PCI_CAP_ID_MSI, RIG_EXPRESS);
	rig_le(space, RIG_MSI + 2, 2, PCI_MSI_FLAGS_64BIT | PCI_MSI_FLAGS_MASKBIT | 3 << 1);
	rig_capability(space, RIG_EXPRESS, PCI_CAP_ID_EXP, msix ? RIG_MSIX : RIG_VENDOR);
	rig_le(space, RIG_EXPRESS + PCI_EXP_FLAGS, 2, 0x0002);
	rig_le(space, RIG_EXPRESS + PCI_EXP_DEVCAP, 4, 0x10008022);
	rig_le(space, RIG_EXPRESS + PCI_EXP_DEVCTL, 2, 0x2810);
	rig_le(space, RIG_EXPRESS + PCI_EXP_LNKSTA, 2, 0x0083);
	rig_capability(space, RIG_MSIX, PCI_CAP_ID_MSIX, RIG_VENDOR);
	rig_le(space, RIG_MSIX + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE | (RIG_VECTORS - 1));
	rig_le(space, RIG_MSIX + PCI_MSIX_TABLE, 4, 0x2002);
	rig_le(space, RIG_MSIX + PCI_MSIX_PBA, 4, 0x3002);
	rig_capability(space, RIG_VENDOR, PCI_CAP_ID_VNDR, 0);
	if (bytes < 4096)
		return;
	rig_le(space, 0x100, 4, PCI_EXT_CAP_ID_ERR | 2 << 16 | 0x150U << 20);
	rig_le(space, 0x150, 4, PCI_EXT_CAP_ID_DSN | 1 << 16);
	rig_le(space, 0x154, 8, UINT64_C(0x0123456789abcdef));
}

#endif
