/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>

#include <string.h>

#include "core/budget.h"

/* The source's clock at the stop, and how far the destination's is ahead of it. */
enum { STOP_NS = 1000000, AHEAD_NS = 70000 };

static struct budget_facts facts;
static struct vfiomig_budget budget;

static uint64_t here(uint64_t at_ns)
{
	return STOP_NS + at_ns;
}

static struct telemetry_span there(uint64_t begin_ns, uint64_t end_ns)
{
	return (struct telemetry_span){ STOP_NS + AHEAD_NS + begin_ns, STOP_NS + AHEAD_NS + end_ns, end_ns - begin_ns };
}

/* A device with P2P whose every span is different; @late ns are what it is behind in its stream and after. */
static void make_device(unsigned d, uint64_t late)
{
	facts.source[d] = (struct budget_source){ .quiesce = { here(0), here(10) },
						  .stop_copy = { here(15), here(35) },
						  .first_packet_ns = here(50),
						  .stop = { here(300), here(320) },
						  .precopy_bytes = 4096,
						  .precopy_ns = 77,
						  .stop_copy_bytes = 512 };
	facts.destination[d] = (struct telemetry_spans){ .number = (uint16_t)d,
							 .load_ns = 100 + late,
							 .wire_ns = 80,
							 .read_ns = 60,
							 .wait_ns = 15,
							 .hand_over_ns = 5,
							 .wire_busy_ns = 130,
							 .read_busy_ns = 90,
							 .wait_busy_ns = 20,
							 .reorder_ns = 7,
							 .wire_begin_ns = STOP_NS + AHEAD_NS + 50,
							 .wire_end_ns = STOP_NS + AHEAD_NS + 280 };
	facts.destination[d].span[TELEMETRY_STREAM] = there(40, 300 + late);
	facts.destination[d].span[TELEMETRY_CONFIG] = there(330 + late, 400 + late);
	facts.destination[d].span[TELEMETRY_FINISH] = there(400 + late, 500 + late);
	facts.destination[d].span[TELEMETRY_RUN_P2P] = there(700, 740 + d);
	facts.destination[d].span[TELEMETRY_RUN] = there(750, 790 + d);
}

static void start(unsigned devices)
{
	memset(&facts, 0, sizeof(facts));
	facts = (struct budget_facts){ .devices = devices,
				       .stop_ns = here(0),
				       .done_ns = here(800),
				       .clocks = { 8, AHEAD_NS, 3 },
				       .source_known = true,
				       .destination_known = true };
	for (unsigned d = 0; d < devices; d++)
		make_device(d, 20 * d);
}

static void make(void)
{
	budget = (struct vfiomig_budget){ .size = sizeof(budget) };
	budget_make(&facts, &budget);
	cr_assert_eq(budget.size, sizeof(budget));
	cr_assert_eq(budget.devices, facts.devices);
	cr_assert_eq(budget.clock_misfit_ns, 0);
}

static void assert_path(const struct vfiomig_path_piece *wanted, unsigned count)
{
	for (unsigned i = 0; i < count && i < budget.path_pieces; i++) {
		const struct vfiomig_path_piece *piece = &budget.path[i];

		cr_assert(piece->span == wanted[i].span && piece->begin_ns == wanted[i].begin_ns &&
				  piece->end_ns == wanted[i].end_ns,
			  "piece %u is %s %llu..%llu, not %s %llu..%llu", i, vfiomig_span_name(piece->span),
			  (unsigned long long)piece->begin_ns, (unsigned long long)piece->end_ns,
			  vfiomig_span_name(wanted[i].span), (unsigned long long)wanted[i].begin_ns,
			  (unsigned long long)wanted[i].end_ns);
	}
	cr_assert_eq(budget.path_pieces, count);
}

#define ASSERT_PATH(...)                                                \
	assert_path((const struct vfiomig_path_piece[]){ __VA_ARGS__ }, \
		    sizeof((const struct vfiomig_path_piece[]){ __VA_ARGS__ }) / sizeof(struct vfiomig_path_piece))

static void assert_span(unsigned d, enum vfiomig_span span, int64_t begin_ns, int64_t end_ns, uint64_t busy_ns)
{
	const struct vfiomig_span_time *time = &budget.device[d].span[span];

	cr_assert(time->there, "%s", vfiomig_span_name(span));
	cr_assert(time->begin_ns == begin_ns && time->end_ns == end_ns && time->busy_ns == busy_ns,
		  "%s is %lld..%lld, busy %llu", vfiomig_span_name(span), (long long)time->begin_ns,
		  (long long)time->end_ns, (unsigned long long)time->busy_ns);
}

Test(budget, the_path_of_one_device_leads_from_the_stop_to_done)
{
	start(1);
	make();
	cr_assert(budget.both_sides);
	cr_assert_eq(budget.downtime_ns, 800);
	ASSERT_PATH({ VFIOMIG_SPAN_QUIESCE, 0, 10 }, { VFIOMIG_SPAN_STOP_BARRIER, 10, 15 },
		    { VFIOMIG_SPAN_STOP, 15, 35 }, { VFIOMIG_SPAN_READ, 35, 100 }, { VFIOMIG_SPAN_SLOT_WAIT, 100, 115 },
		    { VFIOMIG_SPAN_WIRE, 115, 195 }, { VFIOMIG_SPAN_HAND_OVER, 195, 200 },
		    { VFIOMIG_SPAN_LOAD, 200, 300 }, { VFIOMIG_SPAN_GATE_WAIT, 300, 330 },
		    { VFIOMIG_SPAN_CONFIG, 330, 400 }, { VFIOMIG_SPAN_LOAD_TRANSITION, 400, 500 },
		    { VFIOMIG_SPAN_COMMIT, 500, 700 }, { VFIOMIG_SPAN_RUN_P2P, 700, 740 },
		    { VFIOMIG_SPAN_RUN_BARRIER, 740, 750 }, { VFIOMIG_SPAN_RUN, 750, 790 },
		    { VFIOMIG_SPAN_DONE, 790, 800 });
}

Test(budget, a_device_without_p2p_has_no_quiesce_and_no_barriers)
{
	start(1);
	facts.source[0].quiesce = (struct budget_call){ 0, 0 };
	facts.source[0].stop_copy = (struct budget_call){ here(0), here(35) };
	facts.destination[0].span[TELEMETRY_RUN_P2P] = (struct telemetry_span){ 0, 0, 0 };
	make();
	cr_assert_not(budget.device[0].span[VFIOMIG_SPAN_QUIESCE].there);
	cr_assert_not(budget.device[0].span[VFIOMIG_SPAN_STOP_BARRIER].there);
	cr_assert_not(budget.device[0].span[VFIOMIG_SPAN_RUN_BARRIER].there);
	assert_span(0, VFIOMIG_SPAN_COMMIT, 500, 750, 250);
	cr_assert_eq(budget.path[0].span, VFIOMIG_SPAN_STOP);
	cr_assert_eq(budget.path[0].end_ns, 35);
	cr_assert_eq(budget.path[budget.path_pieces - 2].span, VFIOMIG_SPAN_RUN);
	cr_assert_eq(budget.path[budget.path_pieces - 3].span, VFIOMIG_SPAN_COMMIT);
}

Test(budget, the_path_goes_along_the_device_that_was_ready_last_and_ends_with_the_one_that_ran_last)
{
	start(3);
	make_device(1, 150);
	facts.destination[2].span[TELEMETRY_RUN].end_ns += 5;
	make();
	cr_assert_eq(budget.path_device, 1);
	ASSERT_PATH({ VFIOMIG_SPAN_QUIESCE, 0, 10 }, { VFIOMIG_SPAN_STOP_BARRIER, 10, 15 },
		    { VFIOMIG_SPAN_STOP, 15, 35 }, { VFIOMIG_SPAN_READ, 35, 100 }, { VFIOMIG_SPAN_SLOT_WAIT, 100, 115 },
		    { VFIOMIG_SPAN_WIRE, 115, 195 }, { VFIOMIG_SPAN_HAND_OVER, 195, 200 },
		    { VFIOMIG_SPAN_LOAD, 200, 450 }, { VFIOMIG_SPAN_GATE_WAIT, 450, 480 },
		    { VFIOMIG_SPAN_CONFIG, 480, 550 }, { VFIOMIG_SPAN_LOAD_TRANSITION, 550, 650 },
		    { VFIOMIG_SPAN_COMMIT, 650, 700 }, { VFIOMIG_SPAN_RUN_P2P, 700, 742 },
		    { VFIOMIG_SPAN_RUN_BARRIER, 742, 750 }, { VFIOMIG_SPAN_RUN, 750, 797 },
		    { VFIOMIG_SPAN_DONE, 797, 800 });
	assert_span(0, VFIOMIG_SPAN_COMMIT, 500, 700, 200);
}

Test(budget, serial_what_a_device_waited_for_its_turn_is_its_barrier)
{
	start(2);
	make_device(1, 100);
	facts.source[0].quiesce = (struct budget_call){ here(0), here(6) };
	facts.source[1].quiesce = (struct budget_call){ here(6), here(12) };
	facts.source[1].stop_copy = (struct budget_call){ here(90), here(110) };
	facts.destination[1].span[TELEMETRY_STREAM] = there(120, 400);
	make();
	cr_assert_eq(budget.path_device, 1);
	assert_span(1, VFIOMIG_SPAN_STOP_BARRIER, 12, 90, 78);
	cr_assert_eq(budget.path[0].span, VFIOMIG_SPAN_QUIESCE);
	cr_assert_eq(budget.path[0].end_ns, 12);
	cr_assert_eq(budget.path[1].span, VFIOMIG_SPAN_STOP_BARRIER);
	cr_assert_eq(budget.path[1].end_ns, 90);
}

Test(budget, a_gate_that_opens_at_once_has_no_piece)
{
	start(1);
	facts.destination[0].span[TELEMETRY_CONFIG] = there(300, 400);
	make();
	assert_span(0, VFIOMIG_SPAN_GATE_WAIT, 300, 300, 0);
	for (unsigned i = 0; i < budget.path_pieces; i++)
		cr_assert_neq(budget.path[i].span, VFIOMIG_SPAN_GATE_WAIT);
}

Test(budget, a_source_that_stops_copying_last_of_all_is_on_the_path)
{
	start(2);
	facts.source[0].stop.end_ns = here(640);
	make();
	cr_assert_eq(budget.path_device, 1);
	for (unsigned i = 0; i < budget.path_pieces; i++)
		if (budget.path[i].span == VFIOMIG_SPAN_SOURCE_STOP) {
			cr_assert_eq(budget.path[i].begin_ns, 520);
			cr_assert_eq(budget.path[i].end_ns, 640);
			cr_assert_eq(budget.path[i + 1].span, VFIOMIG_SPAN_COMMIT);
			return;
		}
	cr_assert_fail("it is not");
}

Test(budget, spans_lie_on_the_sources_clock)
{
	start(1);
	make();
	cr_assert_eq(budget.clock_offset_ns, AHEAD_NS);
	cr_assert_eq(budget.clock_error_ns, 3);
	assert_span(0, VFIOMIG_SPAN_QUIESCE, 0, 10, 10);
	assert_span(0, VFIOMIG_SPAN_STOP_BARRIER, 10, 15, 5);
	assert_span(0, VFIOMIG_SPAN_STOP, 15, 35, 20);
	assert_span(0, VFIOMIG_SPAN_FIRST_READ, 35, 50, 15);
	assert_span(0, VFIOMIG_SPAN_READ, 40, 300, 90);
	assert_span(0, VFIOMIG_SPAN_SLOT_WAIT, 40, 300, 20);
	assert_span(0, VFIOMIG_SPAN_SOURCE_STOP, 300, 320, 20);
	assert_span(0, VFIOMIG_SPAN_WIRE, 50, 280, 130);
	assert_span(0, VFIOMIG_SPAN_REORDER_WAIT, 40, 300, 7);
	assert_span(0, VFIOMIG_SPAN_LOAD, 40, 300, 100);
	assert_span(0, VFIOMIG_SPAN_STARVED, 40, 300, 155);
	assert_span(0, VFIOMIG_SPAN_HAND_OVER, 40, 300, 5);
	assert_span(0, VFIOMIG_SPAN_GATE_WAIT, 300, 330, 30);
	assert_span(0, VFIOMIG_SPAN_CONFIG, 330, 400, 70);
	assert_span(0, VFIOMIG_SPAN_RUN_BARRIER, 740, 750, 10);
	cr_assert_eq(budget.device[0].streaming_begin_ns, 40);
	cr_assert_eq(budget.device[0].streaming_end_ns, 300);
	cr_assert_eq(budget.device[0].precopy_bytes, 4096);
	cr_assert_eq(budget.device[0].precopy_ns, 77);
	cr_assert_eq(budget.device[0].stop_copy_bytes, 512);
}

Test(budget, the_slowest_stage_is_the_one_that_was_busy_longest)
{
	static const struct {
		uint64_t read_ns, wire_ns, load_ns;
		enum vfiomig_span slowest;
	} cases[] = {
		{ 250, 20, 30, VFIOMIG_SPAN_READ },
		{ 20, 250, 30, VFIOMIG_SPAN_WIRE },
		{ 20, 30, 250, VFIOMIG_SPAN_LOAD },
	};

	for (unsigned i = 0; i < 3; i++) {
		start(1);
		facts.destination[0].read_busy_ns = cases[i].read_ns;
		facts.destination[0].wire_busy_ns = cases[i].wire_ns;
		facts.destination[0].load_ns = cases[i].load_ns;
		make();
		cr_assert_eq(budget.device[0].bottleneck, cases[i].slowest);
		cr_assert_float_eq(budget.device[0].read_share, (double)cases[i].read_ns / 260, 1e-9);
		cr_assert_float_eq(budget.device[0].wire_share, (double)cases[i].wire_ns / 260, 1e-9);
		cr_assert_float_eq(budget.device[0].load_share, (double)cases[i].load_ns / 260, 1e-9);
	}
}

Test(budget, without_the_destination_there_is_half_of_it_and_no_path)
{
	start(2);
	facts.destination_known = false;
	make();
	cr_assert_not(budget.both_sides);
	cr_assert_eq(budget.path_pieces, 0);
	cr_assert_eq(budget.downtime_ns, 800);
	assert_span(1, VFIOMIG_SPAN_QUIESCE, 0, 10, 10);
	for (unsigned s = 0; s < VFIOMIG_SPAN_COUNT; s++)
		cr_assert(!budget.device[0].span[s].there || vfiomig_span_at_source((enum vfiomig_span)s), "%s",
			  vfiomig_span_name((enum vfiomig_span)s));
	cr_assert_eq(budget.device[0].bottleneck, VFIOMIG_SPAN_COUNT);
}

Test(budget, seen_from_the_destination_there_is_its_own_half_and_no_downtime)
{
	start(1);
	facts.source_known = false;
	facts.done_ns = 0;
	make();
	cr_assert_not(budget.both_sides);
	cr_assert_eq(budget.path_pieces, 0);
	cr_assert_eq(budget.downtime_ns, 0);
	assert_span(0, VFIOMIG_SPAN_CONFIG, 330, 400, 70);
	assert_span(0, VFIOMIG_SPAN_COMMIT, 500, 700, 200);
	assert_span(0, VFIOMIG_SPAN_READ, 40, 300, 90);
	cr_assert_not(budget.device[0].span[VFIOMIG_SPAN_STOP].there);
	cr_assert_eq(budget.device[0].bottleneck, VFIOMIG_SPAN_WIRE);
}

Test(budget, a_device_that_never_ran_leaves_the_others_path_whole)
{
	start(2);
	facts.destination[1].span[TELEMETRY_RUN_P2P] = (struct telemetry_span){ 0, 0, 0 };
	facts.destination[1].span[TELEMETRY_RUN] = (struct telemetry_span){ 0, 0, 0 };
	make();
	cr_assert_eq(budget.path[budget.path_pieces - 1].end_ns, 800);
	cr_assert_eq(budget.path[budget.path_pieces - 2].span, VFIOMIG_SPAN_RUN);
	cr_assert_eq(budget.path[budget.path_pieces - 2].end_ns, 790);
}

Test(budget, every_span_has_a_name_of_its_own)
{
	for (unsigned a = 0; a < VFIOMIG_SPAN_COUNT; a++) {
		cr_assert_neq(vfiomig_span_name((enum vfiomig_span)a)[0], '\0');
		for (unsigned b = 0; b < a; b++)
			cr_assert_str_neq(vfiomig_span_name((enum vfiomig_span)a),
					  vfiomig_span_name((enum vfiomig_span)b));
	}
	cr_assert_str_eq(vfiomig_span_name(VFIOMIG_SPAN_COUNT), "?");
}
