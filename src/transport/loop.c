/* SPDX-License-Identifier: MIT */
/*
 * A packet is copied out of the source's arena when it is delivered, not when it is posted: whoever reuses a slot before
 * its SENT is found out, as with RDMA. SENT is given only for what was delivered.
 */
#include "transport/loop.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "wire/immediate.h"

enum { LOOP_ANNOUNCED_MAX = 3, LOOP_QUEUE_EXTRA = 4, LOOP_TURN_MESSAGES = 4 };

struct loop_entry {
	struct fabric_packet packet;
	bool body;
};

struct loop_lane {
	bool gone;                /* fenced, or DEAD was given out */
	bool dying;               /* DEAD is due */
	struct loop_entry *queue; /* ring; owned; on its way from this end */
	unsigned head, count;
	uint64_t delivered; /* from this end */
	uint64_t sent[LOOP_ANNOUNCED_MAX];
	unsigned sent_count;
	struct vfiomig_error error;
};

struct loop_pair;

struct loop_fabric {
	struct fabric fabric;
	struct fabric_config config;
	struct loop_pair *pair;
	struct loop_fabric *peer; /* NULL once it is closed */
	bool released;
	unsigned capacity; /* of each lane's queue */
	unsigned turn;
	struct loop_lane lanes[VFIOMIG_LANES_MAX];
};

struct loop_pair {
	struct loop_policy policy;
	uint64_t random;
	struct loop_fabric ends[2];
};

static struct loop_fabric *loop_of(struct fabric *fabric)
{
	return (struct loop_fabric *)fabric;
}

/* splitmix64 */
static uint64_t loop_random(struct loop_pair *pair)
{
	uint64_t value = pair->random += UINT64_C(0x9e3779b97f4a7c15);

	value = (value ^ value >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	value = (value ^ value >> 27) * UINT64_C(0x94d049bb133111eb);
	return value ^ value >> 31;
}

static void end_fini(struct loop_fabric *end)
{
	for (unsigned i = 0; i < end->config.lanes; i++)
		free(end->lanes[i].queue);
	end->config.lanes = 0;
}

static int end_init(struct loop_pair *pair, unsigned which, const struct fabric_config *config)
{
	struct loop_fabric *end = &pair->ends[which];

	end->fabric.ops = &loop_fabric_ops;
	end->config = *config;
	end->pair = pair;
	end->peer = &pair->ends[!which];
	end->capacity = config->arena->shape.devices + LOOP_QUEUE_EXTRA;
	for (unsigned i = 0; i < config->lanes; i++) {
		end->lanes[i].queue = calloc(end->capacity, sizeof(*end->lanes[i].queue));
		if (!end->lanes[i].queue)
			return -ENOMEM;
	}
	return 0;
}

static bool configs_fit(const struct fabric_config *source, const struct fabric_config *destination)
{
	const struct arena_shape *a = &source->arena->shape, *b = &destination->arena->shape;

	return source->lanes == destination->lanes && source->lanes && source->lanes <= VFIOMIG_LANES_MAX &&
	       source->route.role == VFIOMIG_SOURCE && destination->route.role == VFIOMIG_DESTINATION &&
	       a->devices == b->devices && a->slots == b->slots && a->slot_bytes == b->slot_bytes;
}

int loop_pair_open(struct fabric **source, struct fabric **destination, const struct fabric_config *source_config,
                   const struct fabric_config *destination_config, const struct loop_policy *policy)
{
	struct loop_pair *pair;

	*source = *destination = NULL;
	if (!configs_fit(source_config, destination_config))
		return -EINVAL;
	pair = calloc(1, sizeof(*pair));
	if (!pair)
		return -ENOMEM;
	if (policy)
		pair->policy = *policy;
	pair->random = pair->policy.seed;
	if (end_init(pair, 0, source_config) || end_init(pair, 1, destination_config)) {
		end_fini(&pair->ends[0]);
		end_fini(&pair->ends[1]);
		free(pair);
		return -ENOMEM;
	}
	*source = &pair->ends[0].fabric;
	*destination = &pair->ends[1].fabric;
	return 0;
}

static void loop_close(struct fabric *fabric)
{
	struct loop_fabric *end = loop_of(fabric);

	if (!end)
		return;
	for (unsigned i = 0; i < end->config.lanes; i++)
		if (end->peer)
			loop_cut(fabric, i);
	end_fini(end);
	if (end->peer)
		end->peer->peer = NULL;
	else
		free(end->pair);
}

static void loop_describe(struct fabric *fabric, struct fabric_memory *memory)
{
	(void)fabric;
	*memory = (struct fabric_memory){ 0 };
}

static int loop_establish(struct fabric *fabric, const struct fabric_memory *peer, struct vfiomig_error *err)
{
	(void)fabric;
	(void)peer;
	(void)err;
	return 0;
}

static bool lane_live(const struct loop_lane *lane)
{
	return !lane->gone && !lane->dying;
}

static void lane_die(struct loop_lane *lane, enum vfiomig_code code, int errnum, const char *name, unsigned index,
                     const char *why)
{
	if (!lane_live(lane))
		return;
	lane->dying = true;
	lane->count = 0;
	lane->sent_count = 0;
	error_set(&lane->error, code, errnum, name, "lane %u %s", index, why);
}

void loop_cut(struct fabric *fabric, unsigned lane)
{
	struct loop_fabric *end = loop_of(fabric);

	lane_die(&end->lanes[lane], VFIOMIG_FABRIC, EPIPE, "lane-lost", lane, "was cut");
	if (end->peer)
		lane_die(&end->peer->lanes[lane], VFIOMIG_FABRIC, EPIPE, "lane-lost", lane, "was cut");
}

static int lane_put(struct loop_fabric *end, unsigned index, const struct fabric_packet *packet, bool body)
{
	struct loop_lane *lane = &end->lanes[index];

	if (!lane_live(lane))
		return -EPIPE;
	assert(lane->count < end->capacity);
	if (lane->count == end->capacity) {
		lane_die(lane, VFIOMIG_INTERNAL, ENOBUFS, NULL, index, "has too much outstanding");
		return -EPIPE;
	}
	lane->queue[(lane->head + lane->count++) % end->capacity] = (struct loop_entry){ *packet, body };
	return 0;
}

static int loop_post(struct fabric *fabric, unsigned lane, const struct fabric_packet *packet)
{
	return lane_put(loop_of(fabric), lane, packet, true);
}

/* A credit that still waits is replaced: counts are cumulative. */
static int loop_send(struct fabric *fabric, unsigned index, uint32_t immediate)
{
	struct loop_fabric *end = loop_of(fabric);
	struct loop_lane *lane = &end->lanes[index];
	const struct fabric_packet packet = { .immediate = immediate };

	for (unsigned i = 0; i < lane->count; i++) {
		struct loop_entry *entry = &lane->queue[(lane->head + i) % end->capacity];

		if (!entry->body &&
		    entry->packet.immediate >> IMMEDIATE_INDEX_BITS == immediate >> IMMEDIATE_INDEX_BITS) {
			entry->packet.immediate = immediate;
			return lane_live(lane) ? 0 : -EPIPE;
		}
	}
	return lane_put(end, index, &packet, false);
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
		memcpy(place.payload, arena_token(arena), packet->bytes);
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

/* The oldest message to @to on lane @index. True: @event is filled in. */
static bool lane_deliver(struct loop_fabric *to, unsigned index, struct fabric_event *event)
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
		lane_die(&to->lanes[index], VFIOMIG_PROTOCOL, EPROTO, "lane-refused", index,
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
	else if (entry.body)
		lane_announce(from, entry.packet.cookie);
	return true;
}

static bool lane_has_arrivals(const struct loop_fabric *end, unsigned index)
{
	return end->peer && !end->released && lane_live(&end->lanes[index]) && end->peer->lanes[index].count;
}

static unsigned lane_poll(struct loop_fabric *end, unsigned index, struct fabric_event *events, unsigned max)
{
	struct loop_lane *lane = &end->lanes[index];
	unsigned count = 0;

	while (count < max && lane->sent_count) {
		events[count++] = (struct fabric_event){ .kind = FABRIC_SENT, .lane = index, .cookie = lane->sent[0] };
		memmove(lane->sent, lane->sent + 1, --lane->sent_count * sizeof(lane->sent[0]));
	}
	for (unsigned i = 0; i < LOOP_TURN_MESSAGES && count < max && lane_has_arrivals(end, index); i++) {
		if (!lane_deliver(end, index, &events[count]))
			break;
		count++;
	}
	if (lane->dying && count < max) {
		lane->dying = false;
		lane->gone = true;
		events[count++] = (struct fabric_event){ .kind = FABRIC_DEAD, .lane = index };
	}
	return count;
}

static unsigned loop_poll(struct fabric *fabric, uint64_t now_ns, struct fabric_event *events, unsigned max)
{
	struct loop_fabric *end = loop_of(fabric);
	unsigned count = 0;

	(void)now_ns;
	for (unsigned i = 0; i < end->config.lanes && count < max; i++)
		count += lane_poll(end, (end->turn + i) % end->config.lanes, events + count, max - count);
	end->turn = (end->turn + 1) % end->config.lanes;
	return count;
}

static int loop_pollfds(struct fabric *fabric, struct pollfd *fds, unsigned max)
{
	struct loop_fabric *end = loop_of(fabric);

	(void)fds;
	(void)max;
	for (unsigned i = 0; i < end->config.lanes; i++)
		if (end->lanes[i].dying || end->lanes[i].sent_count || lane_has_arrivals(end, i))
			return -EAGAIN;
	return 0;
}

static uint64_t loop_deadline_ns(struct fabric *fabric)
{
	(void)fabric;
	return UINT64_MAX;
}

static void loop_fence(struct fabric *fabric, unsigned index)
{
	struct loop_fabric *end = loop_of(fabric);
	struct loop_lane *lane = &end->lanes[index];

	if (end->peer)
		lane_die(&end->peer->lanes[index], VFIOMIG_FABRIC, EPIPE, "lane-closed", index,
		         "was closed by the peer");
	lane->gone = true;
	lane->dying = false;
	lane->count = 0;
	lane->sent_count = 0;
}

static void loop_release(struct fabric *fabric)
{
	loop_of(fabric)->released = true;
}

static const struct vfiomig_error *loop_error(struct fabric *fabric, unsigned lane)
{
	return &loop_of(fabric)->lanes[lane].error;
}

const struct fabric_ops loop_fabric_ops = {
	.name = "loop",
	.describe = loop_describe,
	.establish = loop_establish,
	.post = loop_post,
	.send = loop_send,
	.poll = loop_poll,
	.pollfds = loop_pollfds,
	.deadline_ns = loop_deadline_ns,
	.fence = loop_fence,
	.release = loop_release,
	.error = loop_error,
	.close = loop_close,
};
