/* SPDX-License-Identifier: MIT */
/* See summary.h. */
#include "summary.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "budget.h"
#include "estimate.h"
#include "report.h"
#include "table.h"
#include "units.h"

static void headline(const struct migration *migration, FILE *out)
{
	const struct vfiomig_stats *stats = &migration->stats;
	const struct vfiomig_error *error = &migration->result.error;
	struct units bytes = units_bytes(stats->bytes), rate = units_rate(stats->bytes, stats->elapsed_us);
	struct units time = units_time(stats->elapsed_us), downtime = units_time(stats->downtime_us);
	const char *verb = migration->role == VFIOMIG_SOURCE ? "sent" : "received";

	if (error->code == VFIOMIG_OK && migration_is_recording(migration))
		fprintf(out, "recorded %u device%s: %s", stats->devices, stats->devices == 1 ? "" : "s", bytes.text);
	else if (error->code == VFIOMIG_OK || error->code == VFIOMIG_DEGRADED)
		fprintf(out, "%s %u device%s: %s in %s (%s)", verb, stats->devices, stats->devices == 1 ? "" : "s",
			bytes.text, time.text, rate.text);
	else
		fprintf(out, "failed (%s, exit code %d) after %s", vfiomig_code_name(error->code), (int)error->code,
			bytes.text);
	if (stats->downtime_us)
		fprintf(out, ", downtime %s", downtime.text);
	fputs("\n\n", out);
}

__attribute__((format(printf, 3, 4))) static void fact(FILE *out, const char *name, const char *format, ...)
{
	va_list args;

	fprintf(out, "  %-13s", name);
	va_start(args, format);
	vfprintf(out, format, args);
	va_end(args);
	fputc('\n', out);
}

static void lanes_fact(const struct vfiomig_stats *stats, FILE *out)
{
	uint64_t least = UINT64_MAX, most = 0;

	for (unsigned i = 0; i < stats->lanes && i < VFIOMIG_LANES_MAX; i++) {
		uint64_t packets = stats->lane[i].packets;

		least = packets < least ? packets : least;
		most = packets > most ? packets : most;
	}
	if (least < most)
		fact(out, "lanes", "%u, with %" PRIu64 " to %" PRIu64 " packets each", stats->lanes, least, most);
	else
		fact(out, "lanes", "%u, with %" PRIu64 " packet%s each", stats->lanes, most, most == 1 ? "" : "s");
	for (unsigned i = 0; i < stats->rails; i++)
		fact(out, "rail", "%s", stats->rail[i]);
}

static void losses_fact(const struct migration *migration, FILE *out)
{
	const struct vfiomig_stats *stats = &migration->stats;

	if (!stats->lanes_lost)
		return;
	if (migration->role == VFIOMIG_SOURCE)
		fact(out, "lanes lost", "%u; %" PRIu64 " packet%s went again, over the others", stats->lanes_lost,
		     stats->packets_resent, stats->packets_resent == 1 ? "" : "s");
	else
		fact(out, "lanes lost", "%u", stats->lanes_lost);
}

static void facts(const struct migration *migration, FILE *out)
{
	const struct vfiomig_stats *stats = &migration->stats;
	struct units slot = units_bytes(stats->slot_bytes), arena = units_bytes(stats->arena_bytes);

	fact(out, "source", "%s", migration->result.source_state);
	fact(out, "destination", "%s", migration->result.destination_state);
	fact(out, "transport", "%s%s%s", stats->transport, stats->transport_reason[0] ? ": " : "",
	     stats->transport_reason);
	if (migration_is_recording(migration))
		return;
	lanes_fact(stats, out);
	losses_fact(migration, out);
	if (migration->has_estimate)
		fact(out, "estimate", "%s, or %s with all that was assumed",
		     units_time(migration->estimate.expected_us).text,
		     estimate_range(migration->estimate.low_us, migration->estimate.high_us).text);
	fact(out, "gate", "%s", stats->gate ? "on" : "off");
	if (stats->integrity && stats->integrity[0])
		fact(out, "integrity", "%s", stats->integrity);
	if (stats->loader && stats->loader[0])
		fact(out, "loader", "%s", stats->loader);
	fact(out, "slots", "%u of %s per device, %s in all%s%s", stats->slots, slot.text, arena.text,
	     stats->private_bytes ? ", to open packets in: " : "",
	     stats->private_bytes ? units_bytes(stats->private_bytes).text : "");
	if (!transfer_is_plain(migration->transfer))
		fact(out, "peer", "authenticated by %s", transfer_authentication(migration->transfer));
	fact(out, "payload", "%s%s", stats->payload[0] ? stats->payload : "clear",
	     migration->insecure ? ", and nothing proves who the peer is" : "");
}

static void device_row(struct table *table, const struct migration *migration, unsigned i)
{
	const struct vfiomig_device_stats *device = &migration->stats.device[i];
	struct units label = migration_device_label(migration, i), bytes = units_bytes(device->bytes),
		     packets = units_count(device->packets);
	struct units wait = units_time(device->slot_wait_us), order = units_count(device->order);
	struct report_holder holder = report_holder(migration, i);

	table_row(table, label.text, bytes.text, packets.text, wait.text, device->order ? order.text : "-",
		  vfiomig_state_name(device->state), device->gate ? "on" : "off", holder.text,
		  migration->transfer->specs[i]);
}

static void devices(const struct migration *migration, FILE *out)
{
	const char *wait = migration->role == VFIOMIG_SOURCE ? "NO SLOT" : "NO DATA";
	struct table table;

	table_init(&table, "lrrrrllll");
	table_row(&table, "DEVICE", "BYTES", "PACKETS", wait, "ORDER", "STATE", "GATE", "HELD BY", "SPEC");
	for (unsigned i = 0; i < migration->stats.devices && i < migration->transfer->devices; i++)
		device_row(&table, migration, i);
	fputc('\n', out);
	table_print(&table, out, 2);
	table_fini(&table);
}

void summary_print(const struct migration *migration)
{
	FILE *out = stdout;
	const struct vfiomig_stats *stats = &migration->stats;

	if (!stats->transport || !stats->transport[0])
		return;
	headline(migration, out);
	facts(migration, out);
	devices(migration, out);
	budget_print(migration, out);
	report_flush();
}
