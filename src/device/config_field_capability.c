/* SPDX-License-Identifier: MIT */
/* What capabilities are called, and the inside of those that a migration has to do with: power, MSI, MSI-X and PCI Express. */
#include <inttypes.h>
#include <linux/pci_regs.h>
#include <stdbool.h>
#include <stdio.h>

#include "device/config_capability.h"
#include "device/config_field.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char *const standard_names[] = {
	[PCI_CAP_ID_PM] = "Power Management",
	[PCI_CAP_ID_AGP] = "AGP",
	[PCI_CAP_ID_VPD] = "Vital Product Data",
	[PCI_CAP_ID_SLOTID] = "Slot ID",
	[PCI_CAP_ID_MSI] = "MSI",
	[PCI_CAP_ID_CHSWP] = "CompactPCI hot-swap",
	[PCI_CAP_ID_PCIX] = "PCI-X",
	[PCI_CAP_ID_HT] = "HyperTransport",
	[PCI_CAP_ID_VNDR] = "Vendor Specific Information",
	[PCI_CAP_ID_DBG] = "Debug port",
	[PCI_CAP_ID_CCRC] = "CompactPCI central resource control",
	[PCI_CAP_ID_SHPC] = "Hot-plug capable",
	[PCI_CAP_ID_SSVID] = "Subsystem",
	[PCI_CAP_ID_AGP3] = "AGP3",
	[PCI_CAP_ID_SECDEV] = "Secure device",
	[PCI_CAP_ID_EXP] = "Express",
	[PCI_CAP_ID_MSIX] = "MSI-X",
	[PCI_CAP_ID_SATA] = "SATA HBA",
	[PCI_CAP_ID_AF] = "PCI Advanced Features",
	[PCI_CAP_ID_EA] = "Enhanced Allocation",
};

static const char *const extended_names[] = {
	[PCI_EXT_CAP_ID_ERR] = "Advanced Error Reporting",
	[PCI_EXT_CAP_ID_VC] = "Virtual Channel",
	[PCI_EXT_CAP_ID_DSN] = "Device Serial Number",
	[PCI_EXT_CAP_ID_PWR] = "Power Budgeting",
	[PCI_EXT_CAP_ID_VNDR] = "Vendor Specific Information",
	[PCI_EXT_CAP_ID_ACS] = "Access Control Services",
	[PCI_EXT_CAP_ID_ARI] = "Alternative Routing-ID Interpretation (ARI)",
	[PCI_EXT_CAP_ID_ATS] = "Address Translation Service (ATS)",
	[PCI_EXT_CAP_ID_SRIOV] = "Single Root I/O Virtualization (SR-IOV)",
	[PCI_EXT_CAP_ID_PRI] = "Page Request Interface (PRI)",
	[PCI_EXT_CAP_ID_REBAR] = "Physical Resizable BAR",
	[PCI_EXT_CAP_ID_TPH] = "Transaction Processing Hints",
	[PCI_EXT_CAP_ID_LTR] = "Latency Tolerance Reporting",
	[PCI_EXT_CAP_ID_SECPCI] = "Secondary PCI Express",
	[PCI_EXT_CAP_ID_PASID] = "Process Address Space ID (PASID)",
	[PCI_EXT_CAP_ID_DPC] = "Downstream Port Containment",
	[PCI_EXT_CAP_ID_L1SS] = "L1 PM Substates",
	[PCI_EXT_CAP_ID_PTM] = "Precision Time Measurement",
	[PCI_EXT_CAP_ID_DVSEC] = "Designated Vendor-Specific",
	[PCI_EXT_CAP_ID_DLF] = "Data Link Feature",
	[PCI_EXT_CAP_ID_PL_16GT] = "Physical Layer 16.0 GT/s",
};

static void say_pm(struct field_text *text, uint64_t value)
{
	static const char *const flags[] = { "PMEClk", NULL, "DSI", NULL, NULL, NULL, "D1", "D2" };
	static const char *const pme[] = { "D0", "D1", "D2", "D3hot", "D3cold" };

	snprintf(text->text, sizeof(text->text), "version %u %.40s PME(%.60s)", (unsigned)value & PCI_PM_CAP_VER_MASK,
		 field_flags(value >> 3, flags, COUNT(flags)).text, field_flags(value >> 11, pme, COUNT(pme)).text);
}

static void say_pm_status(struct field_text *text, uint64_t value)
{
	snprintf(text->text, sizeof(text->text), "D%u NoSoftRst%c PME-Enable%c DSel=%u DScale=%u PME%c",
		 (unsigned)value & 3, value & PCI_PM_CTRL_NO_SOFT_RESET ? '+' : '-',
		 value & PCI_PM_CTRL_PME_ENABLE ? '+' : '-', (unsigned)value >> 9 & 0xf, (unsigned)value >> 13 & 3,
		 value & PCI_PM_CTRL_PME_STATUS ? '+' : '-');
}

static const struct field_rule pm_rules[] = {
	{ PCI_PM_PMC, 2, "Flags", NULL, 0, say_pm },
	{ PCI_PM_CTRL, 2, "Status", NULL, 0, say_pm_status },
};

static void put_pm(struct field_out *out, uint32_t base)
{
	field_put_all(out, base, pm_rules, COUNT(pm_rules));
}

static void say_msi(struct field_text *text, uint64_t value)
{
	snprintf(text->text, sizeof(text->text), "Enable%c Count=%u/%u Maskable%c 64bit%c",
		 value & PCI_MSI_FLAGS_ENABLE ? '+' : '-', 1U << (value >> 4 & 7), 1U << (value >> 1 & 7),
		 value & PCI_MSI_FLAGS_MASKBIT ? '+' : '-', value & PCI_MSI_FLAGS_64BIT ? '+' : '-');
}

/* What lies where depends on two of its flags. */
static void put_msi(struct field_out *out, uint32_t base)
{
	static const struct field_rule control = { PCI_MSI_FLAGS, 2, "Control", NULL, 0, say_msi };
	uint32_t flags = (uint32_t)field_get(out, base + PCI_MSI_FLAGS, 2);
	bool wide = flags & PCI_MSI_FLAGS_64BIT;

	field_put_all(out, base, &control, 1);
	field_put(out, base + PCI_MSI_ADDRESS_LO, wide ? 8 : 4, "Address", "%s", "");
	field_put(out, base + (wide ? PCI_MSI_DATA_64 : PCI_MSI_DATA_32), 2, "Data", "%s", "");
	if (!(flags & PCI_MSI_FLAGS_MASKBIT))
		return;
	field_put(out, base + (wide ? PCI_MSI_MASK_64 : PCI_MSI_MASK_32), 4, "Masking", "%s", "");
	field_put(out, base + (wide ? PCI_MSI_PENDING_64 : PCI_MSI_PENDING_32), 4, "Pending", "%s", "");
}

static void say_msix(struct field_text *text, uint64_t value)
{
	snprintf(text->text, sizeof(text->text), "Enable%c Count=%u Masked%c",
		 value & PCI_MSIX_FLAGS_ENABLE ? '+' : '-', ((unsigned)value & PCI_MSIX_FLAGS_QSIZE) + 1,
		 value & PCI_MSIX_FLAGS_MASKALL ? '+' : '-');
}

static void say_msix_place(struct field_text *text, uint64_t value)
{
	snprintf(text->text, sizeof(text->text), "BAR=%u offset=%08x", (unsigned)value & 7, (unsigned)value & ~7U);
}

static const struct field_rule msix_rules[] = {
	{ PCI_MSIX_FLAGS, 2, "Control", NULL, 0, say_msix },
	{ PCI_MSIX_TABLE, 4, "Vector table", NULL, 0, say_msix_place },
	{ PCI_MSIX_PBA, 4, "PBA", NULL, 0, say_msix_place },
};

static void put_msix(struct field_out *out, uint32_t base)
{
	field_put_all(out, base, msix_rules, COUNT(msix_rules));
}

static void say_express(struct field_text *text, uint64_t value)
{
	static const char *const types[16] = {
		[PCI_EXP_TYPE_ENDPOINT] = "Endpoint",
		[PCI_EXP_TYPE_LEG_END] = "Legacy Endpoint",
		[PCI_EXP_TYPE_ROOT_PORT] = "Root Port",
		[PCI_EXP_TYPE_UPSTREAM] = "Upstream Port",
		[PCI_EXP_TYPE_DOWNSTREAM] = "Downstream Port",
		[PCI_EXP_TYPE_PCI_BRIDGE] = "PCI-Express to PCI/PCI-X Bridge",
		[PCI_EXP_TYPE_PCIE_BRIDGE] = "PCI/PCI-X to PCI-Express Bridge",
		[PCI_EXP_TYPE_RC_END] = "Root Complex Integrated Endpoint",
		[PCI_EXP_TYPE_RC_EC] = "Root Complex Event Collector",
	};
	const char *type = types[value >> 4 & 0xf];

	snprintf(text->text, sizeof(text->text), "v%u %s, MSI %02x", (unsigned)value & PCI_EXP_FLAGS_VERS,
		 type ? type : "unknown type", (unsigned)value >> 9 & 0x1f);
}

static void say_device_capabilities(struct field_text *text, uint64_t value)
{
	snprintf(text->text, sizeof(text->text), "MaxPayload %u bytes, PhantFunc %u, ExtTag%c RBE%c FLReset%c",
		 128U << (value & 7), (unsigned)value >> 3 & 3, value & PCI_EXP_DEVCAP_EXT_TAG ? '+' : '-',
		 value & PCI_EXP_DEVCAP_RBER ? '+' : '-', value & PCI_EXP_DEVCAP_FLR ? '+' : '-');
}

static void say_device_control(struct field_text *text, uint64_t value)
{
	static const char *const low[] = { "CorrErr", "NonFatalErr", "FatalErr", "UnsupReq", "RlxdOrd" };
	static const char *const high[] = { "ExtTag", "PhantFunc", "AuxPwr", "NoSnoop" };

	snprintf(text->text, sizeof(text->text), "%.60s %.50s MaxPayload %u bytes, MaxReadReq %u bytes",
		 field_flags(value, low, COUNT(low)).text, field_flags(value >> 8, high, COUNT(high)).text,
		 128U << (value >> 5 & 7), 128U << (value >> 12 & 7));
}

static const char *const device_status_flags[] = { "CorrErr",  "NonFatalErr", "FatalErr",
						   "UnsupReq", "AuxPwr",      "TransPend" };

static const char *speed(uint64_t code)
{
	static const char *const speeds[16] = { [1] = "2.5GT/s", "5GT/s", "8GT/s", "16GT/s", "32GT/s", "64GT/s" };

	return speeds[code & 0xf] ? speeds[code & 0xf] : "unknown";
}

static void say_link_capabilities(struct field_text *text, uint64_t value)
{
	snprintf(text->text, sizeof(text->text), "Port #%u, Speed %s, Width x%u", (unsigned)(value >> 24), speed(value),
		 (unsigned)value >> 4 & 0x3f);
}

static void say_link_status(struct field_text *text, uint64_t value)
{
	snprintf(text->text, sizeof(text->text), "Speed %s, Width x%u", speed(value), (unsigned)value >> 4 & 0x3f);
}

static const struct field_rule express_rules[] = {
	{ PCI_EXP_FLAGS, 2, "Flags", NULL, 0, say_express },
	{ PCI_EXP_DEVCAP, 4, "DevCap", NULL, 0, say_device_capabilities },
	{ PCI_EXP_DEVCTL, 2, "DevCtl", NULL, 0, say_device_control },
	{ PCI_EXP_DEVSTA, 2, "DevSta", device_status_flags, COUNT(device_status_flags), NULL },
	{ PCI_EXP_LNKCAP, 4, "LnkCap", NULL, 0, say_link_capabilities },
	{ PCI_EXP_LNKCTL, 2, "LnkCtl", NULL, 0, NULL },
	{ PCI_EXP_LNKSTA, 2, "LnkSta", NULL, 0, say_link_status },
};

/* From version 2 on. */
static const struct field_rule express2_rules[] = {
	{ PCI_EXP_DEVCAP2, 4, "DevCap2", NULL, 0, NULL }, { PCI_EXP_DEVCTL2, 2, "DevCtl2", NULL, 0, NULL },
	{ PCI_EXP_LNKCAP2, 4, "LnkCap2", NULL, 0, NULL }, { PCI_EXP_LNKCTL2, 2, "LnkCtl2", NULL, 0, NULL },
	{ PCI_EXP_LNKSTA2, 2, "LnkSta2", NULL, 0, NULL },
};

static void put_express(struct field_out *out, uint32_t base)
{
	field_put_all(out, base, express_rules, COUNT(express_rules));
	if ((field_get(out, base + PCI_EXP_FLAGS, 2) & PCI_EXP_FLAGS_VERS) >= 2)
		field_put_all(out, base, express2_rules, COUNT(express2_rules));
}

static const char *name_of(const struct config_capability *capability)
{
	const char *const *names = capability->extended ? extended_names : standard_names;
	size_t count = capability->extended ? COUNT(extended_names) : COUNT(standard_names);

	return capability->id < count && names[capability->id] ? names[capability->id] : NULL;
}

static void begin_section(struct field_out *out, const struct config_capability *capability)
{
	const char *name = name_of(capability);
	char place[16], unknown[16];

	if (capability->extended)
		snprintf(place, sizeof(place), "%x v%u", capability->at, capability->version);
	else
		snprintf(place, sizeof(place), "%02x", capability->at);
	snprintf(unknown, sizeof(unknown), "0x%0*x", capability->extended ? 4 : 2, capability->id);
	snprintf(out->section, sizeof(out->section), "[%s] %s", place, name ? name : unknown);
}

void field_put_capabilities(struct field_out *out)
{
	static void (*const insides[])(struct field_out * out, uint32_t base) = {
		[PCI_CAP_ID_PM] = put_pm,
		[PCI_CAP_ID_MSI] = put_msi,
		[PCI_CAP_ID_MSIX] = put_msix,
		[PCI_CAP_ID_EXP] = put_express,
	};
	struct config_capability capability = { 0 };

	while (config_capability_next(&capability, out->config->space, out->config->space_bytes)) {
		begin_section(out, &capability);
		if (capability.next)
			field_put(out, capability.at, capability.extended ? 4 : 2, "ID", "next is [%02x]",
				  capability.next);
		else
			field_put(out, capability.at, capability.extended ? 4 : 2, "ID", "the last");
		if (!capability.extended && capability.id < COUNT(insides) && insides[capability.id])
			insides[capability.id](out, capability.at);
		else if (capability.extended && capability.id == PCI_EXT_CAP_ID_DSN)
			field_put(out, capability.at + 4, 8, "Serial", "%s", "");
	}
	out->section[0] = 0;
}
