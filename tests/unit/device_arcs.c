/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>

#include <stdio.h>
#include <string.h>

#include "device/arcs.h"

enum { ALL = VFIOMIG_MIGRATION_STOP_COPY | VFIOMIG_MIGRATION_P2P | VFIOMIG_MIGRATION_PRE_COPY };

/* "RUNNING>RUNNING_P2P>STOP", or "" where there is no way. */
static const char *way(enum vfiomig_state from, enum vfiomig_state to, uint32_t flags)
{
	static char text[256];
	size_t used = (size_t)snprintf(text, sizeof(text), "%s", vfiomig_state_name(from));

	for (int steps = 0; from != to; steps++) {
		from = arcs_next(from, to, flags);
		cr_assert_lt(steps, VFIOMIG_STATE_COUNT, "it goes round in circles: %s", text);
		if (from == VFIOMIG_STATE_ERROR)
			return "";
		used += (size_t)snprintf(text + used, sizeof(text) - used, ">%s", vfiomig_state_name(from));
	}
	return text;
}

Test(arcs, go_through_the_p2p_states_where_the_device_has_them)
{
	cr_assert_str_eq(way(VFIOMIG_STATE_RUNNING, VFIOMIG_STATE_STOP_COPY, ALL),
			 "RUNNING>RUNNING_P2P>STOP>STOP_COPY");
	cr_assert_str_eq(way(VFIOMIG_STATE_RUNNING, VFIOMIG_STATE_RESUMING, ALL), "RUNNING>RUNNING_P2P>STOP>RESUMING");
	cr_assert_str_eq(way(VFIOMIG_STATE_PRE_COPY, VFIOMIG_STATE_STOP_COPY, ALL), "PRE_COPY>PRE_COPY_P2P>STOP_COPY");
	cr_assert_str_eq(way(VFIOMIG_STATE_STOP_COPY, VFIOMIG_STATE_RUNNING, ALL),
			 "STOP_COPY>STOP>RUNNING_P2P>RUNNING");
	cr_assert_str_eq(way(VFIOMIG_STATE_RESUMING, VFIOMIG_STATE_RUNNING, ALL), "RESUMING>STOP>RUNNING_P2P>RUNNING");
	cr_assert_str_eq(way(VFIOMIG_STATE_PRE_COPY, VFIOMIG_STATE_STOP, ALL), "PRE_COPY>RUNNING>RUNNING_P2P>STOP");
	cr_assert_str_eq(way(VFIOMIG_STATE_PRE_COPY_P2P, VFIOMIG_STATE_RUNNING, ALL),
			 "PRE_COPY_P2P>RUNNING_P2P>RUNNING");
}

Test(arcs, lead_through_pre_copy_and_back)
{
	cr_assert_str_eq(way(VFIOMIG_STATE_RUNNING, VFIOMIG_STATE_PRE_COPY, ALL), "RUNNING>PRE_COPY");
	cr_assert_str_eq(way(VFIOMIG_STATE_PRE_COPY, VFIOMIG_STATE_PRE_COPY_P2P, ALL), "PRE_COPY>PRE_COPY_P2P");
	cr_assert_str_eq(way(VFIOMIG_STATE_PRE_COPY_P2P, VFIOMIG_STATE_STOP_COPY, ALL), "PRE_COPY_P2P>STOP_COPY");
	cr_assert_str_eq(way(VFIOMIG_STATE_PRE_COPY, VFIOMIG_STATE_RUNNING, ALL), "PRE_COPY>RUNNING");
	cr_assert_str_eq(way(VFIOMIG_STATE_PRE_COPY_P2P, VFIOMIG_STATE_PRE_COPY, ALL), "PRE_COPY_P2P>PRE_COPY");
}

Test(arcs, pass_over_states_that_the_device_does_not_have)
{
	uint32_t basic = VFIOMIG_MIGRATION_STOP_COPY, precopy = basic | VFIOMIG_MIGRATION_PRE_COPY;

	cr_assert_str_eq(way(VFIOMIG_STATE_RUNNING, VFIOMIG_STATE_STOP_COPY, basic), "RUNNING>STOP>STOP_COPY");
	cr_assert_str_eq(way(VFIOMIG_STATE_RESUMING, VFIOMIG_STATE_RUNNING, basic), "RESUMING>STOP>RUNNING");
	cr_assert_str_eq(way(VFIOMIG_STATE_PRE_COPY, VFIOMIG_STATE_STOP_COPY, precopy), "PRE_COPY>STOP_COPY");
	cr_assert_str_eq(way(VFIOMIG_STATE_STOP, VFIOMIG_STATE_PRE_COPY, precopy), "STOP>RUNNING>PRE_COPY");
}

Test(arcs, refuse_states_that_the_device_does_not_have)
{
	cr_assert_str_eq(way(VFIOMIG_STATE_RUNNING, VFIOMIG_STATE_RUNNING_P2P, VFIOMIG_MIGRATION_STOP_COPY), "");
	cr_assert_str_eq(way(VFIOMIG_STATE_RUNNING, VFIOMIG_STATE_PRE_COPY, ALL & ~VFIOMIG_MIGRATION_PRE_COPY), "");
	cr_assert_str_eq(way(VFIOMIG_STATE_RUNNING, VFIOMIG_STATE_PRE_COPY_P2P, ALL & ~VFIOMIG_MIGRATION_P2P), "");
	cr_assert_str_eq(way(VFIOMIG_STATE_RUNNING, VFIOMIG_STATE_STOP, 0), "");
}

Test(arcs, never_lead_from_stop_copy_back_to_pre_copy)
{
	cr_assert_str_eq(way(VFIOMIG_STATE_STOP_COPY, VFIOMIG_STATE_PRE_COPY, ALL), "");
	cr_assert_str_eq(way(VFIOMIG_STATE_STOP_COPY, VFIOMIG_STATE_PRE_COPY_P2P, ALL), "");
}

Test(arcs, never_lead_into_or_out_of_error)
{
	for (int state = 0; state < VFIOMIG_STATE_COUNT; state++) {
		cr_assert_eq(arcs_next(VFIOMIG_STATE_ERROR, (enum vfiomig_state)state, ALL), VFIOMIG_STATE_ERROR);
		cr_assert_eq(arcs_next((enum vfiomig_state)state, VFIOMIG_STATE_ERROR, ALL), VFIOMIG_STATE_ERROR);
	}
}

/* Breadth first over the single steps that <linux/vfio.h> allows: no way in the table may be longer. */
static int shortest(int from, int to)
{
	static const uint8_t single[][2] = { { 2, 5 }, { 5, 2 }, { 5, 1 }, { 1, 5 }, { 1, 3 },
					     { 3, 1 }, { 1, 4 }, { 4, 1 }, { 2, 6 }, { 6, 2 },
					     { 5, 7 }, { 7, 5 }, { 6, 7 }, { 7, 6 }, { 7, 3 } };
	int distance[VFIOMIG_STATE_COUNT];

	for (int state = 0; state < VFIOMIG_STATE_COUNT; state++)
		distance[state] = state == from ? 0 : 100;
	for (int round = 0; round < VFIOMIG_STATE_COUNT; round++)
		for (size_t i = 0; i < sizeof(single) / sizeof(single[0]); i++)
			if (distance[single[i][0]] + 1 < distance[single[i][1]])
				distance[single[i][1]] = distance[single[i][0]] + 1;
	return distance[to];
}

Test(arcs, take_the_shortest_way_between_any_two_states)
{
	for (int from = 1; from < VFIOMIG_STATE_COUNT; from++) {
		for (int to = 1; to < VFIOMIG_STATE_COUNT; to++) {
			const char *text = way((enum vfiomig_state)from, (enum vfiomig_state)to, ALL);
			int steps = 0;

			if (!*text)
				continue;
			for (const char *at = text; *at; at++)
				steps += *at == '>';
			cr_assert_eq(steps, shortest(from, to), "%s", text);
		}
	}
}

Test(arcs, know_the_names_of_states)
{
	cr_assert_str_eq(vfiomig_state_name(VFIOMIG_STATE_STOP_COPY), "STOP_COPY");
	cr_assert_str_eq(vfiomig_state_name((enum vfiomig_state)8), "?");
	cr_assert_str_eq(vfiomig_state_name((enum vfiomig_state) - 1), "?");
}
