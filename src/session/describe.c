/* SPDX-License-Identifier: MIT */
/* See describe.h: the words. */
#include "session/describe.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "core/core_table.h"
#include "session/session.h"

struct printer {
	const struct describe *view;
	uint64_t now_ns;
	void (*line)(void *context, const char *text);
	void *context;
	char text[1024];
	size_t used;
};

/* Of a line that is too long the rest is left out. */
__attribute__((format(printf, 2, 3))) static void add(struct printer *printer, const char *format, ...)
{
	size_t room = sizeof(printer->text) - printer->used;
	va_list args;
	int length;

	va_start(args, format);
	length = vsnprintf(printer->text + printer->used, room, format, args);
	va_end(args);
	if (length > 0)
		printer->used += (size_t)length < room ? (size_t)length : room - 1;
}

static void end_line(struct printer *printer)
{
	printer->line(printer->context, printer->text);
	printer->used = 0;
	printer->text[0] = 0;
}

/* " for 1.234 s"; nothing for what has no time. */
static void add_since(struct printer *printer, const char *word, uint64_t since_ns)
{
	uint64_t ms = since_ns < printer->now_ns ? (printer->now_ns - since_ns) / NS_PER_MS : 0;

	if (since_ns)
		add(printer, "%s%s %" PRIu64 ".%03" PRIu64 " s", *word ? " " : "", word, ms / 1000, ms % 1000);
}

/* " 1.234 s ago" */
static void add_ago(struct printer *printer, const char *what, uint64_t at_ns)
{
	if (!at_ns)
		return;
	add(printer, "; %s", what);
	add_since(printer, "", at_ns);
	add(printer, " ago");
}

static void add_list(struct printer *printer, bool *any, const char *what)
{
	add(printer, "%s%s", *any ? ", " : "; waits for ", what);
	*any = true;
}

static const char *fact_name(uint32_t fact)
{
	static const struct {
		uint32_t fact;
		const char *name;
	} names[] = {
		{ FACT_CONTROL_UP, "the control connection" },
		{ FACT_PROBED, "the answer which transports can be used" },
		{ FACT_OFFER, "the source's offer" },
		{ FACT_AGREED, "the destination's agreement" },
		{ FACT_FABRIC_OPEN, "slots and lanes to be set up here" },
		{ FACT_READY, "the destination's slots and lanes" },
		{ FACT_LANES_UP, "the lanes" },
		{ FACT_LANES_READY, "the destination's lanes" },
		{ FACT_SWITCHOVER, "the source's switchover" },
		{ FACT_ITERABLES_DONE, "the VMM's iterables" },
		{ FACT_PLATFORM_READY, "the VMM's platform" },
		{ FACT_TOKEN, "the token" },
		{ FACT_RELEASED, "the end of remote writes" },
		{ FACT_PREPARED, "the word that all is prepared" },
		{ FACT_COMMITTED, "the journal's record of the commit" },
		{ FACT_COMMIT, "the source's commit" },
		{ FACT_DONE, "the destination's word that it runs" },
		{ FACT_FABRIC_DOWN, "the lanes' end" },
		{ FACT_MEASURED, "the peer's clock and the lanes' rate" },
		{ FACT_SWITCHOVER_DUE, "the time to switch over" },
		{ FACT_ABORTED, "the journal's record of the end" },
		{ FACT_RUNNING, "the journal's record of the start" },
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].fact == fact)
			return names[i].name;
	return "something unnamed";
}

static void add_facts(struct printer *printer, bool *any, uint32_t missing)
{
	for (unsigned bit = 0; bit < 32; bit++)
		if (missing & UINT32_C(1) << bit)
			add_list(printer, any, fact_name(UINT32_C(1) << bit));
}

/* Devices that the phase cannot end without. */
static void add_devices(struct printer *printer, bool *any, const struct phase_row *row)
{
	const struct describe *view = printer->view;
	bool back = view->core.phase >= PHASE_ROLLBACK;

	for (unsigned d = 0; view->numbered && d < view->devices; d++) {
		const struct core_device *device = &view->core.device[view->number[d]];
		char what[DESCRIBE_LABEL_BYTES + 16];

		if (back ? device->busy == REQUEST_NONE : device->step >= row->through || device->failed)
			continue;
		snprintf(what, sizeof(what), "device '%s'", view->device[d].label);
		add_list(printer, any, what);
	}
}

static void print_control(struct printer *printer)
{
	const struct describe *view = printer->view;
	const struct phase_row *row = &view->core.phases[view->core.phase];
	bool any = false;

	add(printer, "control: %s", row->name);
	add_since(printer, "for", view->core.phase_ns);
	if (view->ended) {
		add(printer, "; the session has ended");
		end_line(printer);
		return;
	}
	add_facts(printer, &any, row->needs & ~view->core.facts);
	add_devices(printer, &any, row);
	if (view->core.purpose != CORE_RECORD) /* there is none to be heard */
		add_ago(printer, "peer heard", view->core.heard_ns);
	add_ago(printer, "last round", view->control_turn_ns);
	if (view->events)
		add(printer, "; %u events wait for it", view->events);
	end_line(printer);
}

static const char *fabric_work(unsigned request)
{
	switch (request) {
	case FABRIC_PROBE:
		return "looks which transports can be used";
	case FABRIC_OPEN:
		return "sets up slots and lanes";
	case FABRIC_CONNECT:
		return "connects the lanes";
	case FABRIC_FENCE:
		return "ends the lanes";
	case FABRIC_RELEASE:
		return "ends remote writes";
	case FABRIC_FENCE_LANES:
		return "fences lanes";
	case FABRIC_YANK:
		return "cuts the lanes";
	default:
		return "works";
	}
}

static void print_fabric(struct printer *printer)
{
	const struct describe *view = printer->view;

	if (view->fabric_doing) {
		add(printer, "fabric: %s", fabric_work(view->fabric_doing));
		add_since(printer, "for", view->fabric_doing_ns);
	} else if (!view->open) {
		add(printer, "fabric: idle, no lanes yet");
	} else {
		add(printer, "fabric: %s", view->lent ? "leaves the lanes to a loader" : "waits for the lanes");
	}
	end_line(printer);
}

/* Core knows how far both sides are; the flow knows first. */
static void add_lane_state(struct printer *printer, unsigned l)
{
	static const char *const words[] = {
		[CORE_LANE_LIVE] = "live",
		[CORE_LANE_FENCING] = "lost, being fenced here",
		[CORE_LANE_AGREEING] = "fenced here, and the peer is asked",
		[CORE_LANE_OVER] = "fenced on both sides",
		[CORE_LANE_LAST] = "lost, and it was the last",
	};
	const struct core_lane *core = &printer->view->core.lane[l];
	const struct describe_lane *lane = &printer->view->lane[l];

	if (core->state == CORE_LANE_LIVE && lane->state != LANE_LIVE)
		add(printer, "%s", lane->state == LANE_DEAD ? "dead" : "fenced");
	else
		add(printer, "%s", words[core->state]);
	add_since(printer, "for", core->since_ns);
}

static void print_lane(struct printer *printer, unsigned l)
{
	const struct describe_lane *lane = &printer->view->lane[l];

	add(printer, "lane %u", l);
	if (printer->view->rails)
		add(printer, " on %s", printer->view->rail[l % printer->view->rails]);
	add(printer, ": ");
	add_lane_state(printer, l);
	if (lane->outstanding)
		add(printer, "; %u outstanding", lane->outstanding);
	for (unsigned i = 0; i < lane->shown; i++)
		add(printer, "%sdevice %u packet %" PRIu64 "%s", i ? ", " : " (", lane->packet[i].device,
		    lane->packet[i].index, i + 1 == lane->shown ? ")" : "");
	add(printer, "; %" PRIu64 " packets, %" PRIu64 " bytes", lane->packets, lane->bytes);
	add_ago(printer, "last moved", lane->moved_ns);
	end_line(printer);
}

/* It was asked for nothing: which step comes next, and what keeps it. */
static void add_next_step(struct printer *printer, unsigned number)
{
	const struct core *core = &printer->view->core;
	const struct step_row *row = &core->steps[core->device[number].step];
	uint32_t gate = (FACT_TOKEN | FACT_PLATFORM_READY) & ~core->facts;
	bool any = false;

	if (core->phase >= PHASE_DONE || row->request == REQUEST_NONE) {
		add(printer, "; idle");
		return;
	}
	add(printer, "; its %s is next", device_request_name(row->request));
	if (row->request == REQUEST_CONFIG && core->device[number].gated && gate) {
		add_facts(printer, &any, gate);
		add(printer, " (the gate)");
	} else if (row->request == REQUEST_FINISH && !core->device[number].ended) {
		add_list(printer, &any, "the source's word that the stream is complete");
	} else if (row->may(core, number)) {
		add_list(printer, &any, "its turn after the other devices");
	}
}

static void add_work(struct printer *printer, const struct describe_device *device, enum device_request request)
{
	static const char *const awaits[AWAIT_COUNT] = {
		[AWAIT_SLOT] = "waits for a free slot",
		[AWAIT_LOADED] = "waits until the destination has loaded what it gave",
		[AWAIT_DEVICE] = "waits for the device",
		[AWAIT_PACKETS] = "waits for packets",
	};

	add(printer, "; %s", device_request_name(request));
	add_since(printer, "for", device->asked_ns);
	if (device->call_ns) {
		add(printer, "; in a call to the driver");
		add_since(printer, "for", device->call_ns);
	} else if (device->awaits > AWAIT_NOTHING && device->awaits < AWAIT_COUNT) {
		add(printer, "; %s", awaits[device->awaits]);
		add_since(printer, "for", device->awaits_ns);
	}
}

static void add_packets(struct printer *printer, const struct describe_device *device)
{
	const struct describe *view = printer->view;
	bool source = view->role == VFIOMIG_SOURCE;

	add(printer, "; %" PRIu64 " packets, %" PRIu64 " bytes %s", device->packets, device->bytes,
	    source ? "read" : "arrived");
	if (!view->open)
		return;
	if (source)
		add(printer, "; credit %" PRIu64 ", %" PRIu64 " of %" PRIu32 " slots in use", device->loaded,
		    device->packets - device->loaded, view->slots);
	else
		add(printer, "; %" PRIu64 " loaded", device->loaded);
	if (device->gap)
		add(printer, ", packet %" PRIu64 " is missing", device->loaded);
}

static void print_device(struct printer *printer, unsigned d)
{
	const struct describe *view = printer->view;
	const struct describe_device *device = &view->device[d];
	const struct core_device *core = view->numbered ? &view->core.device[view->number[d]] : NULL;

	add(printer, "device '%s'", device->label);
	if (core)
		add(printer, " (%u)", view->number[d]);
	add(printer, ": %s", vfiomig_state_name(device->state));
	if (device->abandoned || (core && core->stuck))
		add(printer, "; stuck: its call was given up");
	else if (core && core->busy)
		add_work(printer, device, core->busy);
	else if (core)
		add_next_step(printer, view->number[d]);
	else
		add(printer, "; idle");
	add_packets(printer, device);
	end_line(printer);
}

static void print_session(struct printer *printer)
{
	const struct describe *view = printer->view;

	add(printer, "session ");
	for (unsigned i = 0; i < sizeof(view->id); i++)
		add(printer, "%02x", view->id[i]);
	add(printer, ": %s, %u device%s", view->role == VFIOMIG_SOURCE ? "source" : "destination", view->devices,
	    view->devices == 1 ? "" : "s");
	if (view->lanes)
		add(printer, ", %u lane%s over %s, %" PRIu32 " slots of %zu bytes per device", view->lanes,
		    view->lanes == 1 ? "" : "s", view->transport, view->slots, view->slot_bytes);
	if (!view->started)
		add(printer, "; not started");
	end_line(printer);
}

void describe_print(const struct describe *now, uint64_t now_ns, void (*line)(void *context, const char *text),
		    void *context)
{
	struct printer printer = { .view = now, .now_ns = now_ns, .line = line, .context = context };

	print_session(&printer);
	if (!now->started)
		return;
	print_control(&printer);
	print_fabric(&printer);
	for (unsigned l = 0; now->open && l < now->lanes; l++)
		print_lane(&printer, l);
	for (unsigned d = 0; d < now->devices; d++)
		print_device(&printer, d);
}
