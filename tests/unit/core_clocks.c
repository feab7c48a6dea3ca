/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>

#include "core/clocks.h"
#include "support/random.h"

enum { RUNS = 20000 };

static uint64_t apart(int64_t a, int64_t b)
{
	return a > b ? (uint64_t)a - (uint64_t)b : (uint64_t)b - (uint64_t)a;
}

/* One question that took @there_ns to the peer and its answer @back_ns, the peer being @offset_ns ahead. */
static void ask(struct clocks *clocks, uint64_t now, uint64_t there_ns, uint64_t back_ns, int64_t offset_ns)
{
	clocks_take(clocks, now, now + there_ns + (uint64_t)offset_ns, now + there_ns + back_ns);
}

Test(clocks, the_offset_is_right_within_the_error_however_lopsided_the_way)
{
	struct random random = { .state = 11 };

	for (unsigned run = 0; run < RUNS; run++) {
		int64_t offset_ns = (int64_t)random_next(&random) >> random_below(&random, 60);
		size_t longest_ns = (size_t)1 << random_below(&random, 40);
		struct clocks clocks = { 0 };

		for (size_t i = 1 + random_below(&random, 8); i; i--)
			ask(&clocks, random_next(&random) >> 1, random_below(&random, longest_ns),
			    random_below(&random, longest_ns), offset_ns);
		cr_assert_leq(apart(clocks.offset_ns, offset_ns), clocks.error_ns, "run %u: off by %llu, error %llu",
			      run, (unsigned long long)apart(clocks.offset_ns, offset_ns),
			      (unsigned long long)clocks.error_ns);
	}
}

Test(clocks, the_fastest_round_trip_counts_whenever_it_was)
{
	struct clocks clocks = { 0 };

	ask(&clocks, 1000, 500, 100, 7000);
	cr_assert_eq(clocks.error_ns, 300);
	cr_assert_eq(clocks.offset_ns, 7200);
	ask(&clocks, 5000, 10, 10, 7000);
	cr_assert_eq(clocks.error_ns, 10);
	cr_assert_eq(clocks.offset_ns, 7000);
	ask(&clocks, 9000, 5, 30, 7000);
	cr_assert_eq(clocks.error_ns, 10);
	cr_assert_eq(clocks.offset_ns, 7000);
	cr_assert_eq(clocks.samples, 3);
}

Test(clocks, an_answer_from_before_the_question_is_none)
{
	struct clocks clocks = { 0 };

	clocks_take(&clocks, 1000, 5000, 999);
	cr_assert_eq(clocks.samples, 0);
}

Test(clocks, the_offset_between_two_measurements_covers_both)
{
	struct random random = { .state = 12 };

	for (unsigned run = 0; run < RUNS; run++) {
		unsigned shift = (unsigned)random_below(&random, 62);
		const struct clocks a = { 1 + (unsigned)random_below(&random, 3),
					  (int64_t)random_next(&random) >> shift, random_below(&random, 1000) };
		const struct clocks b = { 1, (int64_t)random_next(&random) >> shift, random_below(&random, 1000) };
		struct clocks both = clocks_between(&a, &b), same = clocks_between(&b, &a);

		cr_assert_geq(both.error_ns, apart(both.offset_ns, a.offset_ns) + a.error_ns);
		cr_assert_geq(both.error_ns, apart(both.offset_ns, b.offset_ns) + b.error_ns);
		cr_assert(both.offset_ns >= (a.offset_ns < b.offset_ns ? a.offset_ns : b.offset_ns));
		cr_assert(both.offset_ns <= (a.offset_ns < b.offset_ns ? b.offset_ns : a.offset_ns));
		cr_assert_eq(both.samples, a.samples + b.samples);
		cr_assert_eq(both.offset_ns, same.offset_ns);
		cr_assert_eq(both.error_ns, same.error_ns);
	}
}

Test(clocks, a_measurement_that_was_not_made_does_not_count)
{
	const struct clocks none = { 0 }, one = { 3, -500, 20 };
	struct clocks both = clocks_between(&none, &one);

	cr_assert_eq(both.offset_ns, -500);
	cr_assert_eq(both.error_ns, 20);
	both = clocks_between(&one, &none);
	cr_assert_eq(both.offset_ns, -500);
	cr_assert_eq(both.error_ns, 20);
	cr_assert_eq(clocks_between(&none, &none).samples, 0);
}
