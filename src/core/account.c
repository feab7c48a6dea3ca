/* SPDX-License-Identifier: MIT */
#include "core/account.h"

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t less(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

/* Give the time up to @until_ns, as far as it is not accounted for yet, to @stage. */
static void give(struct account *account, uint64_t until_ns, uint64_t *stage)
{
	*stage += less(until_ns, account->last_ns);
	account->last_ns = later(account->last_ns, until_ns);
}

void account_begin(struct account *account, uint64_t begin_ns, uint64_t busy_until_ns)
{
	*account = (struct account){ .begin_ns = begin_ns,
				     .last_ns = begin_ns,
				     .wire_until_ns = begin_ns,
				     .ordered_ns = begin_ns,
				     .reorder_until_ns = begin_ns };
	give(account, busy_until_ns, &account->load_ns);
}

/* What of the @length_ns that ended at @end_ns lies after the account's begin. */
static uint64_t inside(const struct account *account, uint64_t end_ns, uint64_t length_ns)
{
	uint64_t possible = less(end_ns, account->begin_ns);

	return length_ns < possible ? length_ns : possible;
}

void account_take(struct account *account, const struct account_packet *packet)
{
	uint64_t from = later(packet->ready_ns, account->wire_until_ns);

	account->read_busy_ns += inside(account, packet->ready_ns, packet->read_ns);
	account->wait_busy_ns += inside(account, less(packet->ready_ns, packet->read_ns), packet->wait_ns);
	account->wire_busy_ns += less(packet->arrived_ns, from);
	account->wire_until_ns = later(account->wire_until_ns, packet->arrived_ns);
	if (!account->wire_begin_ns)
		account->wire_begin_ns = later(packet->ready_ns, account->begin_ns);
	account->wire_end_ns = later(account->wire_end_ns, packet->arrived_ns);
	if (packet->arrived_ns < account->ordered_ns) {
		account->reorder_ns += less(account->ordered_ns, later(packet->arrived_ns, account->reorder_until_ns));
		account->reorder_until_ns = account->ordered_ns;
	}
	account->ordered_ns = later(account->ordered_ns, packet->arrived_ns);
}

/*
 * Backwards from the load: awake since its begin, there since its arrival, under way since ready, being read for read_ns before
 * that, and before that the reader had waited for a slot. What is earlier still, the reader spent on packets before it. Clocks that
 * do not agree may put any of these after the next one: it is cut there, so that no time is given away before it has passed.
 */
void account_load(struct account *account, const struct account_packet *first, uint64_t load_begin_ns,
		  uint64_t load_end_ns)
{
	uint64_t arrived_ns = earlier(first->arrived_ns, load_begin_ns);
	uint64_t ready_ns = earlier(first->ready_ns, arrived_ns);
	uint64_t read_begin_ns = earlier(less(first->ready_ns, first->read_ns), ready_ns);
	uint64_t wait_begin_ns = earlier(less(less(first->ready_ns, first->read_ns), first->wait_ns), ready_ns);

	give(account, wait_begin_ns, &account->read_ns);
	give(account, read_begin_ns, &account->wait_ns);
	give(account, ready_ns, &account->read_ns);
	give(account, arrived_ns, &account->wire_ns);
	give(account, load_begin_ns, &account->hand_over_ns);
	give(account, load_end_ns, &account->load_ns);
}
