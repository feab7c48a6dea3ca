/* SPDX-License-Identifier: MIT */
/*
 * A side's control thread: as src/session's, it steps core with what it hears, and has done what core wants. The order in which it
 * hears the other threads, the peer and the clock is the dice's.
 */
#include "simulate.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/error.h"

enum { TICK_MS = 20 };

static void later(struct world *world, struct side *side, enum event_kind kind, uint32_t a, uint64_t in_ns)
{
	event_push(world, in_ns, &(struct event){ .kind = kind, .side = side->number, .life = side->life, .a = a });
}

void side_fact(struct world *world, struct side *side, enum core_fact fact)
{
	side_step(world, side, &(struct core_event){ .kind = CORE_FACT, .fact = fact });
}

/* What the other threads say comes in the order in which it was said. */
void side_post(struct world *world, struct side *side, const struct core_event *event, const struct vfiomig_error *err)
{
	struct note *note = &side->inbox[(side->inbox_head + side->inbox_count++) % INBOX_MAX];
	uint64_t at = world->now + short_while(world);

	assert(side->inbox_count <= INBOX_MAX);
	note->event = *event;
	note->error = err ? *err : (struct vfiomig_error){ 0 };
	side->inbox_ns = at > side->inbox_ns ? at : side->inbox_ns;
	later(world, side, EVENT_INBOX, 0, side->inbox_ns - world->now);
}

void side_post_fact(struct world *world, struct side *side, enum core_fact fact)
{
	side_post(world, side, &(struct core_event){ .kind = CORE_FACT, .fact = fact }, NULL);
}

void side_inbox(struct world *world, struct side *side)
{
	struct note note = side->inbox[side->inbox_head];

	side->inbox_head = (side->inbox_head + 1) % INBOX_MAX;
	side->inbox_count--;
	if (note.event.kind != CORE_FACT && note.event.kind != CORE_TOKEN)
		note.event.error = note.error.code != VFIOMIG_OK ? &note.error : NULL;
	if (note.event.kind == CORE_FACT && note.event.fact == FACT_PROBED)
		side->probed = true;
	side_step(world, side, &note.event);
	messages_judge_offer(world, side);
}

void side_fail(struct world *world, struct side *side, const char *name, const char *what)
{
	struct vfiomig_error err = { 0 };

	error_set(&err, VFIOMIG_PROTOCOL, EPROTO, name, "%s: %s", side_name(side), what);
	side_post(world, side, &(struct core_event){ .kind = CORE_FAILED }, &err);
}

static void end_precopy(struct world *world, struct side *side)
{
	for (unsigned d = 0; d < world->shape.devices; d++) {
		side->thread[d].precopy_end = true;
		thread_wake(world, side, d);
	}
}

static void stop_waits(struct world *world, struct side *side)
{
	side->stop = true;
	for (unsigned d = 0; d < world->shape.devices; d++)
		thread_wake(world, side, d);
}

static void finish(struct world *world, struct side *side)
{
	side->finished = true;
	side->finished_ns = world->now;
	core_result(&side->core, &side->result);
	tell(world, side, "ends with code", side->core.outcome.code, 0);
	say(world, side, side->core.outcome.text);
	people_ended(world, side);
	later(world, side, EVENT_TOLD, 0, short_while(world));
}

/* The fabric thread does what it is asked for in the order in which it can follow each other. */
static void ask_fabric(struct world *world, struct side *side, enum core_action_kind task)
{
	uint64_t at = world->now + short_while(world);

	side->task_ns = at > side->task_ns ? at : side->task_ns;
	later(world, side, EVENT_TASK, task, side->task_ns - world->now);
}

static void carry_out(struct world *world, struct side *side, const struct core_action *action)
{
	switch (action->kind) {
	case ACTION_PROBE:
	case ACTION_OPEN_FABRIC:
	case ACTION_CONNECT_LANES:
	case ACTION_RELEASE:
	case ACTION_FENCE:
		ask_fabric(world, side, action->kind);
		break;
	case ACTION_FENCE_LANE:
		later(world, side, EVENT_FENCE_LANE, action->lane, short_while(world));
		break;
	case ACTION_RESEND:
		lanes_resend(world, side);
		break;
	case ACTION_SEND:
		messages_send_of_lane(world, side, action);
		break;
	case ACTION_DEVICE:
		thread_ask(world, side, action->device, action->request);
		break;
	case ACTION_END_PRECOPY:
		end_precopy(world, side);
		break;
	case ACTION_TOKEN:
		lanes_token(world, side);
		break;
	case ACTION_JOURNAL:
		record_put(world, side, action->fact);
		break;
	case ACTION_STOP_WAITS:
		stop_waits(world, side);
		break;
	case ACTION_FINISH:
		finish(world, side);
		break;
	}
}

static const char *const event_names[] = {
	[CORE_START] = "starts",
	[CORE_FACT] = "fact",
	[CORE_MESSAGE] = "message",
	[CORE_STREAM_END] = "stream end",
	[CORE_TOKEN] = "token",
	[CORE_DEVICE_DONE] = "device done",
	[CORE_DEVICE_STUCK] = "device stuck",
	[CORE_FAILED] = "failed",
	[CORE_UNWRITTEN] = "unwritten",
	[CORE_LANE_LOST] = "lane lost",
	[CORE_LANE_FENCED] = "lane fenced",
	[CORE_LOST] = "control lost",
	[CORE_ABORT] = "abort",
	[CORE_CANCEL] = "cancel",
	[CORE_COMMIT] = "commit",
};

static void tell_event(struct world *world, const struct side *side, const struct core_event *event)
{
	uint64_t what = event->kind == CORE_FACT	  ? event->fact
			: event->kind == CORE_MESSAGE	  ? event->message
			: event->kind == CORE_DEVICE_DONE ? event->request
							  : event->device;

	if (event->kind == CORE_TICK || (event->kind == CORE_MESSAGE && event->message == MESSAGE_HEARTBEAT))
		return;
	tell(world, side, event_names[event->kind], what, event->error ? event->error->code : 0);
	if (event->error && event->error->code != VFIOMIG_OK)
		say(world, side, event->error->text);
}

static void step(struct world *world, struct side *side, const struct core_event *event)
{
	enum core_phase before = side->core.phase;
	struct core_actions actions;

	tell_event(world, side, event);
	core_step(&side->core, event, world->now, &actions);
	if (side->core.phase != before)
		tell(world, side, "phase", before, side->core.phase);
	caller_stepped(world, side, event, before);
	for (unsigned i = 0; i < actions.count; i++) {
		if (fate_dies_here(world, side))
			return;
		tell(world, side, "action", actions.action[i].kind,
		     (uint64_t)actions.action[i].message << 16 | actions.action[i].request << 8 |
			     actions.action[i].device);
		carry_out(world, side, &actions.action[i]);
	}
}

/* What is owed to the caller comes before anything else. */
void side_step(struct world *world, struct side *side, const struct core_event *event)
{
	if (caller_owes(world, side))
		step(world, side, &(struct core_event){ .kind = CORE_COMMIT });
	if (side->alive)
		step(world, side, event);
}

void side_start(struct world *world, struct side *side)
{
	side->started = true;
	side_step(world, side, &(struct core_event){ .kind = CORE_START });
	if (side->number == SOURCE)
		later(world, side, EVENT_UP, 0, short_while(world));
	later(world, side, EVENT_TICK, 0, draw(world, 0, TICK_MS * NS_PER_MS));
	side->watched_ns = world->now;
	if (!world->shape.vmm[side->number])
		return;
	later(world, side, EVENT_PLATFORM, 0, draw(world, 0, 40 * NS_PER_MS));
}

/* As the source's shell: a minute's patience is the peer's, but a farewell ends with one peer timeout. */
static void go_home(struct world *world, struct side *side)
{
	bool runs = side->number == DESTINATION && side->core.phase == PHASE_DONE;

	if (side->gone_home)
		return;
	if (runs && world->now - side->finished_ns < world->shape.peer_timeout_ns && !side->lost)
		return; /* the source leaves first */
	side->gone_home = true;
	control_end(world, side);
}

void side_tick(struct world *world, struct side *side)
{
	if (side->finished) {
		go_home(world, side);
		if (!side->gone_home)
			later(world, side, EVENT_TICK, 0, TICK_MS * NS_PER_MS);
		return;
	}
	if (side->number == SOURCE)
		asking_tick(world, side);
	side_step(world, side, &(struct core_event){ .kind = CORE_TICK });
	if (side->alive)
		thread_watch(world, side);
	if (side->alive && side->number == SOURCE)
		precopy_judge(world, side);
	if (side->alive)
		later(world, side, EVENT_TICK, 0, TICK_MS * NS_PER_MS);
}
