/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>

#include <errno.h>
#include <string.h>

#include "order/window.h"

enum { SLOTS = 4, CONFIG = 1, STOP_COPY = 2 };

static struct window_entry entries[SLOTS];
static struct window window;

static void start(void)
{
	memset(entries, 0xff, sizeof(entries)); /* whatever the caller's memory held */
	window_init(&window, entries, SLOTS);
}

static void put(uint64_t index, uint32_t flags)
{
	const char *why = "nothing";

	cr_assert_eq(window_put(&window, index, 10, flags, 0, &why), 0, "packet %llu: %s", (unsigned long long)index,
		     why);
}

/* Refused by its word, by put and (where @early) by check already, and nothing has changed. */
static void assert_refused(uint64_t index, uint32_t flags, const char *word, bool early)
{
	struct window before = window;
	struct window_entry had[SLOTS];
	const char *why = "", *why_checked = "";

	memcpy(had, entries, sizeof(had));
	cr_assert_eq(window_put(&window, index, 10, flags, 0, &why), -EPROTO, "packet %llu", (unsigned long long)index);
	cr_assert_str_eq(why, word);
	if (early) {
		cr_assert_eq(window_check(&window, index, &why_checked), -EPROTO);
		cr_assert_str_eq(why_checked, word);
	}
	cr_assert_eq(window.base, before.base);
	cr_assert_eq(window.end, before.end);
	cr_assert_eq(window.last, before.last);
	for (unsigned s = 0; s < SLOTS; s++)
		cr_assert_eq(entries[s].here, had[s].here);
}

Test(window, begins_empty_whatever_the_memory_held, .init = start)
{
	cr_assert_eq(window_ready(&window, 100), 0);
	cr_assert_not(window_done(&window));
	cr_assert_eq(window.base, 0);
}

Test(window, takes_any_packet_within_its_slots_and_none_beyond, .init = start)
{
	assert_refused(SLOTS, 0, "packet-beyond-window", true);
	assert_refused(UINT64_MAX - 1, 0, "packet-beyond-window", true);
	put(SLOTS - 1, 0);
	window = (struct window){ .entries = entries, .slots = SLOTS, .base = 9, .end = 9, .last = UINT64_MAX };
	assert_refused(9 + SLOTS, 0, "packet-beyond-window", true);
	put(9, 0);
}

Test(window, a_gap_holds_back_what_comes_after_it, .init = start)
{
	put(1, 0);
	put(2, 0);
	cr_assert_eq(window_ready(&window, SLOTS), 0);
	put(0, 0);
	cr_assert_eq(window_ready(&window, SLOTS), 3);
}

Test(window, gives_no_more_than_asked_for, .init = start)
{
	for (unsigned i = 0; i < SLOTS; i++)
		put(i, 0);
	cr_assert_eq(window_ready(&window, 0), 0);
	cr_assert_eq(window_ready(&window, 2), 2);
	cr_assert_eq(window_ready(&window, UINT32_MAX), SLOTS);
}

Test(window, keeps_the_facts_of_a_packet_until_it_is_popped, .init = start)
{
	const char *why;

	cr_assert_eq(window_put(&window, 1, 77, STOP_COPY, 0xabcd, &why), 0);
	put(0, 0);
	cr_assert_eq(window_peek(&window, 1)->bytes, 77);
	cr_assert_eq(window_peek(&window, 1)->flags, STOP_COPY);
	cr_assert_eq(window_peek(&window, 1)->crc, 0xabcd);
	window_pop(&window, 1);
	cr_assert_eq(window_peek(&window, 0)->bytes, 77);
}

Test(window, refuses_a_packet_twice, .init = start)
{
	put(0, 0);
	put(2, 0);
	assert_refused(0, 0, "packet-twice", true);
	assert_refused(2, 0, "packet-twice", true);
}

Test(window, refuses_a_packet_that_was_popped, .init = start)
{
	put(0, 0);
	window_pop(&window, 1);
	assert_refused(0, 0, "packet-twice", true);
}

Test(window, popping_makes_room_for_just_as_many, .init = start)
{
	for (unsigned i = 0; i < SLOTS; i++)
		put(i, 0);
	window_pop(&window, 2);
	put(SLOTS + 1, 0);
	put(SLOTS, 0);
	assert_refused(SLOTS + 2, 0, "packet-beyond-window", true);
	cr_assert_eq(window_ready(&window, SLOTS), SLOTS);
}

Test(window, refuses_every_packet_after_the_config_packet, .init = start)
{
	put(1, CONFIG);
	assert_refused(2, 0, "packet-after-config", true);
	assert_refused(3, CONFIG, "packet-after-config", true);
	assert_refused(1000, 0, "packet-after-config", true);
}

Test(window, refuses_a_second_config_packet_before_the_first, .init = start)
{
	put(2, CONFIG);
	assert_refused(1, CONFIG, "config-twice", false);
	put(1, 0);
}

Test(window, the_same_config_packet_again_is_a_packet_twice, .init = start)
{
	put(0, CONFIG);
	assert_refused(0, CONFIG, "packet-twice", true);
	window_pop(&window, 1);
	assert_refused(0, CONFIG, "packet-twice", true);
}

Test(window, refuses_a_config_packet_before_packets_that_have_come, .init = start)
{
	put(2, 0);
	assert_refused(1, CONFIG, "config-not-last", false);
	put(3, CONFIG);
}

Test(window, is_done_when_the_config_packet_is_popped_and_not_before, .init = start)
{
	put(1, CONFIG);
	cr_assert_not(window_done(&window));
	put(0, 0);
	cr_assert_not(window_done(&window));
	window_pop(&window, 1);
	cr_assert_not(window_done(&window));
	window_pop(&window, 1);
	cr_assert(window_done(&window));
}

Test(window, a_state_of_nothing_is_packet_0_alone, .init = start)
{
	put(0, CONFIG);
	cr_assert_eq(window_ready(&window, SLOTS), 1);
	window_pop(&window, 1);
	cr_assert(window_done(&window));
}

Test(window, tells_the_full_index_across_the_wrap_of_24_bits, .init = start)
{
	window.base = window.end = (UINT64_C(5) << 24) - 2;
	cr_assert_eq(window_index(&window, 0xfffffe), window.base);
	cr_assert_eq(window_index(&window, 0xffffff), window.base + 1);
	cr_assert_eq(window_index(&window, 0), window.base + 2);
	cr_assert_eq(window_index(&window, 1), window.base + 3);
}

Test(window, tells_a_late_packet_from_one_of_a_round_later, .init = start)
{
	window.base = window.end = (UINT64_C(5) << 24) + 1;
	cr_assert_eq(window_index(&window, 0), window.base - 1);
	cr_assert_eq(window_index(&window, 0xffffff), window.base - 2);
	assert_refused(window_index(&window, 0), 0, "packet-twice", true);
}
