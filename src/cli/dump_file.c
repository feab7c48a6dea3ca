/* SPDX-License-Identifier: MIT */
/* A recording as `dump` needs it: verified, its config state taken apart, and its facts as words. */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dump.h"

struct dump_value dump_value(const struct vfiomig_config_field *field)
{
	struct dump_value out;

	snprintf(out.text, sizeof(out.text), "0x%0*" PRIx64, (int)field->bytes * 2, field->value);
	return out;
}

static void keep_field(void *context, const struct vfiomig_config_field *field)
{
	struct dump_config *to = context;

	if (to->fields == to->room) {
		unsigned room = to->room ? to->room * 2 : 128;
		struct vfiomig_config_field *larger = reallocarray(to->field, room, sizeof(*larger));

		if (!larger) {
			to->lost = true;
			return;
		}
		to->field = larger;
		to->room = room;
	}
	to->field[to->fields++] = *field;
	for (uint32_t i = 0; i < field->bytes && field->at != UINT32_MAX; i++)
		to->covered[field->at + i] = true;
}

static void take_fields(struct dump_config *to)
{
	if (to->config.space_bytes)
		vfiomig_config_fields(&to->config, keep_field, to);
}

static void take_snapshot(struct dump_file *file)
{
	const struct vfiomig_device_info *info = vfiomig_recording_info(file->recording);

	file->snapshot.config = (struct vfiomig_config){ .size = sizeof(file->snapshot.config),
							 .layout = VFIOMIG_CONFIG_RAW,
							 .space_bytes = info->config_bytes,
							 .space = info->config };
	take_fields(&file->snapshot);
}

static enum vfiomig_code no_memory(struct vfiomig_error *err)
{
	*err = (struct vfiomig_error){ .code = VFIOMIG_INTERNAL,
				       .name = "internal",
				       .text = "no memory for a recording" };
	return VFIOMIG_INTERNAL;
}

/* The last packet's payload. */
static enum vfiomig_code read_state(struct dump_file *file, struct vfiomig_error *err)
{
	struct vfiomig_recording_packet packet = { 0 };
	ssize_t got = 1;
	int rc;

	while (!packet.config && (rc = vfiomig_recording_next(file->recording, &packet, err)) > 0)
		;
	if (!packet.config)
		return err->code;
	file->state_blob = malloc(DUMP_STATE_BYTES_MAX);
	if (!file->state_blob)
		return no_memory(err);
	while (got > 0 && file->state_bytes < DUMP_STATE_BYTES_MAX) {
		got = vfiomig_recording_read(file->recording, file->state_blob + file->state_bytes,
					     DUMP_STATE_BYTES_MAX - file->state_bytes, err);
		if (got > 0)
			file->state_bytes += (uint32_t)got;
	}
	return got < 0 ? err->code : VFIOMIG_OK;
}

static void take_state(struct dump_file *file)
{
	file->state.config.size = sizeof(file->state.config);
	if (!vfiomig_config_decode(&file->state.config, file->state_blob, file->state_bytes, &file->state_wrong)) {
		take_fields(&file->state);
		return;
	}
	file->state.config = (struct vfiomig_config){ .size = sizeof(file->state.config) };
}

static struct dump_pair *add(struct dump_pair *at, const char *part, const char *name, const char *text)
{
	*at = (struct dump_pair){ .part = part, .name = name };
	snprintf(at->text, sizeof(at->text), "%s", text);
	for (char *c = at->text; *c; c++) /* a recording may be anybody's: nothing in it commands a terminal */
		if (!isprint((unsigned char)*c))
			*c = '?';
	return at + 1;
}

static struct dump_pair *add_number(struct dump_pair *at, const char *part, const char *name, uint64_t number)
{
	char text[32];

	snprintf(text, sizeof(text), "%" PRIu64, number);
	return add(at, part, name, text);
}

static struct dump_pair *add_device(struct dump_pair *at, const struct vfiomig_device_info *info, const char *name)
{
	static const char *const part = "device";
	uint32_t flags = info->migration_flags;
	char text[64];

	at = add(at, part, "name", name);
	at = add(at, part, "driver", info->driver);
	snprintf(text, sizeof(text), "%04x:%04x", info->vendor, info->device);
	at = add(at, part, "PCI id", text);
	snprintf(text, sizeof(text), "%04x:%04x", info->subsystem_vendor, info->subsystem_device);
	at = add(at, part, "subsystem", text);
	snprintf(text, sizeof(text), "%06x (rev %02x)", info->class_revision >> 8, info->class_revision & 0xff);
	at = add(at, part, "class", text);
	snprintf(text, sizeof(text), "%s%s%s", flags & VFIOMIG_MIGRATION_STOP_COPY ? "stop-copy" : "none",
		 flags & VFIOMIG_MIGRATION_P2P ? " p2p" : "", flags & VFIOMIG_MIGRATION_PRE_COPY ? " pre-copy" : "");
	at = add(at, part, "migration", text);
	at = add(at, part, "firmware", info->firmware);
	at = add(at, part, "PSID", info->psid);
	snprintf(text, sizeof(text), "%d", info->numa_node);
	at = add(at, part, "NUMA node", info->numa_node < 0 ? "" : text);
	return add_number(at, part, "expected bytes", info->expected_bytes);
}

static void take_pairs(struct dump_file *file)
{
	static const char *const part = "stream";
	struct vfiomig_recording_totals totals = vfiomig_recording_totals(file->recording);
	struct dump_pair *at = add_device(file->pair, vfiomig_recording_info(file->recording),
					  vfiomig_recording_name(file->recording));
	char digest[16];

	at = add_number(at, part, "packets", totals.packets);
	at = add_number(at, part, "bytes", totals.bytes);
	at = add_number(at, part, "pre-copy bytes", totals.precopy_bytes);
	at = add_number(at, part, "config bytes", totals.config_bytes);
	snprintf(digest, sizeof(digest), "0x%08" PRIx32, totals.digest);
	add(at, part, "digest", digest);
}

enum vfiomig_code dump_file_open(struct dump_file *file, const char *path, struct vfiomig_error *err)
{
	enum vfiomig_code code;

	*file = (struct dump_file){ .path = path };
	if (vfiomig_recording_open(&file->recording, path, err))
		return err->code;
	code = read_state(file, err);
	if (code)
		return code;
	vfiomig_recording_rewind(file->recording);
	take_snapshot(file);
	take_state(file);
	take_pairs(file);
	return file->snapshot.lost || file->state.lost ? no_memory(err) : VFIOMIG_OK;
}

void dump_file_close(struct dump_file *file)
{
	vfiomig_recording_close(file->recording);
	free(file->state_blob);
	free(file->state.field);
	free(file->snapshot.field);
}
