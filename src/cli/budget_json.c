/* SPDX-License-Identifier: MIT */
/* The budget for programs: all spans of all devices, in microseconds on the source's clock. See budget.h. */
#include "budget.h"
#include "json_value.h"

static json_t *path_array(const struct vfiomig_budget *budget)
{
	json_t *path = json_array();

	for (unsigned i = 0; i < budget->path_pieces; i++) {
		const struct vfiomig_path_piece *piece = &budget->path[i];

		json_array_append_new(path, json_pack("{ss ss so so}", "span", vfiomig_span_name(piece->span), "side",
						      budget_side(piece->span), "begin_us",
						      json_value_us((int64_t)piece->begin_ns), "end_us",
						      json_value_us((int64_t)piece->end_ns)));
	}
	return path;
}

static json_t *span_array(const struct vfiomig_device_budget *device)
{
	json_t *spans = json_array();

	for (unsigned i = 0; i < VFIOMIG_SPAN_COUNT; i++) {
		const struct vfiomig_span_time *time = &device->span[i];
		enum vfiomig_span span = (enum vfiomig_span)i;

		if (!time->there)
			continue;
		json_array_append_new(spans, json_pack("{ss ss so so so}", "span", vfiomig_span_name(span), "side",
						       budget_side(span), "begin_us", json_value_us(time->begin_ns),
						       "end_us", json_value_us(time->end_ns), "busy_us",
						       json_value_us((int64_t)time->busy_ns)));
	}
	return spans;
}

static json_t *device_object(const struct migration *migration, unsigned i)
{
	const struct vfiomig_device_budget *device = &migration->budget.device[i];
	json_t *bottleneck = device->bottleneck == VFIOMIG_SPAN_COUNT
				     ? json_null()
				     : json_value_text(vfiomig_span_name(device->bottleneck));

	return json_pack(
		"{so so so so so so so sf sf sf so}", "name", json_value_text(migration_device_name(migration, i)),
		"precopy_bytes", json_value_integer(device->precopy_bytes), "precopy_us",
		json_value_us((int64_t)device->precopy_ns), "stop_copy_bytes",
		json_value_integer(device->stop_copy_bytes), "streaming_begin_us",
		json_value_us(device->streaming_begin_ns), "streaming_end_us", json_value_us(device->streaming_end_ns),
		"bottleneck", bottleneck, "read_share", device->read_share, "wire_share", device->wire_share,
		"load_share", device->load_share, "spans", span_array(device));
}

json_t *budget_json(const struct migration *migration)
{
	const struct vfiomig_budget *budget = &migration->budget;
	json_t *devices;

	if (!migration->has_budget)
		return json_null();
	devices = json_array();
	for (unsigned i = 0; i < budget->devices; i++)
		json_array_append_new(devices, device_object(migration, i));
	return json_pack("{so sb so so so so so so}", "downtime_us", json_value_us((int64_t)budget->downtime_ns),
			 "both_sides", budget->both_sides, "clock_offset_us", json_value_us(budget->clock_offset_ns),
			 "clock_error_us", json_value_us((int64_t)budget->clock_error_ns), "clock_misfit_us",
			 json_value_us((int64_t)budget->clock_misfit_ns), "path_device",
			 budget->path_pieces ? json_value_integer(budget->path_device) : json_null(), "path",
			 path_array(budget), "devices", devices);
}
