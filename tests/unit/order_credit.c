/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>

#include <errno.h>

#include "order/credit.h"

static void assert_takes(uint64_t from, uint64_t sent, uint32_t low, int rc, uint64_t to)
{
	uint64_t credit = from;

	cr_assert_eq(credit_take(&credit, sent, low), rc, "from %llu, sent %llu, low %u", (unsigned long long)from,
		     (unsigned long long)sent, low);
	cr_assert_eq(credit, to);
}

Test(credit, allows_exactly_one_slots_worth_ahead)
{
	cr_assert(credit_allows(0, 4, 0));
	cr_assert(credit_allows(0, 4, 3));
	cr_assert_not(credit_allows(0, 4, 4));
	cr_assert(credit_allows(7, 4, 10));
	cr_assert_not(credit_allows(7, 4, 11));
}

Test(credit, grows_to_what_the_peer_says)
{
	assert_takes(0, 5, 3, 1, 3);
	assert_takes(3, 5, 5, 1, 5);
}

Test(credit, the_same_again_changes_nothing)
{
	assert_takes(3, 5, 3, 0, 3);
}

Test(credit, one_that_was_overtaken_changes_nothing)
{
	assert_takes(5, 9, 4, 0, 5);
	assert_takes(5, 9, 0, 0, 5);
}

Test(credit, refuses_more_than_was_sent)
{
	assert_takes(3, 5, 6, -EPROTO, 3);
	assert_takes(0, 0, 1, -EPROTO, 0);
}

Test(credit, grows_across_the_wrap_of_24_bits)
{
	const uint64_t wrap = UINT64_C(3) << 24;

	assert_takes(wrap - 2, wrap + 2, 1, 1, wrap + 1);
	assert_takes(wrap - 2, wrap + 2, 0xffffff, 1, wrap - 1);
	assert_takes(wrap - 2, wrap + 2, 3, -EPROTO, wrap - 2);
}

Test(credit, one_from_before_the_wrap_is_late_after_it)
{
	const uint64_t wrap = UINT64_C(3) << 24;

	assert_takes(wrap + 1, wrap + 4, 0xffffff, 0, wrap + 1);
}

Test(credit, half_the_ring_ahead_is_behind)
{
	assert_takes(0, UINT64_C(1) << 24, (1 << 23) - 1, 1, (1 << 23) - 1);
	assert_takes(0, UINT64_C(1) << 24, 1 << 23, 0, 0);
}
