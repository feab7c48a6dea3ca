/* SPDX-License-Identifier: MIT */
/* What comes over the lanes: from the lane to the flow, to core, or to the failure that it is. As src/session/session_arrival.c. */
#include "simulate.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "wire/token.h"

#define COOKIE_TOKEN UINT64_MAX
#define COOKIE_TRIAL (UINT64_MAX - 1)

static const uint8_t session_id[16] = "simulated run.";

/* With RDMA nobody asks the destination: the source has chosen the slot. TCP asks before it receives. */
static int place_data(struct world *world, struct side *side, unsigned lane, uint32_t immediate, uint32_t bytes,
		      struct fabric_place *where)
{
	unsigned d, slot;
	const char *why;
	int rc = world->shape.tcp
			 ? flow_place(&side->flow, lane, immediate, bytes - ARENA_HEADER_BYTES, &d, &slot, &why)
			 : flow_slot_of(&side->flow, immediate, &d, &slot, &why);

	if (rc)
		return rc;
	*where = (struct fabric_place){ .header = arena_header(&side->arena, d, slot),
					.payload = arena_payload(&side->arena, d, slot) };
	return 0;
}

int arrival_place(void *context, unsigned lane, uint32_t immediate, uint32_t bytes, struct fabric_place *where)
{
	struct world *world = context;
	struct side *side = &world->side[DESTINATION];

	if (immediate_kind(immediate) == IMMEDIATE_TOKEN) {
		*where = (struct fabric_place){ .payload = arena_token(&side->arena) };
		return 0;
	}
	if (immediate_kind(immediate) == IMMEDIATE_CONTROL) {
		*where = (struct fabric_place){ .header = arena_header(&side->arena, 0, lane % side->plan.slots),
						.payload = arena_payload(&side->arena, 0, lane % side->plan.slots) };
		return side->lanes_told ? -EPROTO : 0;
	}
	return place_data(world, side, lane, immediate, bytes, where);
}

static void fail(struct world *world, struct side *side, const char *why)
{
	if (!side->lanes_failed)
		side_fail(world, side, why, "a message on a lane that must not be");
	side->lanes_failed = true;
}

static void on_data(struct world *world, struct side *side, const struct fabric_event *event)
{
	uint8_t copy[PACKET_HEADER_BYTES];
	struct packet_header header;
	struct flow_actions actions = { 0 };
	unsigned d, slot;
	const char *why;
	int rc = flow_slot_of(&side->flow, event->immediate, &d, &slot, &why);

	if (!rc) {
		memcpy(copy, arena_header(&side->arena, d, slot), sizeof(copy));
		rc = packet_decode(&header, copy, &why);
	}
	if (!rc && memcmp(header.session, session_id, sizeof(session_id)) != 0) {
		why = "packet-session";
		rc = -EPROTO;
	}
	if (!rc)
		rc = flow_arrived(&side->flow, event->lane, event->immediate, &header, &actions, &why);
	if (rc)
		fail(world, side, why);
	else
		lanes_perform(world, side, &actions);
}

static void on_token(struct world *world, struct side *side)
{
	struct core_event told = { .kind = CORE_TOKEN, .token = &side->token, .arrived = side->token_arrived };
	uint8_t copy[TOKEN_BYTES_MAX];
	const char *why = "token-foreign";

	if (side->token_here) {
		fail(world, side, "token-twice");
		return;
	}
	memcpy(copy, arena_token(&side->arena), sizeof(copy));
	if (token_decode(&side->token, copy, side->plan.devices, &why) ||
	    memcmp(side->token.session, session_id, sizeof(session_id)) != 0) {
		fail(world, side, why);
		return;
	}
	side->token_here = true;
	for (unsigned d = 0; d < side->plan.devices; d++)
		side->token_arrived[d] = flow_data_packets(&side->flow, d);
	side_post(world, side, &told, NULL);
}

static void on_credit(struct world *world, struct side *side, const struct fabric_event *event)
{
	struct flow_actions actions;
	const char *why;

	if (flow_credit(&side->flow, event->immediate, &actions, &why))
		fail(world, side, why);
	else
		lanes_perform(world, side, &actions);
}

static void on_warm_up(struct world *world, struct side *side, const struct fabric_event *event)
{
	if (side->lanes_told) {
		fail(world, side, "warm-up-late");
		return;
	}
	side->warm |= 1U << event->lane;
	if (side->warm == (1U << side->plan.lanes) - 1) {
		side->lanes_told = true;
		side_post_fact(world, side, FACT_LANES_UP);
	}
}

static void on_arrived(struct world *world, struct side *side, const struct fabric_event *event)
{
	enum immediate_kind kind = immediate_kind(event->immediate);

	if ((kind == IMMEDIATE_CREDIT) != (side->number == SOURCE))
		fail(world, side, "immediate");
	else if (kind == IMMEDIATE_DATA)
		on_data(world, side, event);
	else if (kind == IMMEDIATE_TOKEN)
		on_token(world, side);
	else if (kind == IMMEDIATE_CREDIT)
		on_credit(world, side, event);
	else
		on_warm_up(world, side, event);
}

static void on_sent(struct world *world, struct side *side, const struct fabric_event *event)
{
	unsigned d = (unsigned)(event->cookie >> 32), slot = (unsigned)(event->cookie & UINT32_MAX);
	struct flow_actions actions;

	if (event->cookie == COOKIE_TRIAL && ++side->trials_sent == side->plan.lanes)
		side_post_fact(world, side, FACT_LANES_UP);
	if (event->cookie == COOKIE_TOKEN || event->cookie == COOKIE_TRIAL)
		return;
	world->truth.in_slot[d][slot] = 0;
	flow_sent(&side->flow, event->lane, d, slot, &actions);
	lanes_perform(world, side, &actions);
}

void arrival_event(struct world *world, struct side *side, const struct fabric_event *event)
{
	tell(world, side,
	     event->kind == FABRIC_SENT	  ? "sent"
	     : event->kind == FABRIC_DEAD ? "dead"
					  : "arrived",
	     event->lane, event->kind == FABRIC_SENT ? event->cookie : event->immediate);
	if (event->kind == FABRIC_SENT)
		on_sent(world, side, event);
	else if (event->kind == FABRIC_ARRIVED)
		on_arrived(world, side, event);
	else
		lanes_dead(world, side, event->lane);
}
