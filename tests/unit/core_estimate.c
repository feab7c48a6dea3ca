/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>

#include <string.h>

#include "base/clock.h"
#include "core/estimate.h"
#include "support/random.h"

#define MIB UINT64_C(1048576)

enum { RUNS = 20000 };

static struct estimate_facts facts;
static struct vfiomig_estimate estimate;

/* Seconds' worth of @rate MiB/s. */
static uint64_t ns_of(uint64_t bytes, uint64_t mib_per_s)
{
	return bytes * NS_PER_S / (mib_per_s * MIB);
}

/* One device that has given 64 MiB in PRE_COPY at these MiB/s, and has @stop_bytes left; nothing else takes time. */
static void measured(unsigned d, uint64_t stop_bytes, uint64_t read, uint64_t wire, uint64_t load)
{
	facts.device[d] = (struct estimate_device){ .stop_bytes = stop_bytes,
						    .read_bytes = 64 * MIB,
						    .read_ns = ns_of(64 * MIB, read),
						    .load_bytes = 64 * MIB,
						    .load_ns = ns_of(64 * MIB, load),
						    .wire_ns = ns_of(64 * MIB, wire) };
}

static void start(unsigned devices)
{
	memset(&facts, 0, sizeof(facts));
	facts.devices = devices;
	facts.slot_bytes = 65536;
}

static void assert_ordered(unsigned run)
{
	uint64_t low_us = 0, high_us = 0;

	cr_assert_leq(estimate.low_us, estimate.expected_us, "run %u: low %llu, expected %llu", run,
		      (unsigned long long)estimate.low_us, (unsigned long long)estimate.expected_us);
	cr_assert_leq(estimate.expected_us, estimate.high_us, "run %u: expected %llu, high %llu", run,
		      (unsigned long long)estimate.expected_us, (unsigned long long)estimate.high_us);
	for (unsigned t = 0; t < estimate.terms; t++) {
		cr_assert_leq(estimate.term[t].low_us, estimate.term[t].high_us, "run %u: %s", run,
			      estimate.term[t].name);
		low_us += estimate.term[t].low_us;
		high_us += estimate.term[t].high_us;
	}
	cr_assert_eq(low_us, estimate.low_us);
	cr_assert_eq(high_us, estimate.high_us);
	cr_assert_lt(estimate.slowest_device, facts.devices);
}

static void make(void)
{
	memset(&estimate, 0x5a, sizeof(estimate));
	estimate.size = sizeof(estimate);
	estimate_make(&facts, &estimate);
	cr_assert_eq(estimate.size, sizeof(estimate));
	cr_assert_leq(estimate.terms, VFIOMIG_ESTIMATE_TERMS_MAX);
	assert_ordered(0);
}

static const struct vfiomig_estimate_term *term(const char *name)
{
	for (unsigned t = 0; t < estimate.terms; t++)
		if (strcmp(estimate.term[t].name, name) == 0)
			return &estimate.term[t];
	cr_assert_fail("there is no term '%s'", name);
	return NULL;
}

static void assert_about(uint64_t us, uint64_t wanted_us, const char *what)
{
	cr_assert(us * 100 >= wanted_us * 98 && us * 100 <= wanted_us * 102, "%s: %llu us, %llu wanted", what,
		  (unsigned long long)us, (unsigned long long)wanted_us);
}

Test(estimate, the_stream_takes_as_long_as_its_slowest_stage)
{
	static const uint64_t rates[][3] = { { 100, 2000, 2000 }, { 2000, 100, 2000 }, { 2000, 2000, 100 } };

	for (unsigned i = 0; i < 3; i++) {
		start(1);
		measured(0, 100 * MIB, rates[i][0], rates[i][1], rates[i][2]);
		make();
		assert_about(estimate.expected_us, 1000000, "100 MiB at 100 MiB/s");
		assert_about(term("stream")->low_us, 1000000, "stream");
		cr_assert_eq(term("stream")->low_us, term("stream")->high_us, "it was measured");
		cr_assert_eq(estimate.stop_copy_bytes, 100 * MIB);
	}
}

Test(estimate, the_first_slot_passes_all_stages_before_they_work_side_by_side)
{
	start(1);
	facts.slot_bytes = 10 * MIB;
	measured(0, 10 * MIB, 100, 200, 400);
	make();
	assert_about(estimate.expected_us, 100000 + 50000 + 25000, "one slot alone");
}

Test(estimate, devices_in_parallel_take_as_long_as_the_slowest_and_serial_ones_all_of_it)
{
	for (unsigned serial = 0; serial < 2; serial++) {
		start(4);
		facts.serial = serial;
		for (unsigned d = 0; d < 4; d++) {
			measured(d, (d == 2 ? 20 : 10) * MIB, 100, 4000, 1000);
			facts.device[d].p2p = true;
			facts.device[d].precopy_ns = 30 * NS_PER_MS;
			facts.device[d].resuming_ns = 30 * NS_PER_MS;
		}
		make();
		assert_about(term("stream")->low_us, serial ? 500000 : 200000, "stream");
		assert_about(term("stop transitions")->high_us, serial ? 240000 : 60000, "stop, two arcs each");
		assert_about(term("start transitions")->high_us, serial ? 120000 : 30000, "start, three arcs each");
		cr_assert_eq(estimate.slowest_device, 2);
	}
}

Test(estimate, the_wire_is_shared_by_all_devices)
{
	start(4);
	facts.trial_bytes = 50 * MIB;
	facts.trial_ns = NS_PER_S;
	for (unsigned d = 0; d < 4; d++) {
		measured(d, 25 * MIB, 500, 10, 500);
		facts.device[d].wire_ns = 0;
	}
	make();
	assert_about(term("stream")->low_us, 2000000, "100 MiB at 50 MiB/s");
}

Test(estimate, packets_seen_faster_than_the_lanes_trial_are_believed)
{
	start(1);
	facts.trial_bytes = MIB;
	facts.trial_ns = NS_PER_S;
	measured(0, 100 * MIB, 1000, 200, 1000);
	make();
	assert_about(term("stream")->low_us, 500000, "100 MiB at 200 MiB/s");
}

Test(estimate, the_commit_takes_round_trips)
{
	start(1);
	facts.rtt_ns = 2 * NS_PER_MS;
	make();
	cr_assert_eq(term("commit")->low_us, 6000);
	cr_assert_eq(term("commit")->high_us, 6000);
}

Test(estimate, of_what_was_never_measured_it_says_so_and_gives_a_range)
{
	start(1);
	facts.device[0].stop_bytes = 100 * MIB;
	facts.device[0].config = true;
	make();
	cr_assert(estimate.assumed);
	cr_assert_eq(estimate.low_us, 0);
	cr_assert_eq(estimate.high_us, 1000000 + 100000, "at least 100 MiB/s, and 100 ms for the config state");
	for (unsigned t = 0; t < estimate.terms; t++)
		if (estimate.term[t].low_us != estimate.term[t].high_us)
			cr_assert(strstr(estimate.term[t].basis, "assumed"), "%s", estimate.term[t].basis);
	cr_assert(strstr(term("stop transitions")->basis, "no transition has been measured"));
}

Test(estimate, a_device_without_precopy_is_assumed_beside_one_that_is_measured)
{
	start(2);
	measured(0, 10 * MIB, 100, 1000, 500);
	facts.device[1].stop_bytes = 30 * MIB;
	make();
	cr_assert(estimate.assumed);
	cr_assert_eq(estimate.slowest_device, 1);
	assert_about(term("stream")->low_us, 100000, "the measured one");
	assert_about(term("stream")->high_us, 300000, "the assumed one");
}

Test(estimate, transitions_known_of_some_devices_are_not_said_to_be_known_of_none)
{
	start(2);
	facts.device[0].resuming_ns = 20 * NS_PER_MS;
	make();
	cr_assert_eq(term("start transitions")->high_us, 20000);
	cr_assert_not(strstr(term("start transitions")->basis, "no transition has been measured"));
	cr_assert(strstr(term("start transitions")->basis, "1 of 2"), "%s", term("start transitions")->basis);
}

Test(estimate, names_and_bases_are_whole_words)
{
	start(VFIOMIG_DEVICES_MAX);
	for (unsigned d = 0; d < VFIOMIG_DEVICES_MAX; d++)
		facts.device[d] = (struct estimate_device){ .stop_bytes = UINT64_MAX, .config = true };
	facts.rtt_ns = UINT64_MAX;
	make();
	for (unsigned t = 0; t < estimate.terms; t++)
		cr_assert_lt(strlen(estimate.term[t].basis), sizeof(estimate.term[t].basis) - 1, "cut off: %s",
			     estimate.term[t].basis);
}

static uint64_t some(struct random *random)
{
	return random_below(random, 3) ? random_next(random) >> random_below(random, 64) : 0;
}

Test(estimate, low_is_never_above_the_expected_and_that_never_above_high)
{
	struct random random = { .state = 5 };

	for (unsigned run = 1; run <= RUNS; run++) {
		start(1 + (unsigned)random_below(&random, 4));
		facts.serial = random_below(&random, 2);
		facts.trial_bytes = some(&random);
		facts.trial_ns = some(&random);
		facts.rtt_ns = some(&random);
		facts.slot_bytes = some(&random);
		for (unsigned d = 0; d < facts.devices; d++)
			facts.device[d] = (struct estimate_device){ .p2p = random_below(&random, 2),
								    .config = random_below(&random, 2),
								    .stop_bytes = some(&random),
								    .read_bytes = some(&random),
								    .read_ns = some(&random),
								    .load_bytes = some(&random),
								    .load_ns = some(&random),
								    .wire_ns = some(&random),
								    .precopy_ns = some(&random),
								    .resuming_ns = some(&random) };
		estimate_make(&facts, &estimate);
		assert_ordered(run);
	}
}

Test(estimate, rounding_puts_nothing_out_of_order)
{
	struct random random = { .state = 6 };

	for (unsigned run = 1; run <= RUNS; run++) {
		start(1);
		facts.rtt_ns = random_below(&random, 5000);
		facts.device[0] = (struct estimate_device){ .p2p = random_below(&random, 2),
							    .stop_bytes = random_below(&random, 100),
							    .read_bytes = 1,
							    .read_ns = 1 + random_below(&random, 100),
							    .load_bytes = 1,
							    .load_ns = 1 + random_below(&random, 100),
							    .precopy_ns = random_below(&random, 9000),
							    .resuming_ns = random_below(&random, 9000) };
		estimate_make(&facts, &estimate);
		assert_ordered(run);
	}
}
