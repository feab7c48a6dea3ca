/* SPDX-License-Identifier: MIT */
/* A side's fabric thread over the production loop fabric, and the carrying out of what the flow wants, as src/session's shell does it. */
#include "simulate.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "wire/token.h"

#define COOKIE_TOKEN UINT64_MAX
#define COOKIE_TRIAL (UINT64_MAX - 1)

enum { TRIAL_BYTES = 64, EVENTS_BATCH = 16 };

static const uint8_t session_id[16] = "simulated run.";

static void open_ends(struct world *world, const struct side *by)
{
	struct fabric_config config[SIDES];
	const struct loop_policy policy = { weather_judge, world, world->seed + 1 };

	for (unsigned s = 0; s < SIDES; s++) {
		struct side *side = &world->side[s];

		side->arena = (struct arena){ .base = world->memory[s],
					      .shape = { by->plan.devices, by->plan.slots, world->shape.slot_bytes } };
		side->arena.bytes = arena_bytes(&side->arena.shape);
		config[s] = (struct fabric_config){ .route.role = side->core.role,
						    .lanes = by->plan.lanes,
						    .arena = &side->arena,
						    .sink = { arrival_place, world } };
	}
	if (loop_pair_open(&world->end[SOURCE], &world->end[DESTINATION], &config[SOURCE], &config[DESTINATION],
			   &policy))
		broken(world, "the loop fabric cannot be opened");
	for (unsigned s = 0; s < SIDES; s++)
		if (!world->side[s].alive)
			lanes_close(world, &world->side[s]);
}

static void do_open(struct world *world, struct side *side)
{
	struct flow_shape shape = { .role = side->core.role,
				    .devices = side->plan.devices,
				    .lanes = side->plan.lanes,
				    .slots = side->plan.slots,
				    .slot_bytes = world->shape.slot_bytes };

	if (!world->end[side->number])
		open_ends(world, side);
	side->fabric = world->end[side->number];
	if (flow_init(&side->flow, &shape))
		broken(world, "no memory for the flow");
	side_post_fact(world, side, FACT_FABRIC_OPEN);
}

void lanes_close(struct world *world, struct side *side)
{
	if (world->end[side->number])
		loop_fabric_ops.close(world->end[side->number]);
	world->end[side->number] = NULL;
	side->fabric = NULL;
	side->lanes_up = false;
	if (world->side[!side->number].alive)
		lanes_look_soon(world, &world->side[!side->number], short_while(world));
}

void lanes_look_soon(struct world *world, struct side *side, uint64_t in_ns)
{
	uint64_t at = world->now + in_ns;

	if (!side->alive || !side->lanes_up || at >= side->poll_ns)
		return;
	side->poll_ns = at;
	event_push(world, in_ns, &(struct event){ .kind = EVENT_POLL, .side = side->number, .life = side->life });
}

static void look_both(struct world *world)
{
	for (unsigned s = 0; s < SIDES; s++)
		lanes_look_soon(world, &world->side[s], short_while(world));
}

static void do_connect(struct world *world, struct side *side)
{
	side->lanes_up = true;
	side->poll_ns = UINT64_MAX;
	for (unsigned lane = 0; side->number == SOURCE && lane < side->plan.lanes; lane++) {
		struct fabric_packet packet = { .immediate = immediate_make(IMMEDIATE_CONTROL, 0, 0),
						.slot = lane % side->plan.slots,
						.bytes = TRIAL_BYTES,
						.cookie = COOKIE_TRIAL };

		side->fabric->ops->post(side->fabric, lane, &packet);
	}
	look_both(world);
}

static void do_fence(struct world *world, struct side *side)
{
	for (unsigned lane = 0; side->fabric && lane < side->plan.lanes; lane++)
		side->fabric->ops->fence(side->fabric, lane);
	look_both(world);
	side_post_fact(world, side, FACT_FABRIC_DOWN);
}

void lanes_task(struct world *world, struct side *side, enum core_action_kind task)
{
	switch (task) {
	case ACTION_PROBE:
		side_post_fact(world, side, FACT_PROBED);
		break;
	case ACTION_OPEN_FABRIC:
		do_open(world, side);
		break;
	case ACTION_CONNECT_LANES:
		do_connect(world, side);
		break;
	case ACTION_RELEASE:
		side->fabric->ops->release(side->fabric);
		side->released = true;
		side_post_fact(world, side, FACT_RELEASED);
		break;
	default:
		do_fence(world, side);
	}
}

static void post(struct world *world, struct side *side, const struct flow_action *action)
{
	struct fabric_packet packet = { .immediate = action->immediate,
					.device = action->device,
					.slot = action->slot,
					.bytes = action->bytes,
					.cookie = (uint64_t)action->device << 32 | action->slot };

	tell(world, side, "posts", action->lane, action->immediate);
	if (side->fabric->ops->post(side->fabric, action->lane, &packet) >= 0)
		check_post(world, action->lane, action);
}

static void post_token(struct world *world, struct side *side, unsigned lane)
{
	struct fabric_packet packet = { .immediate = immediate_make(IMMEDIATE_TOKEN, 0, 0),
					.bytes = (uint32_t)token_bytes(side->plan.devices),
					.cookie = COOKIE_TOKEN };

	tell(world, side, "token", lane, 0);
	side->fabric->ops->post(side->fabric, lane, &packet);
	look_both(world);
}

static void carry_out(struct world *world, struct side *side, const struct flow_action *action)
{
	if (action->kind == FLOW_WAKE) {
		thread_wake(world, side, action->device);
		return;
	}
	if (!side->fabric)
		return;
	if (action->kind == FLOW_TOKEN) {
		post_token(world, side, action->lane);
	} else if (action->kind == FLOW_CREDIT) {
		tell(world, side, "credit", action->lane, action->immediate);
		side->fabric->ops->send(side->fabric, action->lane, action->immediate);
	} else {
		post(world, side, action);
	}
	look_both(world);
}

/*
 * Between the flow's step and its carrying out a thread may lose its processor, and others overtake it. Not so with credits: those of a
 * device all come from its own thread.
 */
static bool defer(struct world *world, struct side *side, const struct flow_action *action)
{
	if (action->kind != FLOW_POST || !one_in(world, 8))
		return false;
	for (unsigned i = 0; i < POSTS_MAX; i++) {
		if (side->deferred[i].used)
			continue;
		side->deferred[i] = (struct deferred){ true, *action };
		event_push(world, short_while(world),
			   &(struct event){ .kind = EVENT_POST, .side = side->number, .life = side->life, .a = i });
		return true;
	}
	return false;
}

void lanes_perform(struct world *world, struct side *side, const struct flow_actions *actions)
{
	for (unsigned i = 0; i < actions->count; i++)
		if (!defer(world, side, &actions->action[i]))
			carry_out(world, side, &actions->action[i]);
}

void lanes_post_deferred(struct world *world, struct side *side, unsigned n)
{
	side->deferred[n].used = false;
	carry_out(world, side, &side->deferred[n].action);
}

void lanes_token(struct world *world, struct side *side)
{
	struct fault *lie = fate_find(world, FAULT_TOKEN_LIES, SOURCE);
	struct token token = { .devices = side->plan.devices };
	int lane;

	memcpy(token.session, session_id, sizeof(token.session));
	for (unsigned d = 0; d < token.devices; d++) {
		const struct stream_counts *counts = &side->core.device[d].counts;

		token.count[d] = (struct token_count){ .packets = counts->packets - 1,
						       .bytes = counts->bytes - counts->config_bytes };
	}
	if (lie) {
		if (one_in(world, 2))
			token.count[lie->device].packets += one_in(world, 2) ? 1 : UINT64_MAX;
		else
			token.count[lie->device].bytes++;
		world->truth.token_lied = true;
		fate_applied(world, lie);
	}
	token_encode(arena_token(&side->arena), &token);
	lane = flow_token(&side->flow);
	if (lane >= 0)
		post_token(world, side, (unsigned)lane);
}

/* What arrived here makes room for SENT there. */
void lanes_poll(struct world *world, struct side *side)
{
	struct fabric_event events[EVENTS_BATCH];
	struct side *peer = &world->side[!side->number];
	unsigned count;
	uint64_t due = UINT64_MAX;

	side->poll_ns = UINT64_MAX;
	if (!side->fabric)
		return;
	count = side->fabric->ops->poll(side->fabric, world->now, events, (unsigned)draw(world, 1, EVENTS_BATCH));
	for (unsigned i = 0; i < count && side->alive; i++)
		arrival_event(world, side, &events[i]);
	if (!side->alive || !side->fabric)
		return;
	if (count)
		lanes_look_soon(world, peer, short_while(world));
	if (side->fabric->ops->pollfds(side->fabric, NULL, 0) != -EAGAIN)
		return;
	for (unsigned lane = 0; lane < side->plan.lanes; lane++)
		if (world->lane_due[side->number][lane] > world->now && world->lane_due[side->number][lane] < due)
			due = world->lane_due[side->number][lane];
	lanes_look_soon(world, side, count || due == UINT64_MAX ? short_while(world) : due - world->now);
}
