/* SPDX-License-Identifier: MIT */
/* See report.h. */
#include "report.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "budget.h"
#include "estimate.h"
#include "json_value.h"
#include "terminal.h"

struct report_holder report_holder(const struct migration *migration, unsigned device)
{
	struct report_holder holder = { "nobody" };

	if (migration->holds)
		snprintf(holder.text, sizeof(holder.text), "process %ld", (long)getpid());
	else if (transfer_spec_is_inherited(migration->transfer->specs[device]))
		snprintf(holder.text, sizeof(holder.text), "caller");
	return holder;
}

static json_t *result_object(const struct vfiomig_result *result)
{
	const char *name = result->error.name[0] ? result->error.name : vfiomig_code_name(result->error.code);

	return json_pack("{si so so ss ss}", "code", (int)result->error.code, "name", json_value_text(name), "message",
			 json_value_text(result->error.text), "source_state", result->source_state, "destination_state",
			 result->destination_state);
}

static json_t *lane_array(const struct vfiomig_stats *stats)
{
	json_t *lanes = json_array();

	for (unsigned i = 0; i < stats->lanes && i < VFIOMIG_LANES_MAX; i++)
		json_array_append_new(
			lanes, json_pack("{so so so}", "packets", json_value_integer(stats->lane[i].packets), "bytes",
					 json_value_integer(stats->lane[i].bytes), "rail",
					 stats->rails ? json_value_text(stats->rail[i % stats->rails]) : json_null()));
	return lanes;
}

/* Without a session the device itself says where it stands; with none open there is nothing to say. */
static const char *state_of(const struct migration *migration, unsigned i)
{
	if (i < migration->stats.devices)
		return vfiomig_state_name(migration->stats.device[i].state);
	return migration->devices[i] ? vfiomig_state_name(vfiomig_device_state(migration->devices[i])) : "";
}

static json_t *device_object(const struct migration *migration, unsigned i)
{
	const struct vfiomig_device_stats *device = &migration->stats.device[i];
	struct report_holder holder = report_holder(migration, i);

	return json_pack("{so so so so ss ss ss so so si}", "name",
			 json_value_text(migration_device_name(migration, i)), "spec",
			 json_value_text(migration->transfer->specs[i]), "bytes", json_value_integer(device->bytes),
			 "packets", json_value_integer(device->packets), "state", state_of(migration, i), "gate",
			 device->gate ? "on" : "off", "held_by", holder.text, "order",
			 json_value_integer(device->order), "slot_wait_us", json_value_integer(device->slot_wait_us),
			 "numa_node", i < migration->stats.devices ? migration->stats.device_node[i] : -1);
}

static json_t *device_array(const struct migration *migration)
{
	json_t *devices = json_array();

	for (unsigned i = 0; i < migration->transfer->devices; i++)
		json_array_append_new(devices, device_object(migration, i));
	return devices;
}

/* What the session went through: lanes that were lost while they were needed, and packets that others carried for them. */
static json_t *with_losses(const struct vfiomig_stats *stats, json_t *report)
{
	json_object_set_new(report, "lanes_lost", json_value_integer(stats->lanes_lost));
	json_object_set_new(report, "numa", json_pack("{si si}", "slots", stats->slots_node, "card", stats->card_node));
	json_object_set_new(report, "packets_resent", json_value_integer(stats->packets_resent));
	return report;
}

json_t *report_build(const struct migration *migration, const char *command)
{
	const struct vfiomig_stats *stats = &migration->stats;

	return with_losses(
		stats,
		json_pack("{ss ss so so so so ss so sf so so so so so sb ss so so so so so so so}", "schema",
			  "rdma-vfiomig/1", "command", command, "result", result_object(&migration->result),
			  "transport", json_value_text(stats->transport), "transport_reason",
			  json_value_text(stats->transport_reason), "lanes", lane_array(stats), "gate",
			  stats->gate ? "on" : "off", "bytes", json_value_integer(stats->bytes), "seconds",
			  (double)stats->elapsed_us / 1e6, "downtime_us", json_value_integer(stats->downtime_us),
			  "devices", device_array(migration), "loader", json_value_text(stats->loader), "integrity",
			  json_value_text(stats->integrity), "payload", json_value_text(stats->payload), "insecure",
			  migration->insecure, "authentication", transfer_authentication(migration->transfer), "slots",
			  json_value_integer(stats->slots), "slot_bytes", json_value_integer(stats->slot_bytes),
			  "arena_bytes", json_value_integer(stats->arena_bytes), "private_bytes",
			  json_value_integer(stats->private_bytes), "estimate", estimate_json(migration), "budget",
			  budget_json(migration), "refused", json_value_integer(stats->refused)));
}

int report_flush(void)
{
	if (!fflush(stdout) && !ferror(stdout))
		return 0;
	terminal_say("the result could not be written to stdout");
	return -EIO;
}

int report_print(json_t *object)
{
	char *text = object ? json_dumps(object, JSON_REAL_PRECISION(9)) : NULL;
	bool made = text;

	if (made)
		puts(text);
	else
		terminal_say("the result could not be put together");
	free(text);
	json_decref(object);
	return report_flush() || !made ? -EIO : 0;
}
