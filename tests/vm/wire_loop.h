/* SPDX-License-Identifier: MIT */
/*
 * What the two parts of wire_loop share: one side of the loop, and how it is connected (wire_connect.c).
 */
#ifndef WIRE_LOOP_H
#define WIRE_LOOP_H

#include <rdma/rdma_cma.h>
#include <stddef.h>
#include <stdint.h>

enum { HEADER_BYTES = 64, PAGE_BYTES = 4096, LANES_MAX = 64, FRAGMENTS_MAX = 64, VARIANTS_MAX = 16 };
enum place { PLACE_NONE, PLACE_BEFORE, PLACE_INSIDE, PLACE_ARRAY, PLACES };

/* How the chain of a packet is made; only the sender cares. */
struct variant {
	enum place place;
	size_t fragment_bytes;
};

struct options {
	int server;
	const char *address;
	const char *port;
	const char *bind;
	size_t sample_bytes;
	size_t slot_bytes;
	uint32_t lanes;
	uint32_t slots;
	uint32_t rounds;
	uint32_t variants;
	struct variant variant[VARIANTS_MAX];
};

/* Where the peer's memory is, and how many packets will come; as rdma_cm's private data. */
struct hello {
	uint64_t address;
	uint32_t rkey;
	uint32_t packets;
};

struct lane {
	struct rdma_cm_id *id;
	struct hello peer;
};

/*
 * Everything of one side. Slot i belongs to lane i / slots. A slot is a page, in which a header may lie, and the payload;
 * behind all of them is the array of headers.
 */
struct loop {
	struct options options;
	struct rdma_cm_id *listener;
	struct ibv_pd *pd;
	struct ibv_cq *cq;
	struct ibv_comp_channel *channel;
	struct ibv_mr *mr;
	char *memory;
	size_t stride;
	size_t headers_at;
	struct lane lanes[LANES_MAX];
	uint8_t *waits; /* client, per slot: the completion and the credit that are still to come */
	const struct variant *now;
	uint32_t packets; /* client: of a sample; server: in all */
	uint32_t started;
	uint32_t finished;
	uint32_t credits_out; /* server: sent, not yet completed */
};

__attribute__((noreturn, format(printf, 1, 2))) void die(const char *format, ...);

size_t slots_in_all(const struct loop *loop);
void post_receive(const struct lane *lane);
void accept_lanes(struct loop *loop);
void connect_lanes(struct loop *loop);

#endif
