/* SPDX-License-Identifier: MIT */
/*
 * The control connection: frames in order each way, with a head as on the wire. A connection that breaks takes along what is under
 * way, from some frame on; one that is swallowed tells nobody.
 */
#include "simulate.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "control/frame.h"
#include "wire/message.h"

static const uint8_t session_id[16] = "simulated run.";

static struct side *peer_of(struct world *world, const struct side *side)
{
	return &world->side[!side->number];
}

static void arrive(struct world *world, const struct side *to, enum event_kind kind)
{
	struct wire *wire = &world->wire[to->number];
	uint64_t at = world->now + short_while(world);

	wire->last_ns = at > wire->last_ns ? at : wire->last_ns;
	event_push(world, wire->last_ns - world->now,
		   &(struct event){ .kind = kind, .side = to->number, .life = to->life });
}

/* The source's first sight of the destination: both prefaces. */
void control_up(struct world *world, struct side *side)
{
	struct side *peer = peer_of(world, side);

	if (!peer->alive || world->cut) {
		control_lost_in(world, side);
		return;
	}
	side->up = true;
	side_fact(world, side, FACT_CONTROL_UP);
}

void control_say(struct world *world, struct side *side, enum message_type message, const uint8_t *body, size_t bytes)
{
	struct side *peer = peer_of(world, side);
	struct wire *wire = &world->wire[peer->number];
	struct frame_head head = { .bytes = (uint32_t)bytes, .version = 1, .type = (uint16_t)message };
	unsigned at = (wire->head + wire->count) % FRAMES_MAX;

	if (!side->up || side->conn_closed || world->cut || world->hole || wire->ended)
		return;
	assert(bytes + FRAME_HEAD_BYTES <= FRAME_BYTES_MAX);
	if (wire->count == FRAMES_MAX)
		return; /* as a queue that is full */
	memcpy(head.session, session_id, sizeof(head.session));
	frame_head_encode(wire->frame[at], &head);
	memcpy(wire->frame[at] + FRAME_HEAD_BYTES, body, bytes);
	wire->bytes[at] = (uint32_t)(FRAME_HEAD_BYTES + bytes);
	wire->count++;
	if (peer->alive)
		arrive(world, peer, EVENT_FRAME);
}

/* This side has said its last: the peer sees the end after all that was said. */
void control_end(struct world *world, struct side *side)
{
	struct side *peer = peer_of(world, side);

	if (world->wire[peer->number].ended || !side->up)
		return;
	world->wire[peer->number].ended = true;
	if (peer->alive && !world->hole && !world->cut)
		arrive(world, peer, EVENT_LOST);
}

void control_frame_in(struct world *world, struct side *side)
{
	struct wire *wire = &world->wire[side->number];
	uint8_t frame[FRAME_BYTES_MAX];
	struct frame_head head;

	if (!wire->count || world->hole)
		return; /* it was lost on the way */
	memcpy(frame, wire->frame[wire->head], wire->bytes[wire->head]);
	wire->head = (wire->head + 1) % FRAMES_MAX;
	wire->count--;
	if (side->conn_closed || side->gone_home)
		return;
	frame_head_decode(&head, frame);
	if (head.bytes > message_bytes_max(head.type) || memcmp(head.session, session_id, sizeof(session_id)) != 0) {
		broken(world, "a frame of %u bytes and type %u cannot be", head.bytes, head.type);
		return;
	}
	if (!side->up) {
		side->up = true;
		side_fact(world, side, FACT_CONTROL_UP);
	}
	if (!side->alive)
		return;
	messages_receive(world, side, (enum message_type)head.type, frame + FRAME_HEAD_BYTES, head.bytes);
}

void control_lost_in(struct world *world, struct side *side)
{
	struct vfiomig_error err = { 0 };

	if (side->lost)
		return;
	side->lost = true;
	side->conn_closed = true;
	if (side->number == DESTINATION && !side->up) {
		side->lost = side->conn_closed = false; /* a stranger hung up: it listens on */
		return;
	}
	error_set(&err, VFIOMIG_FABRIC, ECONNRESET, "connection-lost", "the control connection was lost");
	if (!asking_begins(world, side))
		side_step(world, side, &(struct core_event){ .kind = CORE_LOST, .error = &err });
}

/* What is under way to @side is lost from some frame on. */
static void lose_tail(struct world *world, struct side *side)
{
	struct wire *wire = &world->wire[side->number];

	wire->count = (unsigned)draw(world, 0, wire->count);
}

void control_break(struct world *world)
{
	for (unsigned s = 0; s < SIDES; s++) {
		struct side *side = &world->side[s];

		lose_tail(world, side);
		if (side->alive && !side->finished)
			arrive(world, side, EVENT_LOST);
		world->wire[s].ended = true;
	}
	world->cut = true;
}

/* @side's process is dead: its kernel still sends what was said, or a reset takes it along. */
void control_orphan(struct world *world, struct side *side)
{
	struct side *peer = peer_of(world, side);

	if (one_in(world, 2))
		lose_tail(world, peer);
	world->wire[side->number].count = 0;
	world->wire[side->number].ended = true;
	if (side->up)
		control_end(world, side);
	else if (side->number == DESTINATION && peer->up)
		arrive(world, peer, EVENT_LOST);
}
