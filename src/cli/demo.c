/* SPDX-License-Identifier: MIT */
/* `rdma-vfiomig demo`: source and destination in one process, simulated devices, TCP over loopback. */
#include <argp.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "migration.h"
#include "options.h"
#include "report.h"
#include "signals.h"
#include "summary.h"
#include "terminal.h"
#include "timeline.h"
#include "units.h"

struct demo_options {
	uint64_t bytes; /* of all devices together */
	unsigned devices, lanes;
	enum vfiomig_gate gate;
	bool json;
	struct output_options output;
	const char *timeline; /* path of the page, or NULL */
};

/* Both ends are here: silence between them means a busy machine, not a dead peer. */
enum { PEER_TIMEOUT_MS = 10000 };

enum { KEY_BYTES = 'b', KEY_DEVICES = 'n', KEY_QPS = 'q', KEY_GATE = 0x100, KEY_JSON, KEY_TIMELINE };

static const struct argp_option demo_argp_options[] = {
	{ "bytes", KEY_BYTES, "N", 0, "State of all devices together (256M)", 0 },
	{ "devices", KEY_DEVICES, "N", 0, "Simulated devices, 1 to 64 (2)", 0 },
	{ "qps", KEY_QPS, "N", 0, "Lanes, 1 to 64 (8)", 0 },
	{ "config-after-iter", KEY_GATE, "auto|on|off", 0, "The gate (on)", 0 },
	{ "json", KEY_JSON, NULL, 0, "Print one JSON object: the source's, with the destination's inside", 0 },
	{ "timeline", KEY_TIMELINE, "FILE.html", 0, "Write a page that draws where the downtime went", 0 },
	{ 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct demo_options *options = state->input;

	switch (key) {
	case KEY_BYTES:
		options->bytes = option_size(state, "bytes", arg, 0, (uint64_t)1 << 40);
		return 0;
	case KEY_DEVICES:
		options->devices = (unsigned)option_number(state, "devices", arg, 1, VFIOMIG_DEVICES_MAX);
		return 0;
	case KEY_QPS:
		options->lanes = (unsigned)option_number(state, "qps", arg, 1, VFIOMIG_LANES_MAX);
		return 0;
	case KEY_GATE:
		options->gate = (enum vfiomig_gate)option_choice(state, "config-after-iter", arg, option_gates);
		return 0;
	case KEY_JSON:
		options->json = true;
		return 0;
	case KEY_TIMELINE:
		options->timeline = arg;
		return 0;
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &options->output;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "%s: it takes options only", arg);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_child children[] = { { &output_argp, 0, NULL, 0 }, { 0 } };
static const struct argp demo_argp = {
	demo_argp_options,
	parse,
	NULL,
	"Migrate simulated devices from this process to itself: all of the real way but the devices and the network."
	"\vThe devices check every byte that is loaded into them.\n\n"
	"Examples:\n"
	"  rdma-vfiomig demo\n"
	"  rdma-vfiomig demo --bytes 1G --devices 4 --qps 8 --json\n\n"
	"The exit code is the source's if it failed, else the destination's.",
	children,
	NULL,
	NULL,
};

/* Both ends' devices have the same specs: a simulated device knows from its seed what it must get. */
struct demo {
	const struct demo_options *options;
	struct transfer_options transfer;
	char specs[VFIOMIG_DEVICES_MAX][96];
	struct vfiomig_listener *listener;
	struct migration source, destination;
	struct timeline timeline;
};

static void make_specs(struct demo *demo)
{
	const struct demo_options *options = demo->options;
	uint64_t share = options->bytes / options->devices, rest = options->bytes % options->devices;

	demo->transfer = (struct transfer_options){
		.devices = options->devices,
		.transport = VFIOMIG_TRANSPORT_TCP,
		.peer_timeout_ms = PEER_TIMEOUT_MS,
		.gate = options->gate,
		.json = options->json,
		.output = options->output,
	};
	for (unsigned i = 0; i < options->devices; i++) {
		snprintf(demo->specs[i], sizeof(demo->specs[i]),
			 "sim:bytes=%" PRIu64 ",seed=%u,p2p=on,config-bytes=256,name=demo%u", share + (i < rest), i + 1,
			 i);
		demo->transfer.specs[i] = demo->specs[i];
	}
}

static enum vfiomig_code start_destination(struct demo *demo)
{
	struct vfiomig_options session = transfer_session_options(&demo->transfer);
	struct vfiomig_error err = { 0 };
	enum vfiomig_code code = migration_open(&demo->destination);

	if (code != VFIOMIG_OK)
		return code;
	if (vfiomig_listener_open(&demo->listener, "127.0.0.1:0", &err))
		return migration_refuse(&demo->destination, &err);
	session.listener = demo->listener;
	return migration_start(&demo->destination, session);
}

static enum vfiomig_code start_source(struct demo *demo)
{
	struct vfiomig_options session = transfer_session_options(&demo->transfer);
	enum vfiomig_code code = migration_open(&demo->source);

	session.peer = demo->listener ? vfiomig_listener_address(demo->listener) : NULL;
	session.lanes = demo->options->lanes;
	return code == VFIOMIG_OK ? migration_start(&demo->source, session) : code;
}

static void run(struct demo *demo, int signals)
{
	struct migration *both[] = { &demo->source, &demo->destination };
	const char *page = demo->options->timeline;
	struct vfiomig_error err = { 0 };

	if (page && timeline_open(&demo->timeline, page, &err)) {
		migration_refuse(&demo->source, &err);
		return;
	}
	if (start_destination(demo) != VFIOMIG_OK) {
		migration_refuse(&demo->source, &demo->destination.result.error);
		return;
	}
	/* A destination without its source would wait for ever. */
	if (start_source(demo) != VFIOMIG_OK)
		vfiomig_session_cancel(demo->destination.session);
	migration_wait(both, 2, signals);
}

static void print(const struct demo *demo)
{
	migration_explain(&demo->source);
	if (strcmp(demo->source.result.error.text, demo->destination.result.error.text))
		migration_explain(&demo->destination);
	if (demo->options->json) {
		json_t *object = report_build(&demo->source, "demo");

		json_object_set_new(object, "destination", report_build(&demo->destination, "demo"));
		report_print(object);
		return;
	}
	summary_print(&demo->source);
	putchar('\n');
	summary_print(&demo->destination);
}

static enum vfiomig_code demonstrate(struct demo *demo, int signals)
{
	struct units bytes = units_bytes(demo->options->bytes);
	enum vfiomig_code source, destination;

	make_specs(demo);
	migration_init(&demo->source, VFIOMIG_SOURCE, &demo->transfer);
	migration_init(&demo->destination, VFIOMIG_DESTINATION, &demo->transfer);
	demo->source.label = "source: ";
	demo->destination.label = "destination: ";
	terminal_say("%u simulated device%s with %s of state in all, over TCP on this machine", demo->options->devices,
		     demo->options->devices == 1 ? "" : "s", bytes.text);
	run(demo, signals);
	print(demo);
	timeline_close(&demo->timeline, &demo->source);
	source = demo->source.result.error.code;
	destination = demo->destination.result.error.code;
	migration_close(&demo->source);
	migration_close(&demo->destination);
	vfiomig_listener_close(demo->listener);
	return source != VFIOMIG_OK ? source : destination;
}

int demo_main(int argc, char **argv)
{
	struct demo_options options = { .bytes = 256 << 20, .devices = 2, .lanes = 8, .gate = VFIOMIG_GATE_ON };
	/* Static for its size only. */
	static struct demo demo;
	enum vfiomig_code code;
	int signals;

	argp_parse(&demo_argp, argc, argv, 0, NULL, &options);
	signals = signals_open();
	if (signals < 0)
		return VFIOMIG_INTERNAL;
	demo.options = &options;
	code = demonstrate(&demo, signals);
	close(signals);
	return (int)code;
}
