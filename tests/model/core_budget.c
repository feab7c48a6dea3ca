/* SPDX-License-Identifier: MIT */
/*
 * Budgets of made-up downtimes, whose every moment is known, seen through clocks that differ by any offset, and known by any
 * error: the path is always whole, and nothing needs to be moved by more than the clocks are wrong. Then of pure noise.
 */
#include <criterion/criterion.h>

#include <string.h>

#include "core/budget.h"
#include "support/random.h"

enum { SEEDS = 20000, DEVICES = 5, STEP_NS = 1000 };

struct downtime {
	struct random random;
	struct budget_facts facts;
	struct vfiomig_budget budget;
	int64_t offset_ns;	/* the destination's clock less the source's, truly */
	int64_t believed_by_ns; /* what is believed, less that */
	uint64_t stop_ns;
};

/* @at_ns and some time more; often none. */
static uint64_t after(struct downtime *downtime, uint64_t at_ns)
{
	return at_ns + (random_below(&downtime->random, 4) ? random_below(&downtime->random, STEP_NS) : 0);
}

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static struct telemetry_span there(const struct downtime *downtime, uint64_t begin_ns, uint64_t end_ns)
{
	return (struct telemetry_span){ begin_ns + (uint64_t)downtime->offset_ns,
					end_ns + (uint64_t)downtime->offset_ns, end_ns - begin_ns };
}

/* Quiesce (where there is P2P), barrier, stop: returns the barrier's end. */
static void stop_devices(struct downtime *downtime, bool p2p)
{
	struct budget_facts *facts = &downtime->facts;
	uint64_t barrier_ns = downtime->stop_ns;

	for (unsigned d = 0; d < facts->devices && p2p; d++) {
		struct budget_call *call = &facts->source[d].quiesce;

		call->begin_ns = d == 0 ? downtime->stop_ns : after(downtime, downtime->stop_ns);
		call->end_ns = after(downtime, call->begin_ns);
		barrier_ns = later(barrier_ns, call->end_ns);
	}
	for (unsigned d = 0; d < facts->devices; d++) {
		struct budget_source *source = &facts->source[d];

		source->stop_copy.begin_ns = d == 0 && !p2p ? barrier_ns : after(downtime, barrier_ns);
		source->stop_copy.end_ns = after(downtime, source->stop_copy.begin_ns);
		source->first_packet_ns = after(downtime, source->stop_copy.end_ns);
	}
}

/* Shares that fill the stream, and what each stage was busy: at least its share. */
static void share(struct downtime *downtime, struct telemetry_spans *spans, uint64_t length_ns)
{
	uint64_t *shares[] = { &spans->load_ns, &spans->wire_ns, &spans->read_ns, &spans->wait_ns,
			       &spans->hand_over_ns };

	for (unsigned i = 0; i < 4; i++) {
		*shares[i] = random_below(&downtime->random, (size_t)length_ns + 1);
		length_ns -= *shares[i];
	}
	*shares[4] = length_ns;
	spans->wire_busy_ns = spans->wire_ns;
	spans->read_busy_ns = spans->read_ns;
	spans->wait_busy_ns = spans->wait_ns;
}

/* From the first read of device @d to its validation; returns when both sides are done with it. */
static uint64_t load_device(struct downtime *downtime, unsigned d)
{
	struct budget_source *source = &downtime->facts.source[d];
	struct telemetry_spans *spans = &downtime->facts.destination[d];
	uint64_t begin_ns = after(downtime, source->stop_copy.end_ns), end_ns = after(downtime, begin_ns) + 1;
	uint64_t config_ns = after(downtime, end_ns), configured_ns = after(downtime, config_ns);
	uint64_t finish_ns = after(downtime, configured_ns), finished_ns = after(downtime, finish_ns);

	spans->number = (uint16_t)d;
	spans->span[TELEMETRY_STREAM] = there(downtime, begin_ns, end_ns);
	spans->span[TELEMETRY_CONFIG] = there(downtime, config_ns, configured_ns);
	spans->span[TELEMETRY_FINISH] = there(downtime, finish_ns, finished_ns);
	share(downtime, spans, end_ns - begin_ns);
	spans->wire_begin_ns = begin_ns + (uint64_t)downtime->offset_ns;
	spans->wire_end_ns = end_ns + (uint64_t)downtime->offset_ns;
	source->stop.begin_ns = after(downtime, source->stop_copy.end_ns);
	source->stop.end_ns = after(downtime, source->stop.begin_ns) + random_below(&downtime->random, 2) * STEP_NS;
	return later(finished_ns, source->stop.end_ns);
}

/* P2P, barrier, run, from @ready_ns on; returns when the last one runs. */
static uint64_t run_devices(struct downtime *downtime, bool p2p, uint64_t ready_ns)
{
	uint64_t told_ns = after(downtime, ready_ns), barrier_ns = told_ns, last_ns = told_ns;

	for (unsigned d = 0; d < downtime->facts.devices && p2p; d++) {
		uint64_t begin_ns = after(downtime, told_ns), end_ns = after(downtime, begin_ns);

		downtime->facts.destination[d].span[TELEMETRY_RUN_P2P] = there(downtime, begin_ns, end_ns);
		barrier_ns = later(barrier_ns, end_ns);
	}
	for (unsigned d = 0; d < downtime->facts.devices; d++) {
		uint64_t begin_ns = after(downtime, barrier_ns), end_ns = after(downtime, begin_ns);

		downtime->facts.destination[d].span[TELEMETRY_RUN] = there(downtime, begin_ns, end_ns);
		last_ns = later(last_ns, end_ns);
	}
	return last_ns;
}

static void make_up(struct downtime *downtime, uint64_t seed, size_t wrong_by_max)
{
	struct budget_facts *facts = &downtime->facts;
	uint64_t ready_ns = 0;
	bool p2p;

	memset(downtime, 0, sizeof(*downtime));
	downtime->random.state = seed;
	facts->devices = 1 + (unsigned)random_below(&downtime->random, DEVICES);
	p2p = facts->devices > 1 || random_below(&downtime->random, 2);
	downtime->stop_ns = (UINT64_C(1) << 52) + random_below(&downtime->random, 1000);
	downtime->offset_ns = (int64_t)random_below(&downtime->random, (size_t)1 << 52) - (INT64_C(1) << 51);
	downtime->believed_by_ns =
		(int64_t)random_below(&downtime->random, 2 * wrong_by_max + 1) - (int64_t)wrong_by_max;
	facts->stop_ns = downtime->stop_ns;
	facts->source_known = facts->destination_known = true;
	facts->clocks = (struct clocks){ 8, downtime->offset_ns + downtime->believed_by_ns, wrong_by_max };
	stop_devices(downtime, p2p);
	for (unsigned d = 0; d < facts->devices; d++)
		ready_ns = later(ready_ns, load_device(downtime, d));
	facts->done_ns = after(downtime, run_devices(downtime, p2p, ready_ns)) + 1;
	downtime->budget.size = sizeof(downtime->budget);
	budget_make(facts, &downtime->budget);
}

/* From 0 to the downtime, without gap or overlap. */
static void assert_whole(const struct vfiomig_budget *budget, uint64_t seed)
{
	uint64_t at_ns = 0;

	cr_assert_leq(budget->path_pieces, VFIOMIG_PATH_PIECES_MAX);
	for (unsigned i = 0; i < budget->path_pieces; i++) {
		const struct vfiomig_path_piece *piece = &budget->path[i];

		cr_assert_eq(piece->begin_ns, at_ns, "seed %llu, piece %u", (unsigned long long)seed, i);
		cr_assert_gt(piece->end_ns, at_ns, "seed %llu, piece %u", (unsigned long long)seed, i);
		at_ns = piece->end_ns;
	}
	cr_assert_eq(at_ns, budget->downtime_ns, "seed %llu: the path ends at %llu of %llu ns",
		     (unsigned long long)seed, (unsigned long long)at_ns, (unsigned long long)budget->downtime_ns);
}

static uint64_t piece_ns(const struct vfiomig_budget *budget, enum vfiomig_span span)
{
	uint64_t sum_ns = 0;

	for (unsigned i = 0; i < budget->path_pieces; i++)
		if (budget->path[i].span == span)
			sum_ns += budget->path[i].end_ns - budget->path[i].begin_ns;
	return sum_ns;
}

static void assert_spans_in_order(const struct vfiomig_budget *budget)
{
	for (unsigned d = 0; d < budget->devices; d++)
		for (unsigned s = 0; s < VFIOMIG_SPAN_COUNT; s++) {
			const struct vfiomig_span_time *span = &budget->device[d].span[s];

			cr_assert_leq(span->begin_ns, span->end_ns, "device %u, span %s", d,
				      vfiomig_span_name((enum vfiomig_span)s));
			cr_assert(span->there || (!span->begin_ns && !span->end_ns && !span->busy_ns));
		}
}

Test(budget_model, with_clocks_that_are_right_nothing_needs_to_be_moved)
{
	static struct downtime downtime;

	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		const struct vfiomig_budget *budget = &downtime.budget;
		const struct telemetry_spans *spans;

		make_up(&downtime, seed, 0);
		spans = &downtime.facts.destination[budget->path_device];
		assert_whole(budget, seed);
		assert_spans_in_order(budget);
		cr_assert_eq(budget->clock_misfit_ns, 0, "seed %llu: %llu", (unsigned long long)seed,
			     (unsigned long long)budget->clock_misfit_ns);
		cr_assert_eq(piece_ns(budget, VFIOMIG_SPAN_LOAD), spans->load_ns, "seed %llu",
			     (unsigned long long)seed);
		cr_assert_eq(piece_ns(budget, VFIOMIG_SPAN_WIRE), spans->wire_ns);
		cr_assert_eq(piece_ns(budget, VFIOMIG_SPAN_SLOT_WAIT), spans->wait_ns);
		cr_assert_eq(piece_ns(budget, VFIOMIG_SPAN_HAND_OVER), spans->hand_over_ns);
		cr_assert_geq(piece_ns(budget, VFIOMIG_SPAN_READ), spans->read_ns);
		cr_assert_eq(piece_ns(budget, VFIOMIG_SPAN_CONFIG), spans->span[TELEMETRY_CONFIG].busy_ns);
		for (unsigned d = 0; d < budget->devices; d++)
			cr_assert_leq(budget->device[d].span[VFIOMIG_SPAN_LOAD_TRANSITION].end_ns,
				      budget->device[budget->path_device].span[VFIOMIG_SPAN_LOAD_TRANSITION].end_ns);
	}
}

Test(budget_model, with_clocks_that_are_wrong_nothing_is_moved_by_more_than_that)
{
	static struct downtime downtime;
	unsigned moved = 0;

	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		make_up(&downtime, seed, STEP_NS / 2);
		assert_whole(&downtime.budget, seed);
		assert_spans_in_order(&downtime.budget);
		cr_assert_leq(
			downtime.budget.clock_misfit_ns,
			(uint64_t)(downtime.believed_by_ns < 0 ? -downtime.believed_by_ns : downtime.believed_by_ns),
			"seed %llu", (unsigned long long)seed);
		moved += downtime.budget.clock_misfit_ns > 0;
	}
	cr_assert_gt(moved, SEEDS / 10, "the runs must have been where it is interesting");
}

/* A peer may say anything: the path is whole all the same, and nothing overflows (which the sanitizer would tell). */
Test(budget_model, of_noise_the_path_is_still_whole)
{
	static struct downtime downtime;

	for (uint64_t seed = 1; seed <= SEEDS / 4; seed++) {
		struct budget_facts *facts = &downtime.facts;

		make_up(&downtime, seed, 0);
		random_fill(&downtime.random, facts->destination, facts->devices * sizeof(facts->destination[0]));
		facts->clocks.offset_ns = (int64_t)random_next(&downtime.random);
		for (unsigned d = 0; d < facts->devices; d++)
			for (unsigned s = 0; s < TELEMETRY_SPANS; s++) {
				struct telemetry_span *span = &facts->destination[d].span[s];

				span->end_ns |= span->begin_ns; /* what can be decoded ends after its begin */
			}
		budget_make(facts, &downtime.budget);
		assert_whole(&downtime.budget, seed);
		assert_spans_in_order(&downtime.budget);
	}
}
