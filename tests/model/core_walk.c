/* SPDX-License-Identifier: MIT */
/*
 * The core walked breadth first from its start through every state that it can get into, with every event that a shell or
 * a peer could bring there, good or bad. A witness checks every action; from every state the answers to what is
 * outstanding and then silence must lead to the end.
 */
#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "support/core_events.h"
#include "support/core_frozen.h"
#include "support/core_witness.h"

#define T0 (1000 * NS_PER_S)

enum {
	PEER_TIMEOUT_MS = 1000,
	DOWNTIME_LIMIT_MS = 100,
	STATES_MAX = 1 << 17,
	TABLE_SLOTS = 1 << 18,
	SETTLE_STEPS_MAX = 64
};

/* What is walked. */
struct scene {
	enum vfiomig_role role;
	unsigned devices;
	uint8_t p2p, gated, precopy; /* a bit per device */
	bool vmm, serial, limited, external;
	enum core_purpose purpose;
};

struct walk {
	struct state *states;
	uint32_t *table; /* number of a state + 1; 0: free */
	uint32_t count, done, failed;
	uint32_t well; /* failed without an error: a probe's or a recording's end */
	struct core blank;
	struct state start;
};

/*
 * On the way back nobody asks any more what the peer has said of the streams, and the witness not for the way here either:
 * that much is forgotten, or the number of states explodes.
 */
static void forget_the_way_here(struct state *state)
{
	struct witness *witness = &state->witness;
	struct frozen *core = &state->core;

	if (core->phase <= PHASE_DONE)
		return;
	core->gate_timed = core->token_wrong = 0;
	witness->sent &= 1 << MESSAGE_COMMIT | 1 << MESSAGE_ABORT;
	witness->ends_sent = witness->ends_came = witness->token_came = witness->token_posted = 0;
	if (!witness->purpose)
		witness->prepared_came = witness->precopy_ended = 0;
	if (!(witness->external && witness->source)) /* where it binds for good */
		witness->commit_came = 0;
	witness->done_came = witness->platform_ready = witness->overrun = witness->run_failed = 0;
	core->stopped = 0;
	witness->debts_paid &= DEBT_COMMITTED | DEBT_FENCE;
	for (unsigned d = 0; d < WITNESS_DEVICES; d++) {
		uint16_t back = witness->asked[d] & (1 << REQUEST_RESUME | 1 << REQUEST_RESET);
		bool touched = witness->asked[d] & ~(1 << REQUEST_CHECK);

		witness->asked[d] = touched ? back | 1 << REQUEST_STOP_COPY : 0;
		witness->succeeded[d] &= 1 << REQUEST_RUN_P2P | 1 << REQUEST_RUN;
		witness->answered[d] = 0;
		core->ended[d] = core->counted[d] = core->manifest_wrong[d] = 0;
	}
}

static uint32_t hash_of(const struct state *state)
{
	const uint8_t *bytes = (const uint8_t *)state;
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < sizeof(*state); i++)
		hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
	return (uint32_t)(hash ^ hash >> 29);
}

static void remember(struct walk *walk, const struct state *state)
{
	uint32_t at = hash_of(state) % TABLE_SLOTS;

	while (walk->table[at]) {
		if (!memcmp(&walk->states[walk->table[at] - 1], state, sizeof(*state)))
			return;
		at = (at + 1) % TABLE_SLOTS;
	}
	cr_assert_lt(walk->count, STATES_MAX, "more states than there is room for");
	walk->states[walk->count] = *state;
	walk->table[at] = ++walk->count;
}

static const struct source_of_events {
	bool (*make)(const struct state *state, unsigned n, struct core_event *event);
	unsigned count;
	unsigned after_ms;
} events[] = {
	{ answer, 9, 1 },
	{ device_answer, 2 * WITNESS_DEVICES, 1 },
	{ own_news, 9, 1 },
	{ peer_message, MESSAGE_TYPES + 3, 1 },
	{ stream_end, 5 * 2, 1 },
	{ token, 3, 1 },
	{ nothing_but_time, 4, 0 },
	{ late_record, 1, DOWNTIME_LIMIT_MS + 1 },
	{ caller_commits, 1, 1 },
	{ caller_commits_late, 1, DOWNTIME_LIMIT_MS + 1 },
	{ device_sticks, WITNESS_DEVICES, 1 },
};

/* Ticks: at once; when a heartbeat is due; after silence; after a minute in which the peer was heard. */
static uint64_t time_of(struct core *core, const struct source_of_events *source, unsigned n)
{
	static const uint64_t after_ms[] = { 1, 150, PEER_TIMEOUT_MS, 61000 };
	uint64_t now = T0 + (source->after_ms ? source->after_ms : after_ms[n]) * NS_PER_MS;

	if (!source->after_ms && n == 3)
		core->heard_ns = now;
	return now;
}

/* The shell knows the devices once it has judged the OFFER, just before it tells core. */
static void prepare(struct core *core, const struct witness *witness, const struct core_event *event)
{
	if (event->kind == CORE_MESSAGE && event->message == MESSAGE_OFFER && core->phase == PHASE_AGREE)
		core_set_devices(core, witness->devices);
}

static void expand(struct walk *walk, const struct state *from, const struct source_of_events *source, unsigned n)
{
	struct core_actions actions;
	struct core_event event;
	struct state to;
	struct core core;
	const char *broken;
	uint64_t now;

	if (!source->make(from, n, &event))
		return;
	memcpy(&to, from, sizeof(to));
	thaw(&core, &walk->blank, &from->core, &from->witness, T0);
	prepare(&core, &to.witness, &event);
	now = time_of(&core, source, n);
	broken = witness_step(&to.witness, &core, &event, now, &actions);
	cr_assert_null(broken, "%s; %s in phase %u, event kind %d, number %u, step %u/%u", broken,
		       from->witness.source ? "source" : "destination", from->core.phase, (int)event.kind, n,
		       from->core.step[0], from->core.step[1]);
	if (from->witness.finished)
		return; /* it was silent, or the witness had said so */
	freeze(&to.core, &core);
	forget_the_way_here(&to);
	remember(walk, &to);
}

/* A recording has no peer: what that would say and do, the own shell does without fail. */
static bool recorder_answer(const struct state *at, const struct core *core, struct core_event *event)
{
	if (at->witness.purpose != CORE_RECORD)
		return false;
	*event = (struct core_event){ .kind = CORE_FACT, .fact = FACT_SWITCHOVER_DUE };
	if (core->phase == PHASE_DRAIN)
		*event = (struct core_event){ .kind = CORE_MESSAGE, .message = MESSAGE_PREPARED };
	return core->phase == PHASE_DRAIN || (core->phase == PHASE_PRECOPY && !(core->facts & FACT_SWITCHOVER_DUE));
}

/* What is outstanding is answered (well, or with failures), then nothing comes any more: does it end? */
static bool settles(const struct walk *walk, const struct state *from, bool well)
{
	struct state at = *from;
	struct core_actions actions;
	const char *broken;
	uint64_t now = T0;
	struct core core;

	thaw(&core, &walk->blank, &from->core, &from->witness, T0);
	for (unsigned i = 0; i < SETTLE_STEPS_MAX && !at.witness.finished; i++) {
		struct core_event event = { .kind = CORE_TICK };
		bool any = false;

		for (unsigned n = 0; n < 7 && !any; n++)
			any = answer(&at, n, &event);
		for (unsigned n = 0; n < WITNESS_DEVICES && !any; n++)
			any = device_answer(&at, 2 * n + !well, &event);
		any = any || recorder_answer(&at, &core, &event);
		if (!any)
			event = (struct core_event){ .kind = CORE_TICK };
		if (!any && core_may_commit(&core) == 0)
			event.kind = well ? CORE_COMMIT : CORE_CANCEL; /* nothing else ends what is prepared */
		if (!any && core.phase == PHASE_CONNECT && !at.witness.source)
			event.kind = CORE_CANCEL; /* a destination may wait for its source as long as it likes */
		now += any ? 1 : 61 * NS_PER_S;
		broken = witness_step(&at.witness, &core, &event, now, &actions);
		cr_assert_null(broken, "%s, on the way out of phase %u", broken, from->core.phase);
	}
	/* Once the record of the commit is asked for, silence ends in running: a device's own failure apart. */
	if (well && core.role == VFIOMIG_DESTINATION && from->core.phase >= PHASE_RECORD &&
	    from->core.phase < PHASE_DONE && !from->core.failed[0] && !from->core.failed[1])
		cr_assert_eq(core.phase, PHASE_DONE);
	return at.witness.finished;
}

static void start_walk(struct walk *walk, const struct scene *scene)
{
	struct core_config config = { .role = scene->role,
				      .peer_timeout_ns = PEER_TIMEOUT_MS * NS_PER_MS,
				      .no_platform = !scene->vmm,
				      .purpose = scene->purpose,
				      .serial = scene->serial,
				      .external_commit = scene->external,
				      .downtime_limit_ns = scene->limited ? DOWNTIME_LIMIT_MS * NS_PER_MS : 0 };
	struct core_event event = { .kind = CORE_START };
	struct core_actions actions;
	struct state *start = &walk->start;
	struct core core;

	memset(walk->table, 0, TABLE_SLOTS * sizeof(*walk->table));
	walk->count = walk->done = walk->failed = walk->well = 0;
	core_init(&walk->blank, &config, T0);
	memset(start, 0, sizeof(*start));
	start->witness.source = scene->role == VFIOMIG_SOURCE;
	start->witness.devices = (uint8_t)scene->devices;
	start->witness.p2p = scene->p2p;
	start->witness.gated = scene->gated;
	start->witness.precopy = scene->precopy;
	start->witness.purpose = (uint8_t)scene->purpose;
	start->witness.serial = scene->serial;
	start->witness.limited = scene->limited;
	start->witness.external = scene->external;
	start->witness.platform_ready = !scene->vmm;
	core = walk->blank;
	if (scene->role == VFIOMIG_SOURCE)
		core_set_devices(&core, scene->devices);
	for (unsigned d = 0; d < scene->devices; d++) {
		core.device[d].p2p = scene->p2p >> d & 1;
		core.device[d].gated = scene->gated >> d & 1;
		core.device[d].precopy = scene->precopy >> d & 1;
	}
	cr_assert_null(witness_step(&start->witness, &core, &event, T0, &actions));
	freeze(&start->core, &core);
	remember(walk, start);
}

static void walk_all(const struct scene *scene)
{
	struct walk walk = { .states = malloc(STATES_MAX * sizeof(struct state)),
			     .table = malloc(TABLE_SLOTS * sizeof(uint32_t)) };

	cr_assert(walk.states && walk.table);
	start_walk(&walk, scene);
	for (uint32_t i = 0; i < walk.count; i++) {
		const struct state from = walk.states[i];

		walk.done += from.core.phase == PHASE_DONE;
		walk.failed += from.core.phase == PHASE_FAILED;
		walk.well += from.core.phase == PHASE_FAILED && from.core.outcome == VFIOMIG_OK;
		for (size_t s = 0; s < sizeof(events) / sizeof(events[0]); s++)
			for (unsigned n = 0; n < events[s].count; n++)
				expand(&walk, &from, &events[s], n);
		cr_assert(from.witness.finished || (settles(&walk, &from, true) && settles(&walk, &from, false)),
			  "no way out of phase %u, facts %x, steps %u/%u, busy %u/%u", from.core.phase, from.core.facts,
			  from.core.step[0], from.core.step[1], from.core.busy[0], from.core.busy[1]);
	}
	cr_log_info("%u states, %u done, %u failed, %u of them well", walk.count, walk.done, walk.failed, walk.well);
	cr_assert((scene->purpose ? walk.well > 0 && !walk.done : walk.done > 0 && !walk.well) && walk.failed > 0,
		  "of %u states %u are done, %u failed, %u of them well", walk.count, walk.done, walk.failed,
		  walk.well);
	free(walk.states);
	free(walk.table);
}

Test(core_walk, source_with_one_device_breaks_no_rule_anywhere)
{
	walk_all(&(struct scene){ .role = VFIOMIG_SOURCE, .devices = 1 });
	walk_all(&(struct scene){ .role = VFIOMIG_SOURCE, .devices = 1, .precopy = 1 });
	walk_all(&(struct scene){ .role = VFIOMIG_SOURCE, .devices = 1, .p2p = 1, .gated = 1, .vmm = true });
}

Test(core_walk, source_with_two_devices_breaks_no_rule_anywhere)
{
	walk_all(&(struct scene){ .role = VFIOMIG_SOURCE, .devices = 2, .p2p = 3 });
	walk_all(&(struct scene){
		.role = VFIOMIG_SOURCE, .devices = 2, .p2p = 3, .gated = 2, .precopy = 1, .vmm = true });
}

Test(core_walk, source_with_two_devices_in_precopy_breaks_no_rule_anywhere)
{
	walk_all(&(struct scene){ .role = VFIOMIG_SOURCE, .devices = 2, .p2p = 3, .precopy = 3 });
	walk_all(&(struct scene){ .role = VFIOMIG_SOURCE, .devices = 2, .p2p = 3, .precopy = 3, .serial = true });
}

Test(core_walk, source_in_serial_mode_breaks_no_rule_anywhere)
{
	walk_all(&(struct scene){ .role = VFIOMIG_SOURCE, .devices = 2, .p2p = 3, .precopy = 2, .serial = true });
}

Test(core_walk, source_with_a_downtime_limit_breaks_no_rule_anywhere)
{
	walk_all(&(struct scene){ .role = VFIOMIG_SOURCE, .devices = 1, .precopy = 1, .limited = true });
	walk_all(&(struct scene){ .role = VFIOMIG_SOURCE, .devices = 2, .p2p = 3, .limited = true });
}

Test(core_walk, probe_breaks_no_rule_anywhere)
{
	for (uint8_t precopy = 0; precopy < 4; precopy++)
		walk_all(&(struct scene){ .role = VFIOMIG_SOURCE,
					  .devices = 2,
					  .p2p = 3,
					  .precopy = precopy,
					  .limited = precopy & 1,
					  .purpose = CORE_PROBE });
}

Test(core_walk, recording_breaks_no_rule_anywhere)
{
	walk_all(&(struct scene){ .role = VFIOMIG_SOURCE, .devices = 1, .precopy = 1, .purpose = CORE_RECORD });
	walk_all(&(struct scene){ .role = VFIOMIG_SOURCE,
				  .devices = 2,
				  .p2p = 3,
				  .precopy = 1,
				  .limited = true,
				  .purpose = CORE_RECORD });
}

Test(core_walk, destination_with_one_device_breaks_no_rule_anywhere)
{
	walk_all(&(struct scene){ .role = VFIOMIG_DESTINATION, .devices = 1 });
	walk_all(&(struct scene){ .role = VFIOMIG_DESTINATION, .devices = 1, .gated = 1 });
	walk_all(&(struct scene){ .role = VFIOMIG_DESTINATION, .devices = 1, .p2p = 1, .gated = 1, .vmm = true });
}

Test(core_walk, destination_with_two_devices_breaks_no_rule_anywhere)
{
	walk_all(&(struct scene){ .role = VFIOMIG_DESTINATION, .devices = 2, .p2p = 3, .gated = 3, .vmm = true });
}

Test(core_walk, destination_in_serial_mode_breaks_no_rule_anywhere)
{
	walk_all(&(struct scene){ .role = VFIOMIG_DESTINATION, .devices = 2, .p2p = 3, .gated = 2, .serial = true });
}

Test(core_walk, source_whose_caller_commits_breaks_no_rule_anywhere)
{
	walk_all(&(struct scene){ .role = VFIOMIG_SOURCE, .devices = 1, .external = true });
	walk_all(&(struct scene){ .role = VFIOMIG_SOURCE,
				  .devices = 1,
				  .p2p = 1,
				  .gated = 1,
				  .precopy = 1,
				  .vmm = true,
				  .limited = true,
				  .external = true });
	walk_all(&(struct scene){ .role = VFIOMIG_SOURCE, .devices = 2, .p2p = 3, .precopy = 1, .external = true });
	walk_all(&(struct scene){ .role = VFIOMIG_SOURCE,
				  .devices = 2,
				  .p2p = 3,
				  .gated = 2,
				  .vmm = true,
				  .serial = true,
				  .limited = true,
				  .external = true });
	walk_all(&(struct scene){
		.role = VFIOMIG_SOURCE, .devices = 1, .precopy = 1, .purpose = CORE_PROBE, .external = true });
}

Test(core_walk, destination_whose_caller_commits_breaks_no_rule_anywhere)
{
	walk_all(&(struct scene){ .role = VFIOMIG_DESTINATION, .devices = 1, .external = true });
	walk_all(&(struct scene){
		.role = VFIOMIG_DESTINATION, .devices = 1, .p2p = 1, .gated = 1, .vmm = true, .external = true });
	walk_all(&(struct scene){
		.role = VFIOMIG_DESTINATION, .devices = 2, .p2p = 3, .gated = 3, .vmm = true, .external = true });
	walk_all(&(struct scene){
		.role = VFIOMIG_DESTINATION, .devices = 2, .p2p = 3, .gated = 2, .serial = true, .external = true });
}
