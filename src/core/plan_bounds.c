/* SPDX-License-Identifier: MIT */
/* How many slots, and how large: what may be queued at all, and what the RDMA device bears. */
#include <errno.h>

#include "base/error.h"
#include "core/plan.h"

enum {
	RECEIVES_SPARE = 4, /* token, control, and room for a message that is being reposted */
	SLOTS_FEW = 4,
	SLOT_BYTES_ALIGN = 4096,
};

/* Two of the smallest slots per device are the least that flows. */
int plan_check_queued(const struct plan_side *side, struct vfiomig_error *err)
{
	uint64_t least = (uint64_t)side->devices * VFIOMIG_SLOTS_MIN * VFIOMIG_SLOT_BYTES_MIN;

	if (!side->queued_bytes_max || side->queued_bytes_max >= least)
		return 0;
	return error_set(
		err, VFIOMIG_PREFLIGHT, ENOSPC, "queued-bytes",
		"%u device%s need %llu bytes of slots at least, %d of %d bytes each, and only %llu may be queued",
		side->devices, side->devices == 1 ? "" : "s", (unsigned long long)least, VFIOMIG_SLOTS_MIN,
		VFIOMIG_SLOT_BYTES_MIN, (unsigned long long)side->queued_bytes_max);
}

/*
 * What may be queued bounds slots times their bytes. Fewer slots at first, as long as enough are left that reading, wire and loading
 * overlap; then smaller ones; then fewer again. plan_check_queued has seen to it that something is left.
 */
void plan_bound_memory(const struct plan_side *side, uint32_t *slots, uint64_t *slot_bytes)
{
	uint64_t each = side->queued_bytes_max / side->devices, few = *slots < SLOTS_FEW ? *slots : SLOTS_FEW;

	if (!side->queued_bytes_max || *slots <= each / *slot_bytes)
		return;
	if (each / *slot_bytes >= few) {
		*slots = (uint32_t)(each / *slot_bytes);
		return;
	}
	*slot_bytes = each / few & ~(uint64_t)(SLOT_BYTES_ALIGN - 1);
	if (*slot_bytes < VFIOMIG_SLOT_BYTES_MIN)
		*slot_bytes = VFIOMIG_SLOT_BYTES_MIN;
	few = each / *slot_bytes < few ? each / *slot_bytes : few;
	*slots = (uint32_t)(few < VFIOMIG_SLOTS_MIN ? VFIOMIG_SLOTS_MIN : few);
}

/* Every slot of every device can have a receive waiting on every lane: what the RDMA device bears bounds the slots. */
uint32_t plan_bearable_slots(const struct plan_side *side, unsigned devices)
{
	unsigned receives = side->receives_max > RECEIVES_SPARE ? side->receives_max - RECEIVES_SPARE : 0;

	return receives / devices;
}
