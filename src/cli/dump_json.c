/* SPDX-License-Identifier: MIT */
/* A recording for programs. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "dump.h"
#include "json_value.h"
#include "report.h"

static json_t *hex(const uint8_t *from, size_t bytes)
{
	char *text = malloc(bytes * 2 + 1);
	json_t *value;

	if (!text)
		return NULL;
	for (size_t i = 0; i < bytes; i++)
		snprintf(text + 2 * i, 3, "%02x", from[i]);
	value = json_stringn(text, bytes * 2);
	free(text);
	return value;
}

static json_t *device_object(const struct dump_file *file)
{
	const struct vfiomig_device_info *info = vfiomig_recording_info(file->recording);
	uint32_t flags = info->migration_flags;

	return json_pack("{so so si si si si si sb sb sb so so so so}", "name",
			 json_value_text(vfiomig_recording_name(file->recording)), "driver",
			 json_value_text(info->driver), "vendor", (int)info->vendor, "device", (int)info->device,
			 "subsystem_vendor", (int)info->subsystem_vendor, "subsystem_device",
			 (int)info->subsystem_device, "class", (int)(info->class_revision >> 8), "stop_copy",
			 !!(flags & VFIOMIG_MIGRATION_STOP_COPY), "p2p", !!(flags & VFIOMIG_MIGRATION_P2P), "pre_copy",
			 !!(flags & VFIOMIG_MIGRATION_PRE_COPY), "firmware", json_value_text(info->firmware), "psid",
			 json_value_text(info->psid), "numa_node", json_integer(info->numa_node), "expected_bytes",
			 json_value_integer(info->expected_bytes));
}

static json_t *stream_object(const struct dump_file *file)
{
	struct vfiomig_recording_totals totals = vfiomig_recording_totals(file->recording);

	return json_pack("{so so so so so}", "packets", json_value_integer(totals.packets), "bytes",
			 json_value_integer(totals.bytes), "precopy_bytes", json_value_integer(totals.precopy_bytes),
			 "config_bytes", json_value_integer(totals.config_bytes), "digest",
			 json_value_integer(totals.digest));
}

static json_t *field_array(const struct dump_config *config)
{
	json_t *fields = json_array();

	for (unsigned i = 0; i < config->fields; i++) {
		const struct vfiomig_config_field *field = &config->field[i];

		json_array_append_new(fields,
				      json_pack("{ss ss so si so so}", "section", field->section, "name", field->name,
						"at", field->at == UINT32_MAX ? json_null() : json_integer(field->at),
						"bytes", (int)field->bytes, "value", json_value_integer(field->value),
						"text", json_value_text(field->text)));
	}
	return fields;
}

static json_t *config_object(const struct dump_config *config, const struct vfiomig_error *wrong)
{
	return json_pack("{ss si so so so}", "layout", vfiomig_config_layout_name(config->config.layout), "bytes",
			 (int)config->config.space_bytes, "wrong",
			 wrong && wrong->code ? json_value_text(wrong->text) : json_null(), "space",
			 hex(config->config.space, config->config.space_bytes), "fields", field_array(config));
}

static json_t *packet_object(struct dump_file *file, const struct vfiomig_recording_packet *packet, uint64_t bytes,
			     struct vfiomig_error *err)
{
	size_t wanted = packet->bytes < bytes ? packet->bytes : (size_t)bytes, done = 0;
	uint8_t *payload = malloc(wanted + 1);
	json_t *object = NULL;
	ssize_t got = 1;

	while (payload && done < wanted && got > 0) {
		got = vfiomig_recording_read(file->recording, payload + done, wanted - done, err);
		if (got > 0)
			done += (size_t)got;
	}
	if (payload && got >= 0)
		object = json_pack("{so so so so sb sb so}", "index", json_value_integer(packet->index), "at",
				   json_value_integer(packet->stream_at), "bytes", json_value_integer(packet->bytes),
				   "crc", json_value_integer(packet->crc), "precopy", packet->precopy, "config",
				   packet->config, "payload", wanted ? hex(payload, done) : json_null());
	free(payload);
	return object;
}

/* NULL, with a sentence in @err, if the file is no more what it was. */
static json_t *packet_array(struct dump_file *file, uint64_t bytes, struct vfiomig_error *err)
{
	struct vfiomig_recording_packet packet;
	json_t *packets = json_array();
	int rc;

	vfiomig_recording_rewind(file->recording);
	while ((rc = vfiomig_recording_next(file->recording, &packet, err)) > 0 && !err->code)
		json_array_append_new(packets, packet_object(file, &packet, bytes, err));
	if (!err->code)
		return packets;
	json_decref(packets);
	return NULL;
}

enum vfiomig_code dump_json(struct dump_file *file, const struct dump_options *options, struct vfiomig_error *err)
{
	json_t *packets = options->packets ? packet_array(file, options->bytes, err) : json_null();

	if (err->code)
		return err->code;
	return report_print(json_pack("{ss ss s{si ss ss} so so so so so so}", "schema", "rdma-vfiomig/1", "command",
				      "dump", "result", "code", VFIOMIG_OK, "name", "ok", "message", "", "file",
				      json_value_text(file->path), "device", device_object(file), "stream",
				      stream_object(file), "snapshot", config_object(&file->snapshot, NULL), "config",
				      config_object(&file->state, &file->state_wrong), "packets", packets))
		       ? VFIOMIG_INTERNAL
		       : VFIOMIG_OK;
}
