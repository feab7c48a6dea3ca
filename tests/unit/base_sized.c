/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>

#include <stdint.h>

#include "base/sized.h"

/* A struct as this library knows it, and as a newer one may. */
struct known {
	size_t size;
	int a, b;
};

struct newer {
	struct known known;
	int c, d;
};

Test(sized, an_older_callers_struct_is_filled_up_with_zeroes)
{
	struct known own = { 9, 9, 9 }, theirs = { offsetof(struct known, b), 1, 2 };

	cr_assert_eq(sized_take(&own, sizeof(own), &theirs), 0);
	cr_assert_eq(own.a, 1);
	cr_assert_eq(own.b, 0, "beyond what the caller says that it has");
	cr_assert_eq(own.size, sizeof(own));
}

Test(sized, a_newer_callers_struct_is_taken_while_it_asks_for_nothing_new)
{
	struct newer theirs = { { sizeof(theirs), 1, 2 }, 0, 0 };
	struct known own;

	cr_assert_eq(sized_take(&own, sizeof(own), &theirs), 0);
	cr_assert_eq(own.b, 2);
	theirs.d = 1;
	cr_assert_eq(sized_take(&own, sizeof(own), &theirs), -EINVAL);
}

Test(sized, a_size_that_can_be_none_is_refused)
{
	static const size_t none[] = { 0, 1, sizeof(size_t) - 1, 1 << 20, SIZE_MAX };
	struct known own, theirs[16] = { 0 }; /* as much as may be looked at */

	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		theirs[0].size = none[i];
		cr_assert_eq(sized_take(&own, sizeof(own), theirs), -EINVAL, "%zu", none[i]);
		cr_assert_not(sized_valid(none[i], sizeof(own)), "%zu", none[i]);
	}
}

Test(sized, a_caller_is_given_as_much_as_it_knows)
{
	const struct known own = { sizeof(own), 1, 2 };
	struct known older = { offsetof(struct known, b), 0, 7 };
	struct newer newer = { { sizeof(newer), 0, 0 }, 7, 7 };

	sized_give(&older, &own, sizeof(own));
	cr_assert_eq(older.size, offsetof(struct known, b));
	cr_assert_eq(older.a, 1);
	cr_assert_eq(older.b, 7, "beyond its end");
	sized_give(&newer, &own, sizeof(own));
	cr_assert_eq(newer.known.size, sizeof(newer));
	cr_assert_eq(newer.known.b, 2);
	cr_assert(newer.c == 0 && newer.d == 0);
}
