/* SPDX-License-Identifier: MIT */
/*
 * A packet is copied out of the source's arena when it is delivered, not when it is posted: whoever reuses a slot before
 * its SENT is found out, as with RDMA. SENT is given only for what was delivered.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "transport/loop_pair.h"
#include "wire/immediate.h"

/* splitmix64 */
static uint64_t loop_random(struct loop_pair *pair)
{
	uint64_t value = pair->random += UINT64_C(0x9e3779b97f4a7c15);

	value = (value ^ value >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	value = (value ^ value >> 27) * UINT64_C(0x94d049bb133111eb);
	return value ^ value >> 31;
}

static bool entry_is_token(const struct loop_entry *entry)
{
	return entry->body && immediate_kind(entry->packet.immediate) == IMMEDIATE_TOKEN;
}

static uint32_t entry_bytes(const struct loop_entry *entry)
{
	if (!entry->body)
		return 0;
	return entry->packet.bytes + (entry_is_token(entry) ? 0U : (uint32_t)ARENA_HEADER_BYTES);
}

/* One bit of the body, anywhere. */
static void body_corrupt(const struct loop_entry *entry, const struct fabric_place *place, uint64_t random)
{
	size_t at = (size_t)(random >> 3) % entry_bytes(entry);
	uint8_t bit = (uint8_t)(1U << (random & 7));

	if (entry_is_token(entry))
		((uint8_t *)place->payload)[at] ^= bit;
	else if (at < ARENA_HEADER_BYTES)
		((uint8_t *)place->header)[at] ^= bit;
	else
		((uint8_t *)place->payload)[at - ARENA_HEADER_BYTES] ^= bit;
}

static size_t larger(size_t a, size_t b)
{
	return a > b ? a : b;
}

size_t loop_stray_bytes(const struct loop_fabric *end)
{
	return larger(ARENA_HEADER_BYTES + end->config.arena->shape.slot_bytes, ARENA_TOKEN_BYTES);
}

void loop_lane_stray(struct loop_fabric *end, unsigned index)
{
	struct loop_lane *lane = &end->lanes[index];
	uint8_t *at = lane->strays;

	for (unsigned i = 0; i < lane->count; i++) {
		struct loop_entry *entry = &lane->queue[(lane->head + i) % end->capacity];
		const struct fabric_packet *packet = &entry->packet;
		const struct arena *arena = end->config.arena;

		if (!entry->body)
			continue;
		assert(at < lane->strays + LOOP_ANNOUNCED_MAX * loop_stray_bytes(end));
		entry->stray = at;
		if (entry_is_token(entry)) {
			memcpy(at, arena_token(arena), packet->bytes);
		} else {
			memcpy(at, arena_header(arena, packet->device, packet->slot), ARENA_HEADER_BYTES);
			memcpy(at + ARENA_HEADER_BYTES, arena_payload(arena, packet->device, packet->slot),
			       packet->bytes);
		}
		at += loop_stray_bytes(end);
	}
}

/* Copy the body from arena to arena. An errno if there is no place for it. */
static int body_move(struct loop_fabric *to, unsigned lane, const struct loop_entry *entry, bool corrupt)
{
	const struct fabric_packet *packet = &entry->packet;
	const struct arena *arena = to->peer->config.arena;
	struct fabric_place place = { 0 };
	int result =
		to->config.sink.place(to->config.sink.context, lane, packet->immediate, entry_bytes(entry), &place);

	if (result)
		return result;
	if (entry_is_token(entry)) {
		memcpy(place.payload, entry->stray ? entry->stray : arena_token(arena), packet->bytes);
	} else if (entry->stray) {
		memcpy(place.header, entry->stray, ARENA_HEADER_BYTES);
		memcpy(place.payload, entry->stray + ARENA_HEADER_BYTES, packet->bytes);
	} else {
		memcpy(place.header, arena_header(arena, packet->device, packet->slot), ARENA_HEADER_BYTES);
		memcpy(place.payload, arena_payload(arena, packet->device, packet->slot), packet->bytes);
	}
	if (corrupt)
		body_corrupt(entry, &place, loop_random(to->pair));
	return 0;
}

static enum loop_verdict lane_judge(struct loop_fabric *to, unsigned index, const struct loop_entry *entry)
{
	struct loop_pair *pair = to->pair;
	const struct loop_message message = {
		.to = to->config.route.role,
		.lane = index,
		.number = to->peer->lanes[index].delivered,
		.immediate = entry->packet.immediate,
		.bytes = entry_bytes(entry),
	};

	return pair->policy.judge ? pair->policy.judge(pair->policy.context, &message, loop_random(pair))
				  : LOOP_DELIVER;
}

static void lane_announce(struct loop_lane *lane, uint64_t cookie)
{
	assert(lane->sent_count < LOOP_ANNOUNCED_MAX);
	lane->sent[lane->sent_count++] = cookie;
}

bool loop_lane_deliver(struct loop_fabric *to, unsigned index, struct fabric_event *event)
{
	struct loop_lane *from = &to->peer->lanes[index];
	const struct loop_entry entry = from->queue[from->head];
	enum loop_verdict verdict = lane_judge(to, index, &entry);

	if (verdict == LOOP_DELAY)
		return false;
	if (verdict == LOOP_CUT_BEFORE) {
		loop_cut(&to->fabric, index);
		return false;
	}
	if (entry.body && body_move(to, index, &entry, verdict == LOOP_CORRUPT)) {
		loop_lane_die(&to->lanes[index], VFIOMIG_PROTOCOL, EPROTO, "lane-refused", index,
			      "brought a packet for which there is no place now");
		loop_cut(&to->fabric, index);
		return false;
	}
	from->head = (from->head + 1) % to->peer->capacity;
	from->count--;
	from->delivered++;
	*event = (struct fabric_event){ .kind = FABRIC_ARRIVED, .lane = index, .immediate = entry.packet.immediate };
	if (verdict == LOOP_CUT_AFTER)
		loop_cut(&to->fabric, index);
	else if (entry.body && loop_lane_live(from))
		lane_announce(from, entry.packet.cookie);
	return true;
}
