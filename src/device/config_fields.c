/* SPDX-License-Identifier: MIT */
/* The header of a config space, and what QEMU's layout has besides it, field by field. Names are those that lspci prints. */
#include <vfiomig/config.h>

#include <inttypes.h>
#include <linux/pci_regs.h>
#include <stdbool.h>
#include <stdio.h>

#include "device/config_field.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char *const control_flags[] = { "I/O",    "Mem",	   "BusMaster", "SpecCycle", "MemWINV", "VGASnoop",
					     "ParErr", "Stepping", "SERR",	"FastB2B",   "DisINTx" };

static void say_status(struct field_text *text, uint64_t value)
{
	static const char *const low[] = { NULL, NULL, NULL, "INTx", "Cap", "66MHz", "UDF", "FastB2B", "ParErr" };
	static const char *const high[] = { ">TAbort", "<TAbort", "<MAbort", ">SERR", "<PERR" };
	static const char *const devsel[] = { "fast", "medium", "slow", "??" };

	snprintf(text->text, sizeof(text->text), "%.60s DEVSEL=%s %.60s", field_flags(value, low, COUNT(low)).text,
		 devsel[value >> 9 & 3], field_flags(value >> 11, high, COUNT(high)).text);
}

static void say_cache_line(struct field_text *text, uint64_t value)
{
	snprintf(text->text, sizeof(text->text), "%u bytes", (unsigned)value * 4);
}

static void say_header_type(struct field_text *text, uint64_t value)
{
	static const char *const types[] = { "endpoint", "PCI bridge", "CardBus bridge" };
	unsigned type = value & 0x7f;

	snprintf(text->text, sizeof(text->text), "%s%s", type < COUNT(types) ? types[type] : "unknown",
		 value & 0x80 ? ", multi-function" : "");
}

static void say_subsystem(struct field_text *text, uint64_t value)
{
	snprintf(text->text, sizeof(text->text), "%04x:%04x", (unsigned)value & 0xffff, (unsigned)(value >> 16));
}

static void say_rom(struct field_text *text, uint64_t value)
{
	if (!value)
		snprintf(text->text, sizeof(text->text), "none");
	else
		snprintf(text->text, sizeof(text->text), "at %08x%s", (unsigned)value & PCI_ROM_ADDRESS_MASK,
			 value & PCI_ROM_ADDRESS_ENABLE ? "" : " [disabled]");
}

static void say_interrupt(struct field_text *text, uint64_t value)
{
	unsigned line = value & 0xff, pin = value >> 8 & 0xff;

	if (pin)
		snprintf(text->text, sizeof(text->text), "pin %c routed to IRQ %u", pin <= 4 ? 'A' + (int)pin - 1 : '?',
			 line);
	else
		snprintf(text->text, sizeof(text->text), "no pin");
}

/* Of every type of header. */
static const struct field_rule common[] = {
	{ PCI_VENDOR_ID, 2, "Vendor", NULL, 0, NULL },
	{ PCI_DEVICE_ID, 2, "Device", NULL, 0, NULL },
	{ PCI_COMMAND, 2, "Control", control_flags, COUNT(control_flags), NULL },
	{ PCI_STATUS, 2, "Status", NULL, 0, say_status },
	{ PCI_CLASS_REVISION, 1, "Revision", NULL, 0, NULL },
	{ PCI_CLASS_PROG, 1, "ProgIf", NULL, 0, NULL },
	{ PCI_CLASS_DEVICE, 2, "Class", NULL, 0, NULL },
	{ PCI_CACHE_LINE_SIZE, 1, "Cache Line Size", NULL, 0, say_cache_line },
	{ PCI_LATENCY_TIMER, 1, "Latency", NULL, 0, NULL },
	{ PCI_HEADER_TYPE, 1, "Header type", NULL, 0, say_header_type },
	{ PCI_BIST, 1, "BIST", NULL, 0, NULL },
};

/* Of type 0, behind the regions. */
static const struct field_rule endpoint[] = {
	{ PCI_CARDBUS_CIS, 4, "CardBus CIS", NULL, 0, NULL },
	{ PCI_SUBSYSTEM_VENDOR_ID, 4, "Subsystem", NULL, 0, say_subsystem },
	{ PCI_ROM_ADDRESS, 4, "Expansion ROM", NULL, 0, say_rom },
	{ PCI_CAPABILITY_LIST, 1, "Capabilities", NULL, 0, NULL },
	{ PCI_INTERRUPT_LINE, 2, "Interrupt", NULL, 0, say_interrupt },
	{ PCI_MIN_GNT, 1, "MinGnt", NULL, 0, NULL },
	{ PCI_MAX_LAT, 1, "MaxLat", NULL, 0, NULL },
};

static void put_memory_region(struct field_out *out, uint32_t at, const char *name, bool wide)
{
	uint64_t value = field_get(out, at, wide ? 8 : 4);

	field_put(out, at, wide ? 8 : 4, name, "Memory at %0*" PRIx64 " (%s, %sprefetchable)", wide ? 16 : 8,
		  value & ~UINT64_C(0xf), wide ? "64-bit" : "32-bit",
		  value & PCI_BASE_ADDRESS_MEM_PREFETCH ? "" : "non-");
}

static void put_regions(struct field_out *out)
{
	for (unsigned region = 0; region < 6; region++) {
		uint32_t at = PCI_BASE_ADDRESS_0 + region * 4;
		uint32_t value = (uint32_t)field_get(out, at, 4);
		bool wide = !(value & PCI_BASE_ADDRESS_SPACE_IO) && region < 5 &&
			    (value & PCI_BASE_ADDRESS_MEM_TYPE_MASK) == PCI_BASE_ADDRESS_MEM_TYPE_64;
		char name[16];

		snprintf(name, sizeof(name), "Region %u", region);
		if (!value)
			field_put(out, at, 4, name, "none, or 32-bit memory at 0");
		else if (value & PCI_BASE_ADDRESS_SPACE_IO)
			field_put(out, at, 4, name, "I/O ports at %04x", value & ~UINT32_C(3));
		else
			put_memory_region(out, at, name, wide);
		region += wide;
	}
}

/* A field that lies behind the config space. */
static void put_outside(struct field_out *out, const char *name, uint32_t bytes, uint64_t value, const char *text)
{
	struct vfiomig_config_field field = { .section = "QEMU", .at = UINT32_MAX, .bytes = bytes, .value = value };

	snprintf(field.name, sizeof(field.name), "%s", name);
	snprintf(field.text, sizeof(field.text), "%s", text);
	out->each(out->context, &field);
}

static uint64_t get_le(const uint8_t *from, unsigned bytes)
{
	uint64_t value = 0;

	while (bytes-- > 0)
		value = value << 8 | from[bytes];
	return value;
}

static void put_vectors(struct field_out *out)
{
	const struct vfiomig_config *config = out->config;

	for (uint32_t v = 0; v < config->vectors; v++) {
		const uint8_t *entry = config->msix_table + (size_t)v * VFIOMIG_CONFIG_VECTOR_BYTES;
		bool masked = entry[PCI_MSIX_ENTRY_VECTOR_CTRL] & PCI_MSIX_ENTRY_CTRL_MASKBIT;
		bool pending = config->msix_pending[v / 8] >> v % 8 & 1;
		struct field_text text;
		char name[32];

		snprintf(name, sizeof(name), "Vector %" PRIu32, v);
		snprintf(text.text, sizeof(text.text), "data %08" PRIx64 ", %s%s",
			 get_le(entry + PCI_MSIX_ENTRY_DATA, 4), masked ? "masked" : "armed",
			 pending ? ", pending" : "");
		put_outside(out, name, 8, get_le(entry, 8), text.text);
	}
}

static void put_qemu(struct field_out *out)
{
	static const char *const names[] = { "INTA", "INTB", "INTC", "INTD" };

	for (unsigned i = 0; i < VFIOMIG_CONFIG_INTX; i++)
		put_outside(out, names[i], 4, out->config->intx[i], out->config->intx[i] ? "asserted" : "");
	put_vectors(out);
	if (out->config->extra_bytes)
		put_outside(out, "Subsections", 4, out->config->extra_bytes, "bytes of a VMM's own");
}

void vfiomig_config_fields(const struct vfiomig_config *config,
			   void (*each)(void *context, const struct vfiomig_config_field *field), void *context)
{
	struct field_out out = { config, each, context, "" };

	field_put_all(&out, 0, common, COUNT(common));
	if ((field_get(&out, PCI_HEADER_TYPE, 1) & 0x7f) == PCI_HEADER_TYPE_NORMAL) {
		put_regions(&out);
		field_put_all(&out, 0, endpoint, COUNT(endpoint));
	}
	field_put_capabilities(&out);
	if (config->layout == VFIOMIG_CONFIG_QEMU)
		put_qemu(&out);
}
