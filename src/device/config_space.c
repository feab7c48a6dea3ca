/* SPDX-License-Identifier: MIT */
/*
 * What of a config space is identity, what is setup and what is neither is one table, used by the check before anything
 * is stopped and by the load, so that the two cannot disagree. Base addresses are set while decoding is off, and the
 * command register goes last of the header: a device must not decode an address that is half written.
 */
#include "device/config_space.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"

enum rule { VERIFY, SKIP, WRITE };

/*
 * The standard header of type 0, written in this order. Skipped are bytes that neither identify the device nor can be
 * set: status bits are cleared by writing ones, and a self test must not be started.
 */
static const struct range {
	uint16_t at, bytes;
	enum rule rule;
	uint8_t mask; /* of each verified byte */
	const char *what;
} ranges[] = {
	{ PCI_VENDOR_ID, 4, VERIFY, 0xff, "vendor and device id" },
	{ PCI_STATUS, 1, VERIFY, PCI_STATUS_CAP_LIST, "capability bit of the status" },
	{ PCI_STATUS + 1, 1, SKIP, 0, "status" },
	{ PCI_CLASS_REVISION, 4, VERIFY, 0xff, "class and revision" },
	{ PCI_HEADER_TYPE, 1, VERIFY, 0xff, "header type" },
	{ PCI_BIST, 1, SKIP, 0, "self test" },
	{ PCI_CARDBUS_CIS, 4, SKIP, 0, "CardBus CIS pointer" },
	{ PCI_SUBSYSTEM_VENDOR_ID, 4, VERIFY, 0xff, "subsystem ids" },
	{ PCI_CAPABILITY_LIST, 1, VERIFY, 0xff, "capability pointer" },
	{ PCI_CAPABILITY_LIST + 1, 7, SKIP, 0, "reserved" },
	{ PCI_INTERRUPT_PIN, 1, VERIFY, 0xff, "interrupt pin" },
	{ PCI_MIN_GNT, 2, SKIP, 0, "grant and latency" },
	{ PCI_CACHE_LINE_SIZE, 1, WRITE, 0, "cache line size" },
	{ PCI_LATENCY_TIMER, 1, WRITE, 0, "latency timer" },
	{ PCI_BASE_ADDRESS_0, 24, WRITE, 0, "base addresses" },
	{ PCI_ROM_ADDRESS, 4, WRITE, 0, "ROM address" },
	{ PCI_INTERRUPT_LINE, 1, WRITE, 0, "interrupt line" },
	{ PCI_COMMAND, 2, WRITE, 0, "command" },
};

enum { RANGES = sizeof(ranges) / sizeof(ranges[0]), TYPE_MASK = 0x7f };

static uint32_t least(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static int read_all(const struct config_access *access, uint8_t *config, struct vfiomig_error *err)
{
	int rc = access->read(access->context, 0, config, access->bytes);

	if (rc)
		return error_set(err, VFIOMIG_DEVICE, -rc, "config-read", "reading the config space failed: %s",
				 strerror(-rc));
	return 0;
}

static int write_some(const struct config_access *access, uint32_t at, const uint8_t *from, uint32_t bytes,
		      struct vfiomig_error *err)
{
	int rc = access->write(access->context, at, from, bytes);

	if (rc)
		return error_set(err, VFIOMIG_DEVICE, -rc, "config-write",
				 "writing %u bytes at 0x%02x of the config space failed: %s", bytes, at, strerror(-rc));
	return 0;
}

ssize_t config_space_save(const struct config_access *access, enum vfiomig_config_layout layout, void *blob,
			  size_t bytes, struct vfiomig_error *err)
{
	uint8_t space[VFIOMIG_CONFIG_BYTES_MAX];
	struct vfiomig_config config = {
		.size = sizeof(config), .layout = layout, .space_bytes = access->bytes, .space = space
	};
	int rc;

	if (!access->bytes)
		return 0;
	rc = read_all(access, space, err);
	return rc ? rc : vfiomig_config_encode(blob, bytes, &config, err);
}

/* @code: VFIOMIG_PREFLIGHT before anything is stopped, VFIOMIG_DEVICE at the load. */
static int verify_range(const struct range *range, const uint8_t *here, const uint8_t *source, enum vfiomig_code code,
			struct vfiomig_error *err)
{
	for (unsigned at = range->at; at < (unsigned)range->at + range->bytes; at++)
		if ((here[at] ^ source[at]) & range->mask)
			return error_set(err, code, EINVAL, "config-mismatch",
					 "byte 0x%02x of the config space (%s) is 0x%02x here and 0x%02x at the source",
					 at, range->what, here[at] & range->mask, source[at] & range->mask);
	return 0;
}

static int verify(const uint8_t *here, const uint8_t *source, enum vfiomig_code code, struct vfiomig_error *err)
{
	if ((here[PCI_HEADER_TYPE] & TYPE_MASK) != PCI_HEADER_TYPE_NORMAL)
		return error_set(err, code, EINVAL, "config-mismatch",
				 "the config header is of type %u: only type 0, an endpoint, can be migrated",
				 here[PCI_HEADER_TYPE] & TYPE_MASK);
	for (unsigned i = 0; i < RANGES; i++) {
		int rc = ranges[i].rule == VERIFY ? verify_range(&ranges[i], here, source, code, err) : 0;

		if (rc)
			return rc;
	}
	return 0;
}

static int compare(const struct config_access *access, const uint8_t *config, uint32_t bytes, enum vfiomig_code code,
		   struct vfiomig_error *err)
{
	uint8_t here[VFIOMIG_CONFIG_BYTES_MAX];
	int rc;

	if (bytes != access->bytes)
		return error_set(err, code, EINVAL, "config-mismatch",
				 "the config space has %u bytes here and %u at the source", access->bytes, bytes);
	if (!bytes)
		return 0;
	rc = read_all(access, here, err);
	return rc ? rc : verify(here, config, code, err);
}

int config_space_check(const struct config_access *access, const uint8_t *config, uint32_t bytes,
		       struct vfiomig_error *err)
{
	return compare(access, config, bytes, VFIOMIG_PREFLIGHT, err);
}

static int decoding_off(const struct config_access *access, struct vfiomig_error *err)
{
	uint8_t command[2];
	int rc = access->read(access->context, PCI_COMMAND, command, sizeof(command));

	if (rc)
		return error_set(err, VFIOMIG_DEVICE, -rc, "config-read", "reading the PCI command failed: %s",
				 strerror(-rc));
	if (!(command[0] & (PCI_COMMAND_IO | PCI_COMMAND_MEMORY)))
		return 0;
	command[0] &= (uint8_t) ~(PCI_COMMAND_IO | PCI_COMMAND_MEMORY);
	return write_some(access, PCI_COMMAND, command, sizeof(command), err);
}

/* In registers of four bytes: config accesses have that size at most. */
static int write_range(const struct config_access *access, const uint8_t *config, uint32_t at, uint32_t bytes,
		       struct vfiomig_error *err)
{
	int rc = 0;

	for (uint32_t end = at + bytes; at < end && !rc; at += 4)
		rc = write_some(access, at, config + at, least(4, end - at), err);
	return rc;
}

static int write_header(const struct config_access *access, const uint8_t *config, struct vfiomig_error *err)
{
	int rc = decoding_off(access, err);

	for (unsigned i = 0; i < RANGES && !rc; i++)
		if (ranges[i].rule == WRITE)
			rc = write_range(access, config, ranges[i].at, ranges[i].bytes, err);
	return rc;
}

static int written(uint32_t at)
{
	if (at >= PCI_STD_HEADER_SIZEOF)
		return 1;
	for (unsigned i = 0; i < RANGES; i++)
		if (at >= ranges[i].at && at < (uint32_t)ranges[i].at + ranges[i].bytes)
			return ranges[i].rule == WRITE;
	return 0;
}

/* Real devices keep some bits of their own (status, link state), so a difference is told and not judged. */
static int report_kept(const struct config_access *access, const uint8_t *config, char *report, size_t report_bytes,
		       struct vfiomig_error *err)
{
	uint8_t here[VFIOMIG_CONFIG_BYTES_MAX];
	unsigned kept = 0, first = 0;
	int rc = read_all(access, here, err);

	if (rc)
		return rc;
	for (uint32_t at = access->bytes; at-- > 0;) {
		if (here[at] == config[at] || !written(at))
			continue;
		first = at;
		kept++;
	}
	if (kept)
		snprintf(report, report_bytes,
			 "%u bytes of the config space kept their own value, the first at 0x%02x: 0x%02x, not 0x%02x",
			 kept, first, here[first], config[first]);
	return 0;
}

static uint32_t armed_vectors(const struct vfiomig_config *config)
{
	uint32_t armed = 0;

	for (uint32_t v = 0; v < config->vectors; v++)
		if (!(config->msix_table[(size_t)v * PCI_MSIX_ENTRY_SIZE + PCI_MSIX_ENTRY_VECTOR_CTRL] &
		      PCI_MSIX_ENTRY_CTRL_MASKBIT))
			armed++;
	return armed;
}

static int check_config(const struct config_access *access, const struct vfiomig_config *config,
			struct vfiomig_error *err)
{
	if (config->extra_bytes)
		return error_set(err, VFIOMIG_DEVICE, EINVAL, "config-qemu-subsection",
				 "the config state has %u bytes of subsections, which only a VMM has a place for",
				 config->extra_bytes);
	return compare(access, config->space, config->space_bytes, VFIOMIG_DEVICE, err);
}

int config_space_load(const struct config_access *access, const void *blob, size_t bytes, char *report,
		      size_t report_bytes, struct vfiomig_error *err)
{
	struct vfiomig_config config = { .size = sizeof(config) };
	int rc = vfiomig_config_decode(&config, blob, bytes, err);

	report[0] = 0;
	if (!rc)
		rc = check_config(access, &config, err);
	if (rc || !config.space_bytes)
		return rc;
	rc = write_header(access, config.space, err);
	if (!rc)
		rc = write_range(access, config.space, PCI_STD_HEADER_SIZEOF, access->bytes - PCI_STD_HEADER_SIZEOF,
				 err);
	if (!rc)
		rc = report_kept(access, config.space, report, report_bytes, err);
	if (!rc && !report[0] && armed_vectors(&config))
		snprintf(report, report_bytes,
			 "%u vectors of MSI-X were armed at the source: arming them here is up to a VMM",
			 armed_vectors(&config));
	return rc;
}
