/* SPDX-License-Identifier: MIT */
/* Kept apart from the loaders, which differ in the call only, so that this arithmetic is there once. */
#include "io/pieces.h"

#include <assert.h>
#include <stdint.h>

static void skip_written(struct pieces *pieces)
{
	while (pieces->count && pieces->taken >= pieces->next->iov_len) {
		pieces->taken -= pieces->next->iov_len;
		pieces->next++;
		pieces->count--;
	}
}

struct iovec pieces_run(const struct pieces *pieces)
{
	struct pieces from = *pieces;
	struct iovec run = { 0 };

	skip_written(&from);
	if (!from.count)
		return run;
	run.iov_base = (uint8_t *)from.next->iov_base + from.taken;
	run.iov_len = from.next->iov_len - from.taken;
	if (!from.split)
		return run;
	for (const struct iovec *piece = from.next + 1; piece < from.next + from.count; piece++) {
		if (piece->iov_base != (uint8_t *)run.iov_base + run.iov_len || run.iov_len >= PIECES_RUN_BYTES_MAX)
			break;
		run.iov_len += piece->iov_len;
	}
	if (run.iov_len > PIECES_RUN_BYTES_MAX)
		run.iov_len = PIECES_RUN_BYTES_MAX;
	return run;
}

void pieces_take(struct pieces *pieces, size_t bytes)
{
	assert(bytes <= pieces_run(pieces).iov_len);
	pieces->taken += bytes;
	skip_written(pieces);
}
