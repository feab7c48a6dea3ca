/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>

#include <errno.h>
#include <linux/pci_regs.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "device/config_space.h"

/* A config space that takes every write down. */
static struct fake {
	uint8_t bytes[4096];
	uint8_t writable[4096];
	struct {
		uint32_t at, bytes;
		uint8_t command; /* as it was before */
	} writes[2048];
	unsigned count;
	int fail_at; /* offset whose write fails, -1: none */
} fake;

static int fake_read(void *context, uint32_t at, void *to, uint32_t bytes)
{
	memcpy(to, ((struct fake *)context)->bytes + at, bytes);
	return 0;
}

static int fake_write(void *context, uint32_t at, const void *from, uint32_t bytes)
{
	struct fake *self = context;

	if ((int)at == self->fail_at)
		return -EIO;
	self->writes[self->count].at = at;
	self->writes[self->count].bytes = bytes;
	self->writes[self->count++].command = self->bytes[PCI_COMMAND];
	for (uint32_t i = 0; i < bytes; i++) {
		uint8_t mask = self->writable[at + i];

		self->bytes[at + i] = (uint8_t)((self->bytes[at + i] & ~mask) | (((const uint8_t *)from)[i] & mask));
	}
	return 0;
}

static struct config_access access_of(uint32_t bytes)
{
	fake.fail_at = -1;
	fake.bytes[PCI_VENDOR_ID] = 0xb3;
	fake.bytes[PCI_VENDOR_ID + 1] = 0x15;
	memset(fake.writable + PCI_BASE_ADDRESS_0, 0xff, 24);
	memset(fake.writable + PCI_COMMAND, 0xff, 2);
	memset(fake.writable + PCI_STD_HEADER_SIZEOF, 0xff, sizeof(fake.writable) - PCI_STD_HEADER_SIZEOF);
	return (struct config_access){ fake_read, fake_write, &fake, bytes };
}

/* The source's: as the fake is, with some setup. */
static size_t source_blob(uint8_t *blob, uint32_t bytes)
{
	struct config_access access = access_of(bytes);

	cr_assert_eq(config_space_save(&access, VFIOMIG_CONFIG_RAW, blob, 8 + 4096, NULL), 8 + bytes);
	blob[8 + PCI_COMMAND] = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
	for (uint32_t at = PCI_BASE_ADDRESS_0; at < PCI_CARDBUS_CIS; at++)
		blob[8 + at] = (uint8_t)at;
	for (uint32_t at = PCI_STD_HEADER_SIZEOF; at < bytes; at++)
		blob[8 + at] = (uint8_t)(at * 7);
	return 8 + bytes;
}

static int load(uint32_t bytes, const uint8_t *blob, size_t blob_bytes, char report[200], struct vfiomig_error *err)
{
	struct config_access access = access_of(bytes);

	return config_space_load(&access, blob, blob_bytes, report, 200, err);
}

Test(config_space, saves_kind_size_and_bytes)
{
	uint8_t blob[8 + 4096];
	struct config_access access = access_of(256);

	fake.bytes[255] = 0x77;
	cr_assert_eq(config_space_save(&access, VFIOMIG_CONFIG_RAW, blob, sizeof(blob), NULL), 264);
	cr_assert_eq(get_be32(blob), VFIOMIG_CONFIG_RAW);
	cr_assert_eq(get_be32(blob + 4), 256);
	cr_assert_eq(blob[8 + 255], 0x77);
}

Test(config_space, refuses_to_save_into_too_little_room)
{
	uint8_t blob[8 + 4096];
	struct config_access access = access_of(256);

	cr_assert_eq(config_space_save(&access, VFIOMIG_CONFIG_RAW, blob, 263, NULL), -ENOBUFS);
}

Test(config_space, of_a_device_without_one_is_an_empty_blob)
{
	uint8_t blob[8];
	char report[200];
	struct config_access access = access_of(0);

	cr_assert_eq(config_space_save(&access, VFIOMIG_CONFIG_RAW, blob, sizeof(blob), NULL), 0);
	cr_assert_eq(load(0, blob, 0, report, NULL), 0);
	cr_assert_eq(fake.count, 0);
}

Test(config_space, is_the_sources_after_a_load)
{
	uint8_t blob[8 + 4096];
	char report[200];
	size_t bytes = source_blob(blob, 4096);

	cr_assert_eq(load(4096, blob, bytes, report, NULL), 0);
	cr_assert_arr_eq(fake.bytes, blob + 8, 4096);
	cr_assert_str_eq(report, "");
}

Test(config_space, gets_base_addresses_while_decoding_is_off_and_command_last_of_the_header)
{
	uint8_t blob[8 + 4096];
	char report[200];
	size_t bytes = source_blob(blob, 256);
	unsigned bars = 0, header_last = 0;

	fake.bytes[PCI_COMMAND] = PCI_COMMAND_MEMORY | PCI_COMMAND_IO;
	cr_assert_eq(load(256, blob, bytes, report, NULL), 0);
	for (unsigned i = 0; i < fake.count; i++) {
		cr_assert_leq(fake.writes[i].bytes, 4);
		if (fake.writes[i].at < PCI_STD_HEADER_SIZEOF)
			header_last = fake.writes[i].at;
		if (fake.writes[i].at < PCI_BASE_ADDRESS_0 || fake.writes[i].at >= PCI_CARDBUS_CIS)
			continue;
		bars++;
		cr_assert_eq(fake.writes[i].command & (PCI_COMMAND_MEMORY | PCI_COMMAND_IO), 0);
	}
	cr_assert_eq(bars, 6);
	cr_assert_eq(header_last, PCI_COMMAND);
	cr_assert_eq(fake.bytes[PCI_COMMAND], PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

Test(config_space, refuses_another_read_only_byte_and_writes_nothing)
{
	static const uint8_t identity[] = { 0x00, 0x01, 0x02, 0x03, 0x08, 0x09, 0x0a, 0x0b, 0x2c, 0x2f, 0x34, 0x3d };
	uint8_t blob[8 + 4096];
	char report[200], text[16];

	for (size_t i = 0; i < sizeof(identity); i++) {
		struct vfiomig_error err = { 0 };
		size_t bytes = source_blob(blob, 256);

		blob[8 + identity[i]] ^= 0x40;
		cr_assert_eq(load(256, blob, bytes, report, &err), -EINVAL);
		cr_assert_eq(err.code, VFIOMIG_DEVICE);
		snprintf(text, sizeof(text), "0x%02x", identity[i]);
		cr_assert(strstr(err.text, text) != NULL, "%s", err.text);
		cr_assert_eq(fake.count, 0);
	}
}

Test(config_space, does_not_care_for_status_and_self_test)
{
	uint8_t blob[8 + 4096];
	char report[200];
	size_t bytes = source_blob(blob, 256);

	blob[8 + PCI_STATUS + 1] = 0xff;
	blob[8 + PCI_BIST] = 0xc0;
	cr_assert_eq(load(256, blob, bytes, report, NULL), 0);
	for (unsigned i = 0; i < fake.count; i++)
		cr_assert(fake.writes[i].at != PCI_STATUS && fake.writes[i].at != PCI_BIST);
	cr_assert_str_eq(report, "");
}

Test(config_space, compares_the_capability_bit_of_the_status)
{
	uint8_t blob[8 + 4096];
	char report[200];
	size_t bytes = source_blob(blob, 256);

	blob[8 + PCI_STATUS] ^= PCI_STATUS_CAP_LIST;
	cr_assert_eq(load(256, blob, bytes, report, NULL), -EINVAL);
}

Test(config_space, reports_bytes_that_kept_their_own_value)
{
	uint8_t blob[8 + 4096];
	char report[200];
	size_t bytes = source_blob(blob, 256);
	struct config_access access = access_of(256);

	fake.writable[0x52] = 0;
	fake.writable[0x60] = 0;
	cr_assert_eq(config_space_load(&access, blob, bytes, report, sizeof(report), NULL), 0);
	cr_assert(strstr(report, "2 bytes") != NULL && strstr(report, "0x52") != NULL, "%s", report);
}

Test(config_space, refuses_blobs_that_are_none)
{
	uint8_t blob[8 + 4096];
	char report[200];
	size_t bytes = source_blob(blob, 256);

	cr_assert_eq(load(256, blob, 0, report, NULL), -EINVAL);
	cr_assert_eq(load(256, blob, 7, report, NULL), -EINVAL);
	cr_assert_eq(load(256, blob, bytes - 1, report, NULL), -EINVAL);
	cr_assert_eq(load(256, blob, bytes + 1, report, NULL), -EINVAL);
	cr_assert_eq(load(4096, blob, bytes, report, NULL), -EINVAL);
	cr_assert_eq(load(0, blob, bytes, report, NULL), -EINVAL);
	put_be32(blob, 2);
	cr_assert_eq(load(256, blob, bytes, report, NULL), -EINVAL);
	cr_assert_eq(fake.count, 0);
}

Test(config_space, refuses_a_bridge)
{
	uint8_t blob[8 + 4096];
	char report[200];
	size_t bytes = source_blob(blob, 256);

	fake.bytes[PCI_HEADER_TYPE] = PCI_HEADER_TYPE_BRIDGE;
	blob[8 + PCI_HEADER_TYPE] = PCI_HEADER_TYPE_BRIDGE;
	cr_assert_eq(load(256, blob, bytes, report, NULL), -EINVAL);
}

Test(config_space, says_which_write_failed)
{
	uint8_t blob[8 + 4096];
	char report[200];
	struct vfiomig_error err = { 0 };
	size_t bytes = source_blob(blob, 256);
	struct config_access access = access_of(256);

	fake.fail_at = PCI_ROM_ADDRESS;
	cr_assert_eq(config_space_load(&access, blob, bytes, report, sizeof(report), &err), -EIO);
	cr_assert_eq(err.code, VFIOMIG_DEVICE);
	cr_assert(strstr(err.text, "0x30") != NULL, "%s", err.text);
}

Test(config_space, is_checked_by_the_rules_of_the_load_without_a_write)
{
	uint8_t blob[8 + 4096];
	struct vfiomig_error err = { 0 };
	struct config_access access;

	source_blob(blob, 256);
	access = access_of(256);
	cr_assert_eq(config_space_check(&access, blob + 8, 256, NULL), 0);
	cr_assert_eq(config_space_check(&access, blob + 8, 0, NULL), -EINVAL);
	blob[8] ^= 1;
	cr_assert_eq(config_space_check(&access, blob + 8, 256, &err), -EINVAL);
	cr_assert_eq(err.code, VFIOMIG_PREFLIGHT);
	cr_assert_str_eq(err.name, "config-mismatch");
	cr_assert_eq(fake.count, 0);
}

/* The source's config space in QEMU's layout, with MSI-X and @armed vectors of two. */
static size_t qemu_blob(uint8_t *blob, unsigned armed)
{
	uint8_t raw[8 + 4096], table[32] = { [12] = armed < 1, [28] = armed < 2 };
	struct vfiomig_config config = { .size = sizeof(config),
					 .layout = VFIOMIG_CONFIG_QEMU,
					 .space_bytes = 256,
					 .space = raw + 8,
					 .msix_table = table };

	fake.bytes[PCI_STATUS] = PCI_STATUS_CAP_LIST;
	fake.bytes[PCI_CAPABILITY_LIST] = 0x80;
	source_blob(raw, 256);
	raw[8 + 0x80] = PCI_CAP_ID_MSIX;
	raw[8 + 0x82] = 1;
	raw[8 + 0x83] = 0;
	return (size_t)vfiomig_config_encode(blob, 1024, &config, NULL);
}

Test(config_space, in_qemus_layout_is_the_sources_after_a_load)
{
	uint8_t blob[1024];
	char report[200];
	size_t bytes = qemu_blob(blob, 0);

	cr_assert_eq(load(256, blob, bytes, report, NULL), 0);
	cr_assert_arr_eq(fake.bytes, blob + 20, 256);
	cr_assert_str_eq(report, "");
}

Test(config_space, in_qemus_layout_says_which_interrupts_are_the_vmms_to_arm)
{
	uint8_t blob[1024];
	char report[200];
	size_t bytes = qemu_blob(blob, 2);

	cr_assert_eq(load(256, blob, bytes, report, NULL), 0);
	cr_assert(strstr(report, "2 vectors") != NULL, "%s", report);
}

Test(config_space, in_qemus_layout_is_verified_as_any)
{
	uint8_t blob[1024];
	char report[200];
	struct vfiomig_error err = { 0 };
	size_t bytes = qemu_blob(blob, 0);

	blob[20 + PCI_DEVICE_ID] ^= 1;
	cr_assert_eq(load(256, blob, bytes, report, &err), -EINVAL);
	cr_assert_str_eq(err.name, "config-mismatch");
	cr_assert_eq(fake.count, 0);
}

Test(config_space, with_subsections_is_for_a_vmm_only)
{
	uint8_t raw[8 + 4096], blob[1024];
	char report[200];
	struct vfiomig_error err = { 0 };
	struct vfiomig_config config = { .size = sizeof(config),
					 .layout = VFIOMIG_CONFIG_QEMU,
					 .space_bytes = 256,
					 .space = raw + 8,
					 .extra_bytes = 2,
					 .extra = (const uint8_t *)"\5" };

	source_blob(raw, 256);
	cr_assert_eq(load(256, blob, (size_t)vfiomig_config_encode(blob, 1024, &config, NULL), report, &err), -EINVAL);
	cr_assert_str_eq(err.name, "config-qemu-subsection");
	cr_assert_eq(fake.count, 0);
}

Test(config_space, is_saved_in_qemus_layout_where_that_is_asked_for)
{
	struct config_access access = access_of(4096);
	struct vfiomig_config config = { .size = sizeof(config) };
	uint8_t blob[8 + 8192];
	ssize_t bytes = config_space_save(&access, VFIOMIG_CONFIG_QEMU, blob, sizeof(blob), NULL);

	cr_assert_eq(vfiomig_config_decode(&config, blob, (size_t)bytes, NULL), 0);
	cr_assert_eq(config.layout, VFIOMIG_CONFIG_QEMU);
	cr_assert_eq(config.space_bytes, 4096);
	cr_assert_arr_eq(config.space, fake.bytes, 4096);
}
