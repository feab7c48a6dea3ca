/* SPDX-License-Identifier: MIT */
/* Where slots and threads go, by what the caller wants and where card and devices are. */
#include <criterion/criterion.h>

#include "core/numa.h"

static const struct numa_wish automatic = { VFIOMIG_NUMA_AUTO, 0 };
static const struct numa_wish off = { VFIOMIG_NUMA_OFF, 0 };
static const struct numa_wish one = { VFIOMIG_NUMA_NODE, 1 };

Test(numa, slots_are_on_the_cards_node)
{
	const int devices[] = { 0, 2 };

	cr_assert_eq(numa_slots_node(&automatic, 3, devices, 2), 3);
}

Test(numa, slots_are_on_the_first_known_devices_node_where_the_card_is_on_none)
{
	const int devices[] = { -1, 2, 0 };

	cr_assert_eq(numa_slots_node(&automatic, -1, devices, 3), 2);
	cr_assert_eq(numa_slots_node(&automatic, -1, devices, 1), -1);
}

Test(numa, a_thread_is_on_its_devices_node)
{
	cr_assert_eq(numa_thread_node(&automatic, 2), 2);
	cr_assert_eq(numa_thread_node(&automatic, -1), -1);
}

Test(numa, a_node_that_was_asked_for_is_for_all)
{
	const int devices[] = { 0 };

	cr_assert_eq(numa_slots_node(&one, 3, devices, 1), 1);
	cr_assert_eq(numa_thread_node(&one, 2), 1);
}

Test(numa, off_places_nothing)
{
	const int devices[] = { 0 };

	cr_assert_eq(numa_slots_node(&off, 3, devices, 1), -1);
	cr_assert_eq(numa_thread_node(&off, 2), -1);
}

Test(numa, state_crosses_between_two_known_nodes_only)
{
	cr_assert(numa_crosses(0, 1));
	cr_assert_not(numa_crosses(1, 1));
	cr_assert_not(numa_crosses(-1, 1));
	cr_assert_not(numa_crosses(0, -1));
}
