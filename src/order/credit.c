/* SPDX-License-Identifier: MIT */
#include "order/credit.h"

#include <errno.h>

enum { MODULUS = 1 << 24 };

int credit_take(uint64_t *credit, uint64_t sent, uint32_t low)
{
	uint32_t ahead = (low - (uint32_t)*credit) & (MODULUS - 1);

	if (ahead == 0)
		return 0;
	/* slots < 2^23: what is more than half the ring ahead is behind. */
	if (ahead >= MODULUS / 2)
		return 0;
	if (ahead > sent - *credit)
		return -EPROTO;
	*credit += ahead;
	return 1;
}
