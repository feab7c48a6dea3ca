/* SPDX-License-Identifier: MIT */
/* A recording for people: what the device was, its packets, and its config space in the words of lspci. */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "dump.h"
#include "units.h"

enum { LINE_BYTES = 16 };

static void print_pairs(const struct dump_file *file, const char *part, const char *heading)
{
	puts(heading);
	for (unsigned i = 0; i < DUMP_PAIRS; i++)
		if (!strcmp(file->pair[i].part, part))
			printf("  %-16s %s\n", file->pair[i].name, file->pair[i].text[0] ? file->pair[i].text : "-");
}

static void print_hex_line(unsigned at, const uint8_t *from, unsigned bytes, const char *indent)
{
	printf("%s%04x:", indent, at);
	for (unsigned i = 0; i < LINE_BYTES; i++)
		if (i < bytes)
			printf(" %02x", from[i]);
		else
			fputs("   ", stdout);
	fputs("  ", stdout);
	for (unsigned i = 0; i < bytes; i++)
		putchar(isprint(from[i]) ? from[i] : '.');
	putchar('\n');
}

/* What no field shows, but for lines of zeros. */
static void print_rest(const struct dump_config *config)
{
	bool begun = false;

	for (uint32_t at = 0; at < config->config.space_bytes; at += LINE_BYTES) {
		const uint8_t *line = config->config.space + at;
		bool any = false;

		for (unsigned i = 0; i < LINE_BYTES; i++)
			any = any || (line[i] && !config->covered[at + i]);
		if (!any)
			continue;
		if (!begun)
			puts("  Bytes without a name");
		begun = true;
		print_hex_line(at, line, LINE_BYTES, "    ");
	}
}

static void print_fields(const struct dump_config *config)
{
	const char *section = "";

	for (unsigned i = 0; i < config->fields; i++) {
		const struct vfiomig_config_field *field = &config->field[i];

		if (strcmp(section, field->section))
			printf("  %s\n", field->section);
		section = field->section;
		printf("  %s%-16s %-*s%s\n", section[0] ? "  " : "", field->name, field->text[0] ? 12 : 0,
		       dump_value(field).text, field->text);
	}
	print_rest(config);
}

static void print_config(const struct dump_file *file)
{
	const struct vfiomig_config *state = &file->state.config;

	if (file->state_wrong.code)
		printf("Config state that cannot be read: %s\n", file->state_wrong.text);
	else if (state->space_bytes)
		printf("Config state: config space of %" PRIu32 " bytes, layout %s\n", state->space_bytes,
		       vfiomig_config_layout_name(state->layout));
	else
		puts("Config state: none");
	print_fields(&file->state);
	if (state->space_bytes || !file->snapshot.config.space_bytes)
		return;
	printf("Config space before anything was stopped: %" PRIu32 " bytes\n", file->snapshot.config.space_bytes);
	print_fields(&file->snapshot);
}

static int print_payload(struct dump_file *file, uint64_t most, struct vfiomig_error *err)
{
	uint8_t line[LINE_BYTES];
	ssize_t got = 1;

	for (uint64_t at = 0; at < most; at += LINE_BYTES) {
		size_t bytes = most - at < LINE_BYTES ? (size_t)(most - at) : LINE_BYTES;

		got = vfiomig_recording_read(file->recording, line, bytes, err);
		if (got <= 0)
			break;
		print_hex_line((unsigned)at, line, (unsigned)got, "            ");
	}
	return got < 0 ? -1 : 0;
}

static enum vfiomig_code print_packets(struct dump_file *file, uint64_t bytes, struct vfiomig_error *err)
{
	struct vfiomig_recording_packet packet;
	int rc;

	puts("Packets");
	printf("  %10s %16s %12s  %-10s  %s\n", "INDEX", "STREAM AT", "BYTES", "CRC32C", "FLAGS");
	vfiomig_recording_rewind(file->recording);
	while ((rc = vfiomig_recording_next(file->recording, &packet, err)) > 0) {
		printf("  %10" PRIu64 " %16" PRIu64 " %12" PRIu32 "  0x%08" PRIx32 "  %s\n", packet.index,
		       packet.stream_at, packet.bytes, packet.crc,
		       packet.config	? "config"
		       : packet.precopy ? "pre-copy"
					: "stop-copy");
		if (print_payload(file, bytes, err))
			return err->code;
	}
	return rc < 0 ? err->code : VFIOMIG_OK;
}

enum vfiomig_code dump_text(struct dump_file *file, const struct dump_options *options, struct vfiomig_error *err)
{
	printf("%s, %s\n", file->path, units_bytes(vfiomig_recording_totals(file->recording).file_bytes).text);
	print_pairs(file, "device", "Device");
	print_pairs(file, "stream", "Stream");
	print_config(file);
	return options->packets ? print_packets(file, options->bytes, err) : VFIOMIG_OK;
}
