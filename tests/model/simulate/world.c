/* SPDX-License-Identifier: MIT */
/* A run: from a seed to two sides on two hosts, through every event in the order of virtual time, to the verdict. */
#include "simulate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MEMORY_BYTES = 12 << 20 };

/* Nobody's patience is longer than two minutes or so; the large run takes as long as its bytes. */
#define PATIENCE_NS (300 * NS_PER_S)

const char *side_name(const struct side *side)
{
	return side->number == SOURCE ? "source" : "destination";
}

static void *take(size_t count, size_t bytes)
{
	void *memory = calloc(count, bytes);

	if (!memory) {
		perror("simulate");
		exit(1);
	}
	return memory;
}

void world_open(struct world *world)
{
	*world = (struct world){ 0 };
	world->heap = take(HEAP_MAX, sizeof(*world->heap));
	world->wire = take(SIDES, sizeof(*world->wire));
	for (unsigned s = 0; s < SIDES; s++)
		world->memory[s] = take(1, MEMORY_BYTES);
	caller_open(world);
}

void world_close(struct world *world)
{
	caller_close(world);
	free(world->heap);
	free(world->wire);
	for (unsigned s = 0; s < SIDES; s++)
		free(world->memory[s]);
}

static void make_devices(struct world *world)
{
	bool precopy[DEVICES_MAX];

	for (unsigned d = 0; d < world->shape.devices; d++)
		precopy[d] = world->shape.initial_bytes[d] > 0;
	for (unsigned s = 0; s < SIDES; s++)
		for (unsigned d = 0; d < world->shape.devices; d++) {
			struct vfiomig_device *handle = &world->handle[s][d];

			device_init(&world->device[s][d], world->shape.p2p, precopy[d]);
			*handle = (struct vfiomig_device){ .gate = s == SOURCE ? world->shape.device_gate[d]
									       : VFIOMIG_GATE_AUTO };
			snprintf(handle->spec, sizeof(handle->spec), "simulated %u", d);
			snprintf(handle->info.driver, sizeof(handle->info.driver), "simulated");
			handle->info.migration_flags = world->device[s][d].flags;
			world->handles[s][d] = handle;
		}
}

static void make_side(struct world *world, unsigned s)
{
	const struct shape *shape = &world->shape;
	struct side *side = &world->side[s];
	struct core_config config = { .role = s == SOURCE ? VFIOMIG_SOURCE : VFIOMIG_DESTINATION,
				      .peer_timeout_ns = shape->peer_timeout_ns,
				      .hold_ns = shape->hold_ns,
				      .no_platform = !shape->vmm[s],
				      .serial = shape->serial[s],
				      .external_commit = shape->external[s],
				      .purpose = s == SOURCE && shape->probe ? CORE_PROBE : CORE_MIGRATE,
				      .downtime_limit_ns = s == SOURCE ? shape->downtime_limit_ns : 0 };

	*side = (struct side){ .number = s, .alive = true, .life = 1, .poll_ns = UINT64_MAX };
	side->plan_side = (struct plan_side){ .gate = shape->gate[s],
					      .lanes = shape->lanes,
					      .slots = shape->slots[s],
					      .slot_bytes = VFIOMIG_SLOT_BYTES_MIN, /* a slot here is smaller */
					      .integrity = shape->integrity,
					      .transports = 1U << VFIOMIG_TRANSPORT_TCP,
					      .arch = plan_arch(),
					      .no_platform = !shape->vmm[s],
					      .external_commit = shape->external[s],
					      .devices = shape->devices,
					      .device = world->handles[s] };
	core_init(&side->core, &config, world->now);
	if (s == DESTINATION)
		return;
	core_set_devices(&side->core, shape->devices);
	for (unsigned d = 0; d < shape->devices; d++) {
		side->core.device[d].p2p = shape->p2p;
		side->core.device[d].precopy = shape->initial_bytes[d] > 0;
	}
}

static void begin(struct world *world, uint64_t seed, bool large)
{
	struct event *heap = world->heap;
	struct wire *wire = world->wire;
	uint8_t *memory[SIDES] = { world->memory[SOURCE], world->memory[DESTINATION] };
	struct vfiomig_session *caller[SIDES] = { world->caller[SOURCE], world->caller[DESTINATION] };
	bool trace = world->trace;

	*world = (struct world){ .seed = seed, .trace = trace, .heap = heap, .wire = wire, .now = NS_PER_S };
	memcpy(world->memory, memory, sizeof(memory));
	memcpy(world->caller, caller, sizeof(caller));
	world->random.state = seed * UINT64_C(0x9e3779b97f4a7c15) + UINT64_C(0x1234567);
	if (!world->random.state)
		world->random.state = 1;
	for (unsigned i = 0; i < 8; i++)
		random_next(&world->random); /* neighbouring seeds shall have nothing in common */
	for (unsigned s = 0; s < SIDES; s++)
		wire[s].head = wire[s].count = 0, wire[s].last_ns = 0, wire[s].ended = false;
	if (large)
		shape_of_large_run(world);
	else
		shape_draw(world);
	make_devices(world);
	caller_begin(world);
	vmm_begin(world);
	for (unsigned s = 0; s < SIDES; s++) {
		if (!large)
			memset(world->memory[s], 0xa5, MEMORY_BYTES / 128);
		make_side(world, s);
		event_push(world, s == DESTINATION ? 0 : NS_PER_MS,
			   &(struct event){ .kind = EVENT_START, .side = s, .life = 1 });
	}
	world->truth.platform_ready = !world->shape.vmm[DESTINATION];
}

static void platform(struct world *world, struct side *side)
{
	if (side->number == DESTINATION)
		world->truth.platform_ready = true;
	side_post_fact(world, side, side->number == SOURCE ? FACT_ITERABLES_DONE : FACT_PLATFORM_READY);
}

static void thread_turn(struct world *world, struct side *side, const struct event *event)
{
	struct thread *thread = &side->thread[event->a];

	if (event->b != thread->turn || thread->request == REQUEST_NONE || thread->abandoned)
		return;
	thread->waiting = false;
	thread_go(world, side, event->a, false);
}

static void call_returns(struct world *world, struct side *side, const struct event *event)
{
	struct thread *thread = &side->thread[event->a];

	if (event->b == thread->call && !thread->abandoned)
		thread_go(world, side, event->a, true);
}

/* What happens on a host or to it, whatever process lives there. */
static bool happens_to_host(struct world *world, const struct event *event)
{
	switch (event->kind) {
	case EVENT_EFFECT:
		thread_effect(world, event->side, event->a);
		return true;
	case EVENT_AGAIN:
		people_again(world);
		return true;
	case EVENT_VMM:
		people_vmm(world);
		return true;
	case EVENT_PERSON:
		if (commits_externally(world))
			person_visits(world);
		else
			people_decide(world);
		return true;
	default:
		return false;
	}
}

static void happens_to_process(struct world *world, struct side *side, const struct event *event)
{
	switch (event->kind) {
	case EVENT_START:
		side_start(world, side);
		break;
	case EVENT_TICK:
		side_tick(world, side);
		break;
	case EVENT_INBOX:
		side_inbox(world, side);
		break;
	case EVENT_UP:
		control_up(world, side);
		break;
	case EVENT_FRAME:
		control_frame_in(world, side);
		break;
	case EVENT_LOST:
		control_lost_in(world, side);
		break;
	case EVENT_TASK:
		lanes_task(world, side, (enum core_action_kind)event->a);
		break;
	case EVENT_FENCE_LANE:
		lanes_fence_one(world, side, event->a);
		break;
	case EVENT_POLL:
		lanes_poll(world, side);
		break;
	case EVENT_POST:
		lanes_post_deferred(world, side, event->a);
		break;
	case EVENT_THREAD:
		thread_turn(world, side, event);
		break;
	case EVENT_CALL:
		call_returns(world, side, event);
		break;
	case EVENT_NUDGE:
		side_step(world, side, &(struct core_event){ .kind = CORE_TICK });
		break;
	case EVENT_CANCEL:
		caller_hear_cancel(world, side);
		break;
	case EVENT_TOLD:
		people_told(world, side);
		break;
	case EVENT_PLATFORM:
		platform(world, side);
		break;
	case EVENT_ANSWER:
		answered(world, side, event->b, (enum vfiomig_journal_state)(event->a & 255), event->a >> 8);
		break;
	default:
		break;
	}
}

static void happen(struct world *world, const struct event *event)
{
	struct side *side = &world->side[event->side];

	if (happens_to_host(world, event))
		return;
	if (event->kind == EVENT_WAKE) {
		if (event->life == side->life)
			side->asleep = false;
		return;
	}
	if (side->asleep) {
		event_push(world, side->awake_ns - world->now, event);
		return;
	}
	if (vmm_event(world, side, event))
		return;
	if (event->kind == EVENT_ASKED)
		asked(world, event->b);
	else if (side->alive && event->life == side->life)
		happens_to_process(world, side, event);
}

static void watch_allocations(struct world *world)
{
	enum core_phase phase = world->side[SOURCE].core.phase;
	bool after = phase >= PHASE_SWITCHOVER && phase <= PHASE_DONE;

	if (after && !world->truth.watched)
		alloc_watch(true);
	world->truth.watched |= after;
}

static void end(struct world *world)
{
	alloc_watch(false);
	for (unsigned s = 0; s < SIDES; s++) {
		if (world->end[s])
			loop_fabric_ops.close(world->end[s]);
		world->end[s] = NULL;
		flow_fini(&world->side[s].flow);
	}
}

void world_run(struct world *world, uint64_t seed, bool large)
{
	uint64_t until;
	struct event event;

	begin(world, seed, large);
	until = world->now + (large ? 1000 * NS_PER_S : PATIENCE_NS);
	while (!world->broken[0] && event_pop(world, &event)) {
		if (event.at > until)
			break;
		world->now = event.at;
		world->steps++;
		digest(world, event.at);
		digest(world, (uint64_t)event.kind << 8 | event.side);
		happen(world, &event);
		fate_step(world);
		check_step(world);
		watch_allocations(world);
	}
	if (!world->broken[0])
		verdict(world);
	end(world);
}
