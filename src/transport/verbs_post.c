/* SPDX-License-Identifier: MIT */
/*
 * What goes out on a lane: a packet is a chain of writes handed over with one doorbell, the payload in fragments and last
 * the header with the immediate. RC keeps that order, so the immediate says that all of it is there.
 */
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "transport/verbs_lane.h"
#include "wire/immediate.h"

/* A chain under construction. */
struct chain {
	struct verbs_lane *lane;
	unsigned used;
};

static struct ibv_send_wr *chain_write(struct chain *chain, size_t offset, uint32_t bytes)
{
	struct verbs_lane *lane = chain->lane;
	const struct verbs_shared *shared = lane->shared;
	struct ibv_send_wr *work = &lane->chain[chain->used];
	struct ibv_sge *piece = &lane->pieces[chain->used];

	assert(chain->used < shared->plan.chain_max);
	*piece = (struct ibv_sge){ .addr = (uintptr_t)(shared->arena->base + offset),
				   .length = bytes,
				   .lkey = shared->device.mr->lkey };
	*work = (struct ibv_send_wr){ .wr_id = verbs_work_id(VERBS_WORK_FRAGMENT, chain->used),
				      .sg_list = piece,
				      .num_sge = 1,
				      .opcode = IBV_WR_RDMA_WRITE };
	work->wr.rdma.remote_addr = shared->peer.base + offset;
	work->wr.rdma.rkey = shared->peer.rkey[0];
	if (chain->used)
		lane->chain[chain->used - 1].next = work;
	chain->used++;
	if (chain->used % VERBS_FRAGMENTS_PER_SIGN == 0)
		work->send_flags = IBV_SEND_SIGNALED;
	return work;
}

static struct ibv_send_wr *chain_packet(struct chain *chain, const struct fabric_packet *packet)
{
	const struct verbs_shared *shared = chain->lane->shared;
	const struct arena_shape *shape = &shared->arena->shape;
	size_t payload;

	if (immediate_kind(packet->immediate) == IMMEDIATE_TOKEN) {
		assert(packet->bytes <= ARENA_TOKEN_BYTES);
		return chain_write(chain, arena_token_offset(shape), packet->bytes);
	}
	assert(packet->device < shape->devices && packet->slot < shape->slots && packet->bytes <= shape->slot_bytes);
	payload = arena_payload_offset(shape, packet->device, packet->slot);
	for (uint32_t done = 0; done < packet->bytes;) {
		uint32_t left = packet->bytes - done;
		uint32_t bytes = left < shared->plan.fragment_bytes ? left : shared->plan.fragment_bytes;

		chain_write(chain, payload + done, bytes);
		done += bytes;
	}
	return chain_write(chain, arena_header_offset(shape, packet->device, packet->slot), ARENA_HEADER_BYTES);
}

/* The lock is held from here on down. */
static void work_begun(struct verbs_lane *lane)
{
	if (!lane->outstanding++)
		lane->progress_ns = clock_now_ns();
}

static int hand_over(struct verbs_lane *lane, struct ibv_send_wr *first)
{
	struct ibv_send_wr *bad;
	int rc = ibv_post_send(lane->id->qp, first, &bad);

	if (!rc)
		return 0;
	lane->outstanding--; /* whatever the device took of a chain, its last was not among it */
	verbs_lane_fail(lane, VFIOMIG_FABRIC, rc, "lane-refuses-work", "the device took no more work: %s",
			strerror(rc));
	return -EPIPE;
}

static unsigned flight_take(struct verbs_lane *lane, uint64_t cookie)
{
	unsigned place = 0;

	while (place < VERBS_FLIGHTS && lane->flights[place].busy)
		place++;
	assert(place < VERBS_FLIGHTS); /* fabric_ops.post names the limit that its caller keeps */
	lane->flights[place] = (struct verbs_flight){ .busy = true, .cookie = cookie };
	return place;
}

static int post_packet(struct verbs_lane *lane, const struct fabric_packet *packet)
{
	struct chain chain = { .lane = lane };
	struct ibv_send_wr *last = chain_packet(&chain, packet);

	last->opcode = IBV_WR_RDMA_WRITE_WITH_IMM;
	last->imm_data = htonl(packet->immediate);
	last->send_flags = IBV_SEND_SIGNALED;
	last->wr_id = verbs_work_id(VERBS_WORK_PACKET, flight_take(lane, packet->cookie));
	work_begun(lane);
	return hand_over(lane, lane->chain);
}

int verbs_lane_post(struct verbs_lane *lane, const struct fabric_packet *packet)
{
	int rc = -EPIPE;

	pthread_mutex_lock(&lane->lock);
	if (lane->state == VERBS_LANE_UP)
		rc = post_packet(lane, packet);
	pthread_mutex_unlock(&lane->lock);
	return rc;
}

int verbs_lane_post_message(struct verbs_lane *lane, unsigned place, uint32_t immediate)
{
	struct ibv_send_wr work = { .wr_id = verbs_work_id(VERBS_WORK_MESSAGE, place),
				    .opcode = IBV_WR_SEND_WITH_IMM,
				    .send_flags = IBV_SEND_SIGNALED,
				    .imm_data = htonl(immediate) };

	lane->messages[place] = (struct verbs_message){ .busy = true };
	work_begun(lane);
	return hand_over(lane, &work);
}

int verbs_lane_send(struct verbs_lane *lane, uint32_t immediate)
{
	bool credit = immediate_kind(immediate) == IMMEDIATE_CREDIT;
	unsigned place = credit ? immediate_device(immediate) : VERBS_MESSAGES - 1;
	int rc = -EPIPE;

	pthread_mutex_lock(&lane->lock);
	if (lane->state == VERBS_LANE_UP && lane->messages[place].busy) {
		lane->messages[place].again = true;
		lane->messages[place].immediate = immediate;
		rc = 0;
	} else if (lane->state == VERBS_LANE_UP) {
		rc = verbs_lane_post_message(lane, place, immediate);
	}
	pthread_mutex_unlock(&lane->lock);
	return rc;
}
