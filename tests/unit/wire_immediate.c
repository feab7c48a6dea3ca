/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>

#include "support/random.h"
#include "wire/immediate.h"

Test(immediate, every_kind_and_device_comes_back)
{
	struct random random = { .state = 17 };

	for (unsigned kind = 0; kind < 4; kind++)
		for (unsigned device = 0; device < 64; device++) {
			uint32_t index = (uint32_t)random_next(&random) & IMMEDIATE_INDEX_MASK;
			uint32_t immediate = immediate_make((enum immediate_kind)kind, device, index);

			cr_assert_eq((unsigned)immediate_kind(immediate), kind);
			cr_assert_eq(immediate_device(immediate), device);
			cr_assert_eq(immediate_index(immediate), index);
		}
}

Test(immediate, has_its_fields_where_the_wire_says)
{
	cr_assert_eq(immediate_make(IMMEDIATE_DATA, 0, 1), 0x00000001);
	cr_assert_eq(immediate_make(IMMEDIATE_TOKEN, 1, 0), 0x41000000);
	cr_assert_eq(immediate_make(IMMEDIATE_CREDIT, 63, 0xabcdef), 0xbfabcdef);
	cr_assert_eq(immediate_make(IMMEDIATE_CONTROL, 0, 0xffffff), 0xc0ffffff);
}

Test(immediate, carries_the_index_modulo_two_to_the_24)
{
	uint32_t immediate = immediate_make(IMMEDIATE_DATA, 5, UINT64_C(0x123456789abcdef0));

	cr_assert_eq(immediate_index(immediate), 0xbcdef0);
	cr_assert_eq(immediate_device(immediate), 5);
	cr_assert_eq(immediate_kind(immediate), IMMEDIATE_DATA);
}
