/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>

#include "base/clock.h"
#include "core/account.h"

enum { PACKETS = 400 };

static struct account account;

/* A stream through one reader, one wire and one loader, each with its time per packet. */
struct pipe {
	uint64_t read_ns, wire_ns, load_ns;
	uint64_t credit_ns; /* a credit's way back */
	unsigned slots;
};

static uint64_t whole(void)
{
	return account.load_ns + account.wire_ns + account.read_ns + account.wait_ns + account.hand_over_ns;
}

static void assert_whole(void)
{
	cr_assert_eq(whole(), account.last_ns - account.begin_ns, "%llu of %llu ns", (unsigned long long)whole(),
		     (unsigned long long)(account.last_ns - account.begin_ns));
}

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* Every packet as it goes when nobody idles who need not. Returns how long all of it took. */
static uint64_t flow(const struct pipe *pipe)
{
	static uint64_t credited_ns[PACKETS];
	const uint64_t begin_ns = NS_PER_S;
	uint64_t read_ns = begin_ns, wire_ns = begin_ns, load_ns = begin_ns;

	account_begin(&account, begin_ns, begin_ns);
	for (unsigned i = 0; i < PACKETS; i++) {
		uint64_t slot_ns = later(read_ns, i < pipe->slots ? 0 : credited_ns[i - pipe->slots]);
		struct account_packet packet = { .read_ns = pipe->read_ns, .wait_ns = slot_ns - read_ns };
		uint64_t load_begin_ns;

		packet.ready_ns = read_ns = slot_ns + pipe->read_ns;
		packet.arrived_ns = wire_ns = later(read_ns, wire_ns) + pipe->wire_ns;
		load_begin_ns = later(wire_ns, load_ns);
		load_ns = load_begin_ns + pipe->load_ns;
		credited_ns[i] = load_ns + pipe->credit_ns;
		account_take(&account, &packet);
		account_load(&account, &packet, load_begin_ns, load_ns);
	}
	assert_whole();
	cr_assert_eq(account.last_ns, load_ns);
	return load_ns - begin_ns;
}

static void assert_most(uint64_t part_ns, uint64_t whole_ns)
{
	cr_assert_gt(part_ns * 100, whole_ns * 95, "%llu of %llu ns", (unsigned long long)part_ns,
		     (unsigned long long)whole_ns);
}

Test(account, a_stream_that_its_reader_holds_back_is_read)
{
	uint64_t whole_ns = flow(&(struct pipe){ .read_ns = 900, .wire_ns = 300, .load_ns = 20, .slots = 8 });

	assert_most(account.read_busy_ns, whole_ns);
	cr_assert_gt(account.read_ns, account.wire_ns);
	cr_assert_eq(account.wait_ns, 0);
	cr_assert_eq(account.read_busy_ns, 900 * PACKETS);
	cr_assert_eq(account.wire_busy_ns, 300 * PACKETS);
	cr_assert_eq(account.load_ns, 20 * PACKETS);
	cr_assert_eq(account.read_ns, 900 + (PACKETS - 1) * (900 - 300 - 20), "what wire and load leave of it");
}

Test(account, a_stream_that_the_wire_holds_back_is_wire)
{
	uint64_t whole_ns = flow(&(struct pipe){ .read_ns = 20, .wire_ns = 900, .load_ns = 30, .slots = 8 });

	assert_most(account.wire_ns, whole_ns);
	assert_most(account.wire_busy_ns, whole_ns);
	cr_assert_eq(account.read_ns, 20, "of the first packet; the others were ready");
	cr_assert_eq(account.hand_over_ns, 0);
}

Test(account, a_stream_that_its_loader_holds_back_is_load)
{
	uint64_t whole_ns = flow(&(struct pipe){ .read_ns = 20, .wire_ns = 30, .load_ns = 900, .slots = 8 });

	assert_most(account.load_ns, whole_ns);
	cr_assert_eq(account.load_ns, 900 * PACKETS);
	cr_assert_eq(account.wait_ns, 0, "the reader waits, but the loader does not");
	cr_assert_gt(account.wait_busy_ns, whole_ns / 2);
}

Test(account, a_stream_that_waits_for_credits_is_slot_wait)
{
	uint64_t whole_ns =
		flow(&(struct pipe){ .read_ns = 5, .wire_ns = 5, .load_ns = 5, .credit_ns = 900, .slots = 1 });

	assert_most(account.wait_ns, whole_ns);
	cr_assert_eq(account.wait_ns, 900 * (PACKETS - 1));
	cr_assert_eq(account.wait_busy_ns, (900 + 5 + 5) * (PACKETS - 1), "wire and load too, whatever the others did");
}

Test(account, what_lies_before_its_begin_counts_nowhere)
{
	const struct account_packet packet = { .ready_ns = 1100, .arrived_ns = 1200, .read_ns = 500, .wait_ns = 400 };

	account_begin(&account, 1000, 900);
	account_take(&account, &packet);
	account_load(&account, &packet, 1200, 1300);
	assert_whole();
	cr_assert_eq(account.read_ns, 100);
	cr_assert_eq(account.read_busy_ns, 100);
	cr_assert_eq(account.wait_ns, 0);
	cr_assert_eq(account.wait_busy_ns, 0);
	cr_assert_eq(account.wire_ns, 100);
}

Test(account, until_the_loader_is_done_with_what_came_before_it_is_load)
{
	const struct account_packet packet = { .ready_ns = 1100, .arrived_ns = 1200, .read_ns = 100 };

	account_begin(&account, 1000, 1150);
	account_take(&account, &packet);
	account_load(&account, &packet, 1210, 1300);
	assert_whole();
	cr_assert_eq(account.load_ns, 150 + 90);
	cr_assert_eq(account.wire_ns, 50);
	cr_assert_eq(account.hand_over_ns, 10);
	cr_assert_eq(account.read_ns, 0);
	cr_assert_eq(account.wire_busy_ns, 100, "whatever the others did");
}

Test(account, nothing_before_a_load_is_put_after_it_however_wrong_the_clock)
{
	const struct account_packet late = { .ready_ns = 5000, .arrived_ns = 1200 };

	account_begin(&account, 1000, 1000);
	account_take(&account, &late);
	account_load(&account, &late, 1250, 1300);
	assert_whole();
	cr_assert_eq(account.last_ns, 1300);
	cr_assert_eq(account.load_ns, 50);
	cr_assert_eq(account.hand_over_ns, 50);
	cr_assert_eq(account.read_ns, 200);
}

Test(account, the_wire_is_busy_once_however_many_packets_are_under_way)
{
	const struct account_packet first = { .ready_ns = 1100, .arrived_ns = 1500, .read_ns = 100 };
	const struct account_packet second = { .ready_ns = 1200, .arrived_ns = 1400, .read_ns = 100 };
	const struct account_packet third = { .ready_ns = 1700, .arrived_ns = 1800, .read_ns = 500 };

	account_begin(&account, 1000, 1000);
	account_take(&account, &first);
	account_take(&account, &second);
	account_take(&account, &third);
	cr_assert_eq(account.wire_busy_ns, 400 + 100);
	cr_assert_eq(account.wire_begin_ns, 1100);
	cr_assert_eq(account.wire_end_ns, 1800);
	cr_assert_eq(account.read_busy_ns, 700);
}

Test(account, a_packet_that_overtook_another_waited_for_it)
{
	const struct account_packet slow = { .ready_ns = 1100, .arrived_ns = 1900 };
	const struct account_packet fast = { .ready_ns = 1200, .arrived_ns = 1400 };
	const struct account_packet faster = { .ready_ns = 1300, .arrived_ns = 1500 };
	const struct account_packet last = { .ready_ns = 1400, .arrived_ns = 2000 };

	account_begin(&account, 1000, 1000);
	account_take(&account, &slow);
	cr_assert_eq(account.reorder_ns, 0);
	account_take(&account, &fast);
	cr_assert_eq(account.reorder_ns, 500);
	account_take(&account, &faster);
	cr_assert_eq(account.reorder_ns, 500, "the same time");
	account_take(&account, &last);
	cr_assert_eq(account.reorder_ns, 500, "in order");
}
