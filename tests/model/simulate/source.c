/* SPDX-License-Identifier: MIT */
/* The stream out, in PRE_COPY and after the stop: what the device gives, in pieces, into packets, and its config state at the end. */
#include "simulate.h"

#include <errno.h>
#include <string.h>

enum { AT_TAKE = 1, AT_READ, AT_CONFIG_TAKE, AT_CONFIG, AT_PAUSE, AT_SETTLE };
enum { LOOK_MS = 5 };

static const uint8_t session_id[16] = "simulated run.";

static bool in_precopy(const struct thread *thread)
{
	return thread->request == REQUEST_PRECOPY;
}

static void *payload_of(struct side *side, unsigned d)
{
	return arena_payload(&side->arena, d, side->thread[d].slot);
}

static void send_packet(struct world *world, struct side *side, unsigned d, uint32_t flags)
{
	struct thread *thread = &side->thread[d];
	bool whole = side->plan.integrity == VFIOMIG_INTEGRITY_CRC32C;
	uint32_t sum = whole ? packet_sum(payload_of(side, d), thread->got) : 0;
	struct packet_header header = {
		.device = (uint16_t)d, .flags = flags, .index = thread->index, .bytes = thread->got
	};
	struct flow_actions actions;

	memcpy(header.session, session_id, sizeof(header.session));
	header.crc = packet_encode(arena_header(&side->arena, d, thread->slot), &header, sum);
	thread->counts.digest = packet_digest(thread->counts.digest, &header);
	thread->counts.packets++;
	thread->counts.bytes += thread->got;
	flow_filled(&side->flow, d, thread->got, flags & PACKET_CONFIG_STATE, &actions);
	thread->got = 0;
	lanes_perform(world, side, &actions);
}

/* False: it waits for a slot. */
static bool take_slot(struct world *world, struct side *side, unsigned d)
{
	struct thread *thread = &side->thread[d];

	do {
		if (side->stop) {
			thread_fail(world, side, d, VFIOMIG_CANCELLED, ECANCELED);
			return false;
		}
		if (flow_take(&side->flow, d, &thread->slot, &thread->index)) {
			check_take(world, d, thread->slot, thread->index);
			return true;
		}
	} while (thread_wait(side, d));
	return false;
}

static void read_more(struct world *world, struct side *side, unsigned d)
{
	struct thread *thread = &side->thread[d];
	uint32_t room = thread->target - thread->got;

	if (side->stop) {
		thread_fail(world, side, d, VFIOMIG_CANCELLED, ECANCELED);
		return;
	}
	thread->stage = AT_READ;
	thread->piece = world->shape.short_io ? (uint32_t)draw(world, 1, room) : room;
	if (thread->piece < room)
		fate_applied(world, fate_find(world, FAULT_SHORT_IO, SOURCE));
	thread_call(world, side, d, draw(world, 500, 30 * NS_PER_US));
}

static void take(struct world *world, struct side *side, unsigned d)
{
	struct thread *thread = &side->thread[d];

	thread->stage = AT_TAKE;
	if (in_precopy(thread) && thread->precopy_end) {
		thread->stage = AT_SETTLE;
		thread_again(world, side, d, 0);
		return;
	}
	if (!take_slot(world, side, d))
		return;
	thread->target = one_in(world, 3) ? (uint32_t)draw(world, 1, world->shape.slot_bytes) : world->shape.slot_bytes;
	read_more(world, side, d);
}

static void note_look(struct thread *thread, bool dry)
{
	thread->dry = dry;
	if (dry && !thread->initial_read) {
		thread->initial_read = true;
		thread->initial_packets = thread->counts.packets;
	}
}

/* The device had nothing more: for now, or at all. */
static void dried_up(struct world *world, struct side *side, unsigned d)
{
	struct thread *thread = &side->thread[d];

	if (in_precopy(thread)) {
		note_look(thread, true);
		thread->stage = AT_PAUSE;
		thread_again(world, side, d, LOOK_MS * NS_PER_MS);
		thread->waiting = true; /* or until it is woken */
		return;
	}
	thread->stage = AT_CONFIG_TAKE;
	thread_again(world, side, d, 0);
}

static void was_read(struct world *world, struct side *side, unsigned d)
{
	struct thread *thread = &side->thread[d];
	size_t got = device_read(world, d, (uint8_t *)payload_of(side, d) + thread->got, thread->piece);

	thread->got += (uint32_t)got;
	if (got > 0 && thread->got < thread->target) {
		read_more(world, side, d);
		return;
	}
	if (thread->got > 0)
		send_packet(world, side, d, in_precopy(thread) ? 0 : PACKET_STOP_COPY);
	if (got == 0) {
		dried_up(world, side, d);
		return;
	}
	note_look(thread, false);
	thread->stage = AT_TAKE;
	thread_again(world, side, d, draw(world, 0, 2 * NS_PER_US));
}

static void config_was_read(struct world *world, struct side *side, unsigned d)
{
	struct thread *thread = &side->thread[d];

	thread->got = world->shape.config_bytes[d];
	content_fill(world->seed, d + 32, 0, payload_of(side, d), thread->got);
	thread->counts.config_bytes = thread->got;
	send_packet(world, side, d, PACKET_CONFIG_STATE | PACKET_STOP_COPY);
	world->truth.source_read[d] = true;
	thread_done(world, side, d);
}

/* What was sent must not be loaded in the downtime. */
static void settle(struct world *world, struct side *side, unsigned d)
{
	do {
		if (side->stop) {
			thread_fail(world, side, d, VFIOMIG_CANCELLED, ECANCELED);
			return;
		}
		if (flow_settled(&side->flow, d)) {
			thread_done(world, side, d);
			return;
		}
	} while (thread_wait(side, d));
}

void read_go(struct world *world, struct side *side, unsigned d, bool returned)
{
	struct thread *thread = &side->thread[d];

	if (returned && thread->stage == AT_READ) {
		was_read(world, side, d);
	} else if (returned) {
		config_was_read(world, side, d);
	} else if (thread->stage == AT_CONFIG_TAKE) {
		if (!take_slot(world, side, d))
			return;
		thread->stage = AT_CONFIG;
		thread_call(world, side, d, draw(world, 500, 30 * NS_PER_US));
	} else if (thread->stage == AT_SETTLE) {
		settle(world, side, d);
	} else if (thread->stage == AT_PAUSE && side->stop) {
		thread_fail(world, side, d, VFIOMIG_CANCELLED, ECANCELED);
	} else {
		take(world, side, d);
	}
}

/* Has PRE_COPY done what it can, and is its first full state loaded over there? */
void precopy_judge(struct world *world, struct side *side)
{
	if (side->core.phase != PHASE_PRECOPY || side->due_told)
		return;
	for (unsigned d = 0; d < world->shape.devices; d++) {
		const struct thread *thread = &side->thread[d];

		if (side->core.device[d].precopy &&
		    !(thread->dry && thread->initial_read && side->flow.device[d].credit >= thread->initial_packets))
			return;
	}
	if (one_in(world, 3))
		return; /* the estimate is not within the limit yet */
	side->due_told = true;
	side_fact(world, side, FACT_SWITCHOVER_DUE);
}
