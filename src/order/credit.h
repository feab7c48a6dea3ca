/* SPDX-License-Identifier: MIT */
/*
 * Credit is the cumulative count of a device's packets that the destination has loaded; it travels mod 2^24 and may be
 * late or overtaken by a later one. Pure arithmetic.
 */
#ifndef ORDER_CREDIT_H
#define ORDER_CREDIT_H

#include <stdbool.h>
#include <stdint.h>

/* May packet @index be written, with @credit of @slots? The one rule that bounds memory and makes lanes independent. */
static inline bool credit_allows(uint64_t credit, uint32_t slots, uint64_t index)
{
	return index < credit + slots;
}

/*
 * Take in a credit of @low (mod 2^24) when @credit is known and @sent packets have been given to lanes. Returns 1 if *@credit
 * grew, 0 if this one was late, -EPROTO if it speaks of packets that were never sent.
 */
int credit_take(uint64_t *credit, uint64_t sent, uint32_t low);

#endif
