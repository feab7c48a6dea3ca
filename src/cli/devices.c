/* SPDX-License-Identifier: MIT */
/* `rdma-vfiomig devices`: what this machine has, what each can do, and where it cannot, why. */
#include <argp.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vfiomig/vfiomig.h>

#include "command.h"
#include "report.h"
#include "table.h"
#include "terminal.h"
#include "units.h"

struct devices_options {
	bool json, no_ask;
};

/* The lists grow until everything fits; both belong to this struct. */
struct inventory {
	struct vfiomig_rdma_device *rdma;
	struct vfiomig_vfio_device *vfio;
	int rdma_count, vfio_count;
};

static int fill_rdma(struct inventory *inventory, struct vfiomig_error *err)
{
	unsigned room = 16;

	for (;;) {
		struct vfiomig_rdma_device *list = reallocarray(inventory->rdma, room, sizeof(*list));

		if (!list)
			return -1;
		inventory->rdma = list;
		inventory->rdma_count = vfiomig_host_rdma_devices(list, room, err);
		if (inventory->rdma_count <= (int)room)
			return inventory->rdma_count;
		room = (unsigned)inventory->rdma_count;
	}
}

static int fill_vfio(struct inventory *inventory, bool ask, struct vfiomig_error *err)
{
	unsigned room = 64;

	for (;;) {
		struct vfiomig_vfio_device *list = reallocarray(inventory->vfio, room, sizeof(*list));

		if (!list)
			return -1;
		inventory->vfio = list;
		inventory->vfio_count = vfiomig_host_vfio_devices(list, room, ask, err);
		if (inventory->vfio_count <= (int)room)
			return inventory->vfio_count;
		room = (unsigned)inventory->vfio_count;
	}
}

struct text {
	char text[176];
};

static struct text usable(bool yes, const char *reason)
{
	struct text out;

	snprintf(out.text, sizeof(out.text), "%s%s%s", yes ? "yes" : "no", reason[0] ? ": " : "", reason);
	return out;
}

static struct text migration_words(uint32_t flags)
{
	struct text out;

	snprintf(out.text, sizeof(out.text), "%s%s%s%s", flags ? "" : "-",
		 flags & VFIOMIG_MIGRATION_STOP_COPY ? "stop-copy" : "", flags & VFIOMIG_MIGRATION_P2P ? " p2p" : "",
		 flags & VFIOMIG_MIGRATION_PRE_COPY ? " pre-copy" : "");
	return out;
}

static void print_rdma(const struct inventory *inventory)
{
	struct table table;

	if (!inventory->rdma_count) {
		puts("RDMA devices: none. Lanes will be TCP connections.");
		return;
	}
	puts("RDMA devices");
	table_init(&table, "lllrrrl");
	table_row(&table, "NAME", "TRANSPORT", "STATE", "MTU", "QPS", "CQES", "USABLE");
	for (int i = 0; i < inventory->rdma_count; i++) {
		const struct vfiomig_rdma_device *device = &inventory->rdma[i];
		struct units mtu = units_count(device->mtu), qps = units_count(device->qps_max);
		struct units cqes = units_count(device->cq_entries_max);
		struct text name, ok = usable(device->usable, device->reason);

		snprintf(name.text, sizeof(name.text), "%s%s%s", device->name, device->netdev[0] ? " on " : "",
			 device->netdev);
		table_row(&table, name.text, device->transport, device->state, mtu.text, qps.text, cqes.text, ok.text);
	}
	table_print(&table, stdout, 2);
	table_fini(&table);
}

static void print_vfio(const struct inventory *inventory)
{
	struct table table;

	if (!inventory->vfio_count) {
		puts("VFIO devices: none. Bind one to a VFIO driver that can migrate, or try simulated ones (sim:).");
		return;
	}
	puts("VFIO devices");
	table_init(&table, "llrrlll");
	table_row(&table, "DEVICE", "DRIVER", "GROUP", "NUMA", "PCI ID", "MIGRATION", "USABLE");
	for (int i = 0; i < inventory->vfio_count; i++) {
		const struct vfiomig_vfio_device *device = &inventory->vfio[i];
		struct text words = migration_words(device->migration_flags),
			    ok = usable(device->usable, device->reason);
		struct text spec, group, node, id;

		snprintf(spec.text, sizeof(spec.text), "vfio:%s", device->id);
		snprintf(group.text, sizeof(group.text), "%d", device->group);
		snprintf(node.text, sizeof(node.text), "%d", device->numa_node);
		snprintf(id.text, sizeof(id.text), "%04x:%04x", device->vendor, device->device);
		table_row(&table, spec.text, device->driver, device->group < 0 ? "-" : group.text,
			  device->numa_node < 0 ? "-" : node.text, device->vendor ? id.text : "-", words.text, ok.text);
	}
	table_print(&table, stdout, 2);
	table_fini(&table);
}

static json_t *rdma_object(const struct vfiomig_rdma_device *device)
{
	return json_pack("{ss ss ss ss si sI sI sb ss}", "name", device->name, "transport", device->transport, "netdev",
			 device->netdev, "state", device->state, "mtu", (int)device->mtu, "qps_max",
			 (json_int_t)device->qps_max, "cq_entries_max", (json_int_t)device->cq_entries_max, "usable",
			 device->usable, "reason", device->reason);
}

static json_t *vfio_object(const struct vfiomig_vfio_device *device)
{
	uint32_t flags = device->migration_flags;

	return json_pack("{ss ss si si si si sb sb sb sb ss}", "id", device->id, "driver", device->driver, "group",
			 device->group, "numa_node", device->numa_node, "vendor", (int)device->vendor, "device",
			 (int)device->device, "stop_copy", !!(flags & VFIOMIG_MIGRATION_STOP_COPY), "p2p",
			 !!(flags & VFIOMIG_MIGRATION_P2P), "pre_copy", !!(flags & VFIOMIG_MIGRATION_PRE_COPY),
			 "usable", device->usable, "reason", device->reason);
}

static int print_json(const struct inventory *inventory)
{
	json_t *rdma = json_array(), *vfio = json_array();

	for (int i = 0; i < inventory->rdma_count; i++)
		json_array_append_new(rdma, rdma_object(&inventory->rdma[i]));
	for (int i = 0; i < inventory->vfio_count; i++)
		json_array_append_new(vfio, vfio_object(&inventory->vfio[i]));
	return report_print(json_pack("{ss ss so so}", "schema", "rdma-vfiomig/1", "command", "devices", "rdma", rdma,
				      "vfio", vfio));
}

enum { KEY_JSON = 0x100, KEY_NO_ASK };

static const struct argp_option devices_argp_options[] = {
	{ "json", KEY_JSON, NULL, 0, "Print one JSON object", 0 },
	{ "no-ask", KEY_NO_ASK, NULL, 0,
	  "Do not open VFIO devices that nobody uses for a moment to ask whether they can migrate", 0 },
	{ 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct devices_options *options = state->input;

	switch (key) {
	case KEY_JSON:
		options->json = true;
		return 0;
	case KEY_NO_ASK:
		options->no_ask = true;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "%s: it takes options only", arg);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp devices_argp = {
	devices_argp_options,
	parse,
	NULL,
	"List the RDMA and VFIO devices of this machine and what each can do."
	"\vWhat DEVICE shows goes after --device of recv and send.",
	NULL,
	NULL,
	NULL,
};

int devices_main(int argc, char **argv)
{
	struct devices_options options = { 0 };
	struct inventory inventory = { 0 };
	struct vfiomig_error err = { 0 };
	int code = VFIOMIG_OK;

	argp_parse(&devices_argp, argc, argv, 0, NULL, &options);
	if (fill_rdma(&inventory, &err) < 0 || fill_vfio(&inventory, !options.no_ask, &err) < 0) {
		terminal_say("%s", err.text[0] ? err.text : "no memory for the lists of devices");
		code = VFIOMIG_INTERNAL;
	} else if (options.json) {
		code = print_json(&inventory) ? VFIOMIG_INTERNAL : VFIOMIG_OK;
	} else {
		print_rdma(&inventory);
		putchar('\n');
		print_vfio(&inventory);
		code = report_flush() ? VFIOMIG_INTERNAL : VFIOMIG_OK;
	}
	free(inventory.rdma);
	free(inventory.vfio);
	return code;
}
