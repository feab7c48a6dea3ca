/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>

#include <stdio.h>
#include <string.h>

#include <vfiomig/config.h>

#include "support/config_rig.h"
#include "support/random.h"

static uint8_t space[4096];
static struct vfiomig_config_field found[8192];
static unsigned count;

static void keep(void *context, const struct vfiomig_config_field *field)
{
	(void)context;
	cr_assert_lt(count, 8192);
	found[count++] = *field;
}

static void fields_of(enum vfiomig_config_layout layout, uint32_t bytes)
{
	static uint8_t table[RIG_VECTORS * 16] = { [0] = 0x10, [3] = 0xfe, [8] = 0x41, [28] = 1, [44] = 1 },
					   pending[1] = { 2 };
	struct vfiomig_config config = {
		.size = sizeof(config), .layout = layout, .space_bytes = bytes, .space = space
	};

	if (layout == VFIOMIG_CONFIG_QEMU) {
		config.vectors = RIG_VECTORS;
		config.msix_table = table;
		config.msix_pending = pending;
		config.intx[2] = 1;
	}
	count = 0;
	vfiomig_config_fields(&config, keep, NULL);
}

static const struct vfiomig_config_field *find(const char *section, const char *name)
{
	for (unsigned i = 0; i < count; i++)
		if (!strcmp(found[i].section, section) && !strcmp(found[i].name, name))
			return &found[i];
	cr_assert_fail("there is no %s %s", section, name);
	return NULL;
}

static void expect(const char *section, const char *name, uint32_t at, uint64_t value, const char *text)
{
	const struct vfiomig_config_field *field = find(section, name);

	cr_assert_eq(field->at, at, "%s %s is at 0x%x", section, name, field->at);
	cr_assert_eq(field->value, value, "%s %s is 0x%jx", section, name, (uintmax_t)field->value);
	cr_assert_str_eq(field->text, text);
}

Test(config_fields, of_the_header_are_lspcis)
{
	rig_config(space, 256, 1);
	fields_of(VFIOMIG_CONFIG_RAW, 256);
	expect("", "Vendor", 0, 0x15b3, "");
	expect("", "Device", 2, 0x101e, "");
	expect("", "Control", 4, 0x0406,
	       "I/O- Mem+ BusMaster+ SpecCycle- MemWINV- VGASnoop- ParErr- Stepping- SERR- FastB2B- DisINTx+");
	expect("", "Status", 6, 0x0010,
	       "INTx- Cap+ 66MHz- UDF- FastB2B- ParErr- DEVSEL=fast >TAbort- <TAbort- <MAbort- >SERR- <PERR-");
	expect("", "Class", 10, 0x0200, "");
	expect("", "Cache Line Size", 12, 16, "64 bytes");
	expect("", "Region 0", 0x10, UINT64_C(0x12fe00000c), "Memory at 00000012fe000000 (64-bit, prefetchable)");
	expect("", "Region 2", 0x18, 0xc001, "I/O ports at c000");
	expect("", "Region 3", 0x1c, 0, "none, or 32-bit memory at 0");
	expect("", "Subsystem", 0x2c, 0x005815b4, "15b4:0058");
	expect("", "Interrupt", 0x3c, 0x010b, "pin A routed to IRQ 11");
}

Test(config_fields, of_capabilities_are_lspcis)
{
	rig_config(space, 4096, 1);
	fields_of(VFIOMIG_CONFIG_RAW, 4096);
	expect("[40] Power Management", "Flags", 0x42, 0x4803,
	       "version 3 PMEClk- DSI- D1- D2- PME(D0+ D1- D2- D3hot+ D3cold-)");
	expect("[40] Power Management", "Status", 0x44, 0x000b, "D3 NoSoftRst+ PME-Enable- DSel=0 DScale=0 PME-");
	expect("[48] MSI", "Control", 0x4a, 0x0186, "Enable- Count=1/8 Maskable+ 64bit+");
	expect("[48] MSI", "Data", 0x54, 0, "");
	expect("[48] MSI", "Masking", 0x58, 0, "");
	expect("[60] Express", "Flags", 0x62, 0x0002, "v2 Endpoint, MSI 00");
	expect("[60] Express", "DevCap", 0x64, 0x10008022, "MaxPayload 512 bytes, PhantFunc 0, ExtTag+ RBE+ FLReset+");
	expect("[60] Express", "DevCtl", 0x68, 0x2810,
	       "CorrErr- NonFatalErr- FatalErr- UnsupReq- RlxdOrd+ ExtTag- PhantFunc- AuxPwr- NoSnoop+ MaxPayload 128 "
	       "bytes, "
	       "MaxReadReq 512 bytes");
	expect("[60] Express", "LnkSta", 0x72, 0x0083, "Speed 8GT/s, Width x8");
	find("[60] Express", "LnkSta2");
	expect("[a0] MSI-X", "Control", 0xa2, 0x8002, "Enable+ Count=3 Masked-");
	expect("[a0] MSI-X", "Vector table", 0xa4, 0x2002, "BAR=2 offset=00002000");
	expect("[a0] MSI-X", "PBA", 0xa8, 0x3002, "BAR=2 offset=00003000");
	expect("[b0] Vendor Specific Information", "ID", 0xb0, 0x0009, "the last");
	expect("[100 v2] Advanced Error Reporting", "ID", 0x100, 0x15020001, "next is [150]");
	expect("[150 v1] Device Serial Number", "Serial", 0x154, UINT64_C(0x0123456789abcdef), "");
}

Test(config_fields, of_qemus_layout_are_interrupts_too)
{
	rig_config(space, 256, 1);
	fields_of(VFIOMIG_CONFIG_QEMU, 256);
	expect("QEMU", "INTA", UINT32_MAX, 0, "");
	expect("QEMU", "INTC", UINT32_MAX, 1, "asserted");
	expect("QEMU", "Vector 0", UINT32_MAX, 0xfe000010, "data 00000041, armed");
	expect("QEMU", "Vector 1", UINT32_MAX, 0, "data 00000000, masked, pending");
	expect("QEMU", "Vector 2", UINT32_MAX, 0, "data 00000000, masked");
}

Test(config_fields, of_a_bridge_are_not_an_endpoints)
{
	rig_config(space, 256, 0);
	space[PCI_HEADER_TYPE] = PCI_HEADER_TYPE_BRIDGE;
	fields_of(VFIOMIG_CONFIG_RAW, 256);
	for (unsigned i = 0; i < count; i++)
		cr_assert(strcmp(found[i].name, "Subsystem") && strncmp(found[i].name, "Region", 6));
	find("[40] Power Management", "Status");
}

Test(config_fields, of_no_config_space_are_none)
{
	fields_of(VFIOMIG_CONFIG_NONE, 0);
	cr_assert_eq(count, 0);
}

Test(config_fields, of_a_list_that_runs_in_a_circle_come_once)
{
	rig_config(space, 4096, 1);
	rig_capability(space, RIG_VENDOR, PCI_CAP_ID_VNDR, RIG_PM);
	rig_le(space, 0x150, 4, PCI_EXT_CAP_ID_DSN | 1 << 16 | 0x100U << 20);
	fields_of(VFIOMIG_CONFIG_RAW, 4096);
	for (unsigned i = 0; i < count; i++)
		for (unsigned other = 0; other < i; other++)
			cr_assert(strcmp(found[i].section, found[other].section) ||
				  strcmp(found[i].name, found[other].name));
}

Test(config_fields, of_any_bytes_lie_within_them)
{
	struct random random = { .state = 11 };

	for (unsigned round = 0; round < 500; round++) {
		uint32_t bytes = round % 2 ? 256 : 4096;

		random_fill(&random, space, bytes);
		space[PCI_STATUS] |= PCI_STATUS_CAP_LIST;
		space[PCI_HEADER_TYPE] &= 0x81;
		fields_of(VFIOMIG_CONFIG_RAW, bytes);
		cr_assert_geq(count, 11);
		for (unsigned i = 0; i < count; i++) {
			cr_assert(found[i].bytes >= 1 && found[i].bytes <= 8);
			cr_assert_leq(found[i].at + found[i].bytes, bytes);
			cr_assert(found[i].name[0]);
		}
	}
}
