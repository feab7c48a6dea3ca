/* SPDX-License-Identifier: MIT */
/*
 * Where the time of one device's stream went, kept at the destination while it is loaded: each packet brings the source's
 * account in its header. In order of index, so what a packet waited for is known when it is taken. Pure; the device's
 * own thread's. All times are the destination's clock, the header's moved there by the offset that was measured before.
 */
#ifndef CORE_ACCOUNT_H
#define CORE_ACCOUNT_H

#include <stdbool.h>
#include <stdint.h>

/* One packet's way. */
struct account_packet {
	uint64_t ready_ns;   /* full and checked at the source */
	uint64_t arrived_ns; /* whole in its slot here */
	uint64_t read_ns;    /* it took to fill */
	uint64_t wait_ns;    /* its reader had waited for a slot before that */
};

struct account {
	uint64_t begin_ns; /* of the account: everything before is not looked at; 0: not begun */
	uint64_t last_ns;  /* up to here it is accounted for */
	/* The partition of begin_ns..last_ns. */
	uint64_t load_ns, wire_ns, read_ns, wait_ns, hand_over_ns;
	/* How long each was busy, whatever the others did. */
	uint64_t wire_busy_ns, read_busy_ns, wait_busy_ns;
	uint64_t reorder_ns; /* in which a packet was here, but one before it was not (at least) */
	uint64_t wire_begin_ns, wire_end_ns;
	/* Unions so far. */
	uint64_t wire_until_ns, ordered_ns, reorder_until_ns;
};

/* Begin at @begin_ns; up to @busy_until_ns, if that is later, the loader was still at what came before. */
void account_begin(struct account *account, uint64_t begin_ns, uint64_t busy_until_ns);

/* @packet is the next one by index: its own stages. Called once per packet, before account_load of the batch that it is in. */
void account_take(struct account *account, const struct account_packet *packet);

/*
 * A batch of which @first is the first packet was loaded from @load_begin_ns to @load_end_ns; until then the loader had waited
 * for that packet since the end of the last one.
 */
void account_load(struct account *account, const struct account_packet *first, uint64_t load_begin_ns,
		  uint64_t load_end_ns);

#endif
