/* SPDX-License-Identifier: MIT */
/* The stream in: packets in order out of their slots into the device, in pieces, up to the config packet, which is kept aside. */
#include "simulate.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"

enum { AT_WAIT = 0, AT_WRITE };

static const uint8_t session_id[16] = "simulated run.";

static void write_more(struct world *world, struct side *side, unsigned d)
{
	struct thread *thread = &side->thread[d];
	uint32_t left = thread->header[thread->batch_at].bytes - thread->written;

	if (side->stop) {
		thread_fail(world, side, d, VFIOMIG_CANCELLED, ECANCELED);
		return;
	}
	thread->stage = AT_WRITE;
	thread->piece = world->shape.short_io && left > 1 ? (uint32_t)draw(world, 1, left) : left;
	if (thread->piece < left)
		fate_applied(world, fate_find(world, FAULT_SHORT_IO, SOURCE));
	if (world->shape.write_ns_per_kib)
		fate_applied(world, fate_find(world, FAULT_SLOW_CONSUMER, DESTINATION));
	thread_call(world, side, d,
		    draw(world, 500, 20 * NS_PER_US) + world->shape.write_ns_per_kib * thread->piece / 1024);
}

static void release(struct world *world, struct side *side, unsigned d)
{
	struct thread *thread = &side->thread[d];
	struct flow_actions actions;

	for (unsigned i = 0; i < thread->batch; i++) {
		thread->counts.digest = packet_digest(thread->counts.digest, &thread->header[i]);
		thread->counts.packets++;
		thread->counts.bytes += thread->header[i].bytes;
	}
	world->truth.loaded[d] += thread->batch;
	flow_loaded(&side->flow, d, thread->batch, &actions);
	lanes_perform(world, side, &actions);
}

static void keep_config(struct world *world, struct side *side, unsigned d)
{
	struct thread *thread = &side->thread[d];

	if (thread->header[0].bytes > CONFIG_BYTES_MAX) {
		thread_fail(world, side, d, VFIOMIG_PROTOCOL, EMSGSIZE);
		return;
	}
	thread->blob_bytes = thread->header[0].bytes;
	memcpy(thread->blob, arena_payload(&side->arena, d, thread->batch_slot[0]), thread->blob_bytes);
	thread->counts.config_bytes = thread->blob_bytes;
	release(world, side, d);
	thread_done(world, side, d);
}

static bool checks_out(struct side *side, unsigned d)
{
	struct thread *thread = &side->thread[d];
	bool whole = side->plan.integrity == VFIOMIG_INTEGRITY_CRC32C;

	for (unsigned i = 0; i < thread->batch; i++) {
		thread->batch_slot[i] = flow_peek(&side->flow, d, i, &thread->header[i]);
		memcpy(thread->header[i].session, session_id, sizeof(session_id));
		if (packet_verify(&thread->header[i],
				  whole ? arena_payload(&side->arena, d, thread->batch_slot[i]) : NULL))
			return false;
	}
	return true;
}

static void next_batch(struct world *world, struct side *side, unsigned d)
{
	struct thread *thread = &side->thread[d];

	do {
		if (side->stop) {
			thread_fail(world, side, d, VFIOMIG_CANCELLED, ECANCELED);
			return;
		}
		thread->batch = flow_ready(&side->flow, d, (unsigned)draw(world, 1, BATCH_MAX), true);
	} while (!thread->batch && thread_wait(side, d));
	if (!thread->batch)
		return;
	if (!checks_out(side, d)) {
		error_set(&thread->failure, VFIOMIG_PROTOCOL, EBADMSG, "packet-damaged", "a packet came damaged");
		thread_done(world, side, d);
		return;
	}
	thread->batch_at = 0;
	thread->written = 0;
	if (thread->header[0].flags & PACKET_CONFIG_STATE)
		keep_config(world, side, d);
	else
		write_more(world, side, d);
}

static void was_written(struct world *world, struct side *side, unsigned d)
{
	struct thread *thread = &side->thread[d];
	const uint8_t *payload = arena_payload(&side->arena, d, thread->batch_slot[thread->batch_at]);

	device_write(world, d, payload + thread->written, thread->piece);
	thread->written += thread->piece;
	if (thread->written == thread->header[thread->batch_at].bytes) {
		thread->batch_at++;
		thread->written = 0;
	}
	if (thread->batch_at < thread->batch) {
		write_more(world, side, d);
		return;
	}
	release(world, side, d);
	thread->stage = AT_WAIT;
	thread_again(world, side, d, draw(world, 0, NS_PER_US));
}

void load_go(struct world *world, struct side *side, unsigned d, bool returned)
{
	if (returned)
		was_written(world, side, d);
	else
		next_batch(world, side, d);
}
