/* SPDX-License-Identifier: MIT */
#include "core/budget.h"

/* A peer may say any time at all: beyond this nothing is placed, so that no sum of a few overflows. */
#define FAR_NS (INT64_C(1) << 58)

static int64_t place(uint64_t since_stop_ns)
{
	int64_t at_ns = (int64_t)since_stop_ns;

	return at_ns > FAR_NS ? FAR_NS : at_ns < -FAR_NS ? -FAR_NS : at_ns;
}

static int64_t length_of(uint64_t ns)
{
	return ns < (uint64_t)FAR_NS ? (int64_t)ns : FAR_NS;
}

/* @at_ns of the source's clock, from the stop on. */
static int64_t here(const struct budget_facts *facts, uint64_t at_ns)
{
	return place(at_ns - facts->stop_ns);
}

/* @at_ns of the destination's. */
static int64_t there(const struct budget_facts *facts, uint64_t at_ns)
{
	return place(at_ns - facts->stop_ns - (uint64_t)facts->clocks.offset_ns);
}

static void set(struct vfiomig_span_time *span, int64_t begin_ns, int64_t end_ns, uint64_t busy_ns)
{
	*span = (struct vfiomig_span_time){ true, begin_ns, end_ns < begin_ns ? begin_ns : end_ns, busy_ns };
}

static void set_whole(struct vfiomig_span_time *span, int64_t begin_ns, int64_t end_ns)
{
	set(span, begin_ns, end_ns, end_ns > begin_ns ? (uint64_t)(end_ns - begin_ns) : 0);
}

static void set_call(const struct budget_facts *facts, struct vfiomig_span_time *span, const struct budget_call *call)
{
	if (call->begin_ns)
		set_whole(span, here(facts, call->begin_ns), here(facts, call->end_ns));
}

static void set_span(const struct budget_facts *facts, struct vfiomig_span_time *span,
		     const struct telemetry_span *from)
{
	if (from->begin_ns)
		set_whole(span, there(facts, from->begin_ns), there(facts, from->end_ns));
}

static void source_spans(const struct budget_facts *facts, const struct budget_source *from,
			 struct vfiomig_device_budget *device)
{
	struct vfiomig_span_time *span = device->span;

	device->precopy_bytes = from->precopy_bytes;
	device->precopy_ns = from->precopy_ns;
	device->stop_copy_bytes = from->stop_copy_bytes;
	set_call(facts, &span[VFIOMIG_SPAN_QUIESCE], &from->quiesce);
	set_call(facts, &span[VFIOMIG_SPAN_STOP], &from->stop_copy);
	set_call(facts, &span[VFIOMIG_SPAN_SOURCE_STOP], &from->stop);
	if (from->quiesce.begin_ns && from->stop_copy.begin_ns)
		set_whole(&span[VFIOMIG_SPAN_STOP_BARRIER], here(facts, from->quiesce.end_ns),
			  here(facts, from->stop_copy.begin_ns));
	if (from->first_packet_ns)
		set_whole(&span[VFIOMIG_SPAN_FIRST_READ], here(facts, from->stop_copy.end_ns),
			  here(facts, from->first_packet_ns));
}

/* The slowest stage: whose share of the streaming part is largest. */
static void name_bottleneck(struct vfiomig_device_budget *device, const struct telemetry_spans *from)
{
	double length_ns = (double)(device->streaming_end_ns - device->streaming_begin_ns);

	if (!(length_ns > 0))
		return;
	device->read_share = (double)from->read_busy_ns / length_ns;
	device->wire_share = (double)from->wire_busy_ns / length_ns;
	device->load_share = (double)from->load_ns / length_ns;
	device->bottleneck = VFIOMIG_SPAN_READ;
	if (device->wire_share > device->read_share)
		device->bottleneck = VFIOMIG_SPAN_WIRE;
	if (device->load_share > device->read_share && device->load_share > device->wire_share)
		device->bottleneck = VFIOMIG_SPAN_LOAD;
}

static void destination_spans(const struct budget_facts *facts, const struct telemetry_spans *from,
			      struct vfiomig_device_budget *device)
{
	const struct telemetry_span *stream = &from->span[TELEMETRY_STREAM];
	const struct telemetry_span *config = &from->span[TELEMETRY_CONFIG];
	struct vfiomig_span_time *span = device->span;
	int64_t begin_ns = there(facts, stream->begin_ns), end_ns = there(facts, stream->end_ns);

	set_span(facts, &span[VFIOMIG_SPAN_CONFIG], config);
	set_span(facts, &span[VFIOMIG_SPAN_LOAD_TRANSITION], &from->span[TELEMETRY_FINISH]);
	set_span(facts, &span[VFIOMIG_SPAN_RUN_P2P], &from->span[TELEMETRY_RUN_P2P]);
	set_span(facts, &span[VFIOMIG_SPAN_RUN], &from->span[TELEMETRY_RUN]);
	if (from->span[TELEMETRY_RUN_P2P].begin_ns && from->span[TELEMETRY_RUN].begin_ns)
		set_whole(&span[VFIOMIG_SPAN_RUN_BARRIER], there(facts, from->span[TELEMETRY_RUN_P2P].end_ns),
			  there(facts, from->span[TELEMETRY_RUN].begin_ns));
	if (!stream->begin_ns)
		return;
	device->streaming_begin_ns = begin_ns;
	device->streaming_end_ns = end_ns;
	set(&span[VFIOMIG_SPAN_READ], begin_ns, end_ns, from->read_busy_ns);
	set(&span[VFIOMIG_SPAN_SLOT_WAIT], begin_ns, end_ns, from->wait_busy_ns);
	set(&span[VFIOMIG_SPAN_REORDER_WAIT], begin_ns, end_ns, from->reorder_ns);
	set(&span[VFIOMIG_SPAN_LOAD], begin_ns, end_ns, from->load_ns);
	set(&span[VFIOMIG_SPAN_STARVED], begin_ns, end_ns, from->wire_ns + from->read_ns + from->wait_ns);
	set(&span[VFIOMIG_SPAN_HAND_OVER], begin_ns, end_ns, from->hand_over_ns);
	if (from->wire_begin_ns)
		set(&span[VFIOMIG_SPAN_WIRE], there(facts, from->wire_begin_ns), there(facts, from->wire_end_ns),
		    from->wire_busy_ns);
	if (config->begin_ns)
		set_whole(&span[VFIOMIG_SPAN_GATE_WAIT], end_ns, there(facts, config->begin_ns));
	name_bottleneck(device, from);
}

/* The path so far: pieces follow each other, whatever the clocks say. */
struct path {
	struct vfiomig_budget *budget;
	int64_t at_ns;
};

static void note_misfit(struct vfiomig_budget *budget, int64_t ns)
{
	if ((uint64_t)ns > budget->clock_misfit_ns)
		budget->clock_misfit_ns = (uint64_t)ns;
}

/* Nothing ends before what came before it, and nothing after DONE was heard. */
static void go_to(struct path *path, enum vfiomig_span span, int64_t end_ns)
{
	struct vfiomig_budget *budget = path->budget;
	struct vfiomig_path_piece *piece = &budget->path[budget->path_pieces];
	int64_t last_ns = (int64_t)budget->downtime_ns;

	if (end_ns > last_ns) {
		note_misfit(budget, end_ns - last_ns);
		end_ns = last_ns;
	}
	if (end_ns < path->at_ns)
		note_misfit(budget, path->at_ns - end_ns);
	if (end_ns <= path->at_ns)
		return;
	*piece = (struct vfiomig_path_piece){ span, (uint64_t)path->at_ns, (uint64_t)end_ns };
	budget->path_pieces++;
	path->at_ns = end_ns;
}

static void go_through(struct path *path, enum vfiomig_span span, const struct vfiomig_span_time *time)
{
	if (time->there)
		go_to(path, span, time->end_ns);
}

/*
 * The streaming part by its shares, one after the other. The source's own way to its first read, and what rounding leaves, is
 * read.
 */
static void go_streaming(struct path *path, const struct telemetry_spans *from,
			 const struct vfiomig_device_budget *device)
{
	int64_t end_ns = device->streaming_end_ns, length_ns = end_ns - path->at_ns;
	const struct {
		enum vfiomig_span span;
		uint64_t ns;
	} shares[] = {
		{ VFIOMIG_SPAN_SLOT_WAIT, from->wait_ns },
		{ VFIOMIG_SPAN_WIRE, from->wire_ns },
		{ VFIOMIG_SPAN_HAND_OVER, from->hand_over_ns },
		{ VFIOMIG_SPAN_LOAD, from->load_ns },
	};
	int64_t others_ns = 0;

	for (unsigned i = 0; i < 4; i++)
		others_ns += length_of(shares[i].ns);
	go_to(path, VFIOMIG_SPAN_READ, length_ns > others_ns ? end_ns - others_ns : path->at_ns);
	for (unsigned i = 0; i < 4; i++) {
		int64_t to_ns = path->at_ns + length_of(shares[i].ns);

		go_to(path, shares[i].span, to_ns < end_ns ? to_ns : end_ns);
	}
	go_to(path, VFIOMIG_SPAN_LOAD, end_ns);
}

/* The device whose @span ends last. */
static unsigned last_of(const struct vfiomig_budget *budget, enum vfiomig_span span)
{
	unsigned last = 0;

	for (unsigned d = 1; d < budget->devices; d++)
		if (budget->device[d].span[span].end_ns > budget->device[last].span[span].end_ns)
			last = d;
	return last;
}

/* When the first device is told to run. */
static int64_t first_run(const struct vfiomig_budget *budget)
{
	int64_t first_ns = INT64_MAX;

	for (unsigned d = 0; d < budget->devices; d++) {
		const struct vfiomig_span_time *span = budget->device[d].span;
		const struct vfiomig_span_time *run =
			span[VFIOMIG_SPAN_RUN_P2P].there ? &span[VFIOMIG_SPAN_RUN_P2P] : &span[VFIOMIG_SPAN_RUN];

		if (run->there && run->begin_ns < first_ns)
			first_ns = run->begin_ns;
	}
	return first_ns;
}

static void make_path(const struct budget_facts *facts, struct vfiomig_budget *budget)
{
	unsigned ready = last_of(budget, VFIOMIG_SPAN_LOAD_TRANSITION), runs = last_of(budget, VFIOMIG_SPAN_RUN);
	const struct vfiomig_span_time *span = budget->device[ready].span, *run = budget->device[runs].span;
	unsigned stops = last_of(budget, VFIOMIG_SPAN_SOURCE_STOP);
	struct path path = { budget, 0 };
	int64_t told_ns = first_run(budget);

	budget->path_device = ready;
	go_through(&path, VFIOMIG_SPAN_QUIESCE, &span[VFIOMIG_SPAN_QUIESCE]);
	if (span[VFIOMIG_SPAN_STOP].there)
		go_to(&path, VFIOMIG_SPAN_STOP_BARRIER, span[VFIOMIG_SPAN_STOP].begin_ns);
	go_through(&path, VFIOMIG_SPAN_STOP, &span[VFIOMIG_SPAN_STOP]);
	go_streaming(&path, &facts->destination[ready], &budget->device[ready]);
	if (span[VFIOMIG_SPAN_CONFIG].there)
		go_to(&path, VFIOMIG_SPAN_GATE_WAIT, span[VFIOMIG_SPAN_CONFIG].begin_ns);
	go_through(&path, VFIOMIG_SPAN_CONFIG, &span[VFIOMIG_SPAN_CONFIG]);
	go_through(&path, VFIOMIG_SPAN_LOAD_TRANSITION, &span[VFIOMIG_SPAN_LOAD_TRANSITION]);
	if (budget->device[stops].span[VFIOMIG_SPAN_SOURCE_STOP].end_ns > path.at_ns)
		go_to(&path, VFIOMIG_SPAN_SOURCE_STOP, budget->device[stops].span[VFIOMIG_SPAN_SOURCE_STOP].end_ns);
	if (told_ns != INT64_MAX)
		go_to(&path, VFIOMIG_SPAN_COMMIT, told_ns);
	go_through(&path, VFIOMIG_SPAN_RUN_P2P, &run[VFIOMIG_SPAN_RUN_P2P]);
	if (run[VFIOMIG_SPAN_RUN].there)
		go_to(&path, VFIOMIG_SPAN_RUN_BARRIER, run[VFIOMIG_SPAN_RUN].begin_ns);
	go_through(&path, VFIOMIG_SPAN_RUN, &run[VFIOMIG_SPAN_RUN]);
	go_to(&path, VFIOMIG_SPAN_DONE, (int64_t)budget->downtime_ns);
}

static void commit_spans(struct vfiomig_budget *budget)
{
	int64_t told_ns = first_run(budget);

	for (unsigned d = 0; d < budget->devices && told_ns != INT64_MAX; d++)
		if (budget->device[d].span[VFIOMIG_SPAN_LOAD_TRANSITION].there)
			set_whole(&budget->device[d].span[VFIOMIG_SPAN_COMMIT],
				  budget->device[d].span[VFIOMIG_SPAN_LOAD_TRANSITION].end_ns, told_ns);
}

void budget_make(const struct budget_facts *facts, struct vfiomig_budget *budget)
{
	*budget = (struct vfiomig_budget){ .size = budget->size,
					   .both_sides = facts->source_known && facts->destination_known,
					   .clock_offset_ns = facts->clocks.offset_ns,
					   .clock_error_ns = facts->clocks.error_ns,
					   .devices = facts->devices };
	if (facts->done_ns)
		budget->downtime_ns = facts->done_ns - facts->stop_ns;
	for (unsigned d = 0; d < facts->devices; d++) {
		budget->device[d].bottleneck = VFIOMIG_SPAN_COUNT;
		if (facts->source_known)
			source_spans(facts, &facts->source[d], &budget->device[d]);
		if (facts->destination_known)
			destination_spans(facts, &facts->destination[d], &budget->device[d]);
	}
	commit_spans(budget);
	if (budget->both_sides && facts->done_ns)
		make_path(facts, budget);
}
