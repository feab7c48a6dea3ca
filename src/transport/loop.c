/* SPDX-License-Identifier: MIT */
/* Both ends of a pair, and what is the same for all fabrics; what may go wrong on the way is loop_deliver.c's. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "transport/loop_pair.h"
#include "wire/immediate.h"

static struct loop_fabric *loop_of(struct fabric *fabric)
{
	return (struct loop_fabric *)fabric;
}

static void end_fini(struct loop_fabric *end)
{
	for (unsigned i = 0; i < end->config.lanes; i++) {
		free(end->lanes[i].queue);
		free(end->lanes[i].strays);
	}
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
		if (config->route.role != VFIOMIG_SOURCE)
			continue;
		end->lanes[i].strays = malloc(LOOP_ANNOUNCED_MAX * loop_stray_bytes(end));
		if (!end->lanes[i].strays)
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

void loop_lane_die(struct loop_lane *lane, enum vfiomig_code code, int errnum, const char *name, unsigned index,
		   const char *why)
{
	if (!loop_lane_live(lane))
		return;
	lane->dying = true;
	lane->count = 0;
	lane->sent_count = 0;
	error_set(&lane->error, code, errnum, name, "lane %u %s", index, why);
}

void loop_cut(struct fabric *fabric, unsigned lane)
{
	struct loop_fabric *end = loop_of(fabric);

	loop_lane_die(&end->lanes[lane], VFIOMIG_FABRIC, EPIPE, "lane-lost", lane, "was cut");
	if (end->peer)
		loop_lane_die(&end->peer->lanes[lane], VFIOMIG_FABRIC, EPIPE, "lane-lost", lane, "was cut");
}

void loop_break(struct fabric *fabric, unsigned index)
{
	struct loop_fabric *end = loop_of(fabric);
	struct loop_lane *lane = &end->lanes[index];
	unsigned count = lane->count;

	if (!loop_lane_live(lane))
		return;
	loop_lane_stray(end, index);
	loop_lane_die(lane, VFIOMIG_FABRIC, EPIPE, "lane-lost", index, "broke");
	lane->count = count;
}

static int lane_put(struct loop_fabric *end, unsigned index, const struct fabric_packet *packet, bool body)
{
	struct loop_lane *lane = &end->lanes[index];

	if (!loop_lane_live(lane))
		return -EPIPE;
	assert(lane->count < end->capacity);
	if (lane->count == end->capacity) {
		loop_lane_die(lane, VFIOMIG_INTERNAL, ENOBUFS, NULL, index, "has too much outstanding");
		return -EPIPE;
	}
	lane->queue[(lane->head + lane->count++) % end->capacity] = (struct loop_entry){ *packet, body, NULL };
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
			return loop_lane_live(lane) ? 0 : -EPIPE;
		}
	}
	return lane_put(end, index, &packet, false);
}

static bool lane_has_arrivals(const struct loop_fabric *end, unsigned index)
{
	return end->peer && !end->released && loop_lane_live(&end->lanes[index]) && end->peer->lanes[index].count;
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
		if (!loop_lane_deliver(end, index, &events[count]))
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

static void loop_lose(struct fabric *fabric, unsigned lane)
{
	loop_cut(fabric, lane);
}

static void loop_fence(struct fabric *fabric, unsigned index)
{
	struct loop_fabric *end = loop_of(fabric);
	struct loop_lane *lane = &end->lanes[index];

	if (end->peer)
		loop_lane_die(&end->peer->lanes[index], VFIOMIG_FABRIC, EPIPE, "lane-closed", index,
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
	.lose = loop_lose,
	.fence = loop_fence,
	.release = loop_release,
	.error = loop_error,
	.close = loop_close,
};
