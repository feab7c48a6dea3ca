/* SPDX-License-Identifier: MIT */
/*
 * Source and destination joined by two FIFO queues, with everything that can go wrong between and beside them: devices that
 * fail at any request, lanes that break, cancels, threads that sleep, a connection cut with messages under way. Whatever the order:
 * at no moment do both sides run, and what the two results say fits together. Some sources only probe.
 */
#include <criterion/criterion.h>

#include <string.h>

#include "base/clock.h"
#include "support/core_pair.h"
#include "support/core_pair_commit.h"
#include "support/core_pair_judge.h"
#include "support/core_witness.h"
#include "support/random.h"

enum { SEEDS = 12000, STEPS_MAX = 6000 };

static void hear(struct pair *pair, struct side *side)
{
	const struct letter *letter = &side->inbox[side->head++];
	struct core_event event = {
		.kind = CORE_MESSAGE, .message = letter->type, .device = letter->device, .lane = letter->lane
	};

	if (letter->type == MESSAGE_DEVICE)
		return; /* the shell collects them */
	if (letter->type == MESSAGE_STREAM_END)
		event = (struct core_event){ .kind = CORE_STREAM_END,
					     .device = letter->device,
					     .counts = letter->counts };
	if (letter->type == MESSAGE_ABORT)
		event.kind = CORE_ABORT;
	event.error = &letter->error;
	if (letter->type == MESSAGE_OFFER)
		core_set_devices(&side->core, pair->devices);
	if (letter->type == MESSAGE_OFFER || letter->type == MESSAGE_AGREED)
		core_set_lanes(&side->core, LANES);
	step(pair, side, &event);
}

/* Lanes join the sides: they stand only once the source connects, and data is there only once it is read. */
static bool fabric_allows(const struct pair *pair, const struct side *side, unsigned debt)
{
	const struct witness *source = &pair->side[SOURCE].witness;

	return debt != DEBT_LANES || side == &pair->side[SOURCE] || (source->debts | source->debts_paid) & DEBT_LANES;
}

static bool answer_debt(struct pair *pair, struct side *side)
{
	unsigned debt = 1u << random_below(&pair->random, 7);
	struct core_event event = { .kind = CORE_FACT, .fact = witness_fact(debt) };

	if (!(side->witness.debts & debt) || !fabric_allows(pair, side, debt))
		return false;
	step(pair, side, &event);
	return true;
}

static void end_request(struct side *side, unsigned d, enum device_request request)
{
	if (request == REQUEST_QUIESCE || request == REQUEST_STOP_COPY || request == REQUEST_RESET)
		side->running[d] = 0;
}

static bool answer_device(struct pair *pair, struct side *side)
{
	static const struct vfiomig_error failure = {
		.code = VFIOMIG_DEVICE, .errnum = 5, .name = "eio", .text = "eio"
	};
	unsigned d = (unsigned)random_below(&pair->random, pair->devices);
	enum device_request request = (enum device_request)side->witness.busy[d];
	bool way_back = (side->witness.debts | side->witness.debts_paid) & DEBT_FENCE, fails = side->will_fail[d];
	struct core_event event = { .kind = CORE_DEVICE_DONE, .device = d, .request = request };

	if (request == REQUEST_NONE)
		return false;
	if (request == REQUEST_PRECOPY && !fails && !side->witness.precopy_ended) {
		if (!way_back)
			return false;
		fails = true; /* its wait was ended */
	}
	if (request == REQUEST_LOAD && !fails && !(pair->side[SOURCE].witness.succeeded[d] >> REQUEST_READ & 1)) {
		if (!way_back)
			return false;
		fails = true; /* its wait was ended */
	}
	event.counts = (struct stream_counts){ .packets = 3 + d, .bytes = 300 + d, .config_bytes = 4, .digest = 9 };
	event.error = fails ? &failure : NULL;
	if (!fails)
		end_request(side, d, request);
	step(pair, side, &event);
	return true;
}

/* A call that never returns; what it was to do counts as running, as it did from its beginning. */
static bool stick_device(struct pair *pair, struct side *side)
{
	static const struct vfiomig_error stuck = {
		.code = VFIOMIG_DEVICE, .errnum = 110, .name = CORE_STUCK_NAME, .text = "stuck"
	};
	unsigned d = (unsigned)random_below(&pair->random, pair->devices);
	struct core_event event = { .kind = CORE_DEVICE_STUCK, .device = d, .error = &stuck };

	if (side->witness.busy[d] == REQUEST_NONE || !one_in(pair, pair->weather.device_sticks))
		return false;
	step(pair, side, &event);
	return true;
}

static bool token_arrives(struct pair *pair)
{
	static const uint64_t arrived[VFIOMIG_DEVICES_MAX];
	struct token token = { .devices = pair->devices, .count = { { 2, 296 }, { 3, 297 } } };
	struct core_event event = { .kind = CORE_TOKEN, .token = &token, .arrived = arrived };

	if (pair->token != 1)
		return false;
	pair->token = 2;
	if (!(pair->side[DESTINATION].witness.debts_paid & DEBT_FENCE))
		step(pair, &pair->side[DESTINATION], &event);
	return true;
}

static bool lose(struct pair *pair, struct side *side)
{
	static const struct vfiomig_error lost = {
		.code = VFIOMIG_FABRIC, .errnum = 104, .name = "lost", .text = "lost"
	};
	struct core_event event = { .kind = CORE_LOST, .error = &lost };

	if (!side->cut || side->head < side->tail || side->witness.lost)
		return false;
	step(pair, side, &event);
	return true;
}

/* Everything under way to one side, or its last part, is gone; both sides hear of it in their own time. */
static void cut(struct pair *pair)
{
	for (unsigned s = 0; s < 2; s++) {
		struct side *side = &pair->side[s];

		side->cut = true;
		side->tail -= (unsigned)random_below(&pair->random, side->tail - side->head + 1);
	}
}

static void misfortune(struct pair *pair, struct side *side)
{
	if (one_in(pair, pair->weather.cancel))
		step(pair, side, &(struct core_event){ .kind = CORE_CANCEL });
	if (one_in(pair, pair->weather.lane_breaks))
		break_lane(pair, side);
	if (!pair->cut_done && one_in(pair, pair->weather.cut)) {
		pair->cut_done = true;
		cut(pair);
	}
	if (one_in(pair, pair->weather.nap))
		pair->now += 900 * NS_PER_MS;
	/* Who has ended closes, but not before what was said is out. */
	if (side->witness.finished && peer_of(pair, side)->head == peer_of(pair, side)->tail && one_in(pair, 20))
		peer_of(pair, side)->cut = side->cut = true;
}

static void vmm(struct pair *pair, struct side *side)
{
	enum core_fact fact = side->witness.source ? FACT_ITERABLES_DONE : FACT_PLATFORM_READY;

	if (!(side->core.facts & fact) && one_in(pair, 30))
		step(pair, side, &(struct core_event){ .kind = CORE_FACT, .fact = fact });
}

/* What the source's shell finds out by itself: that the clocks are compared, and that it is time to stop. */
static void shell(struct pair *pair, struct side *side)
{
	const struct core *core = &side->core;
	enum core_fact fact = core->phase == PHASE_LANES ? FACT_MEASURED : FACT_SWITCHOVER_DUE;
	bool time = core->phase == PHASE_LANES ? core->facts & FACT_LANES_READY : core->phase == PHASE_PRECOPY;

	if (side->witness.source && time && !(core->facts & fact) && one_in(pair, 20))
		step(pair, side, &(struct core_event){ .kind = CORE_FACT, .fact = fact });
}

static void turn(struct pair *pair)
{
	struct side *side = &pair->side[random_below(&pair->random, 2)];

	pair->now += random_below(&pair->random, 10) * NS_PER_MS;
	if (!side->witness.control_up && !side->cut)
		step(pair, side, &(struct core_event){ .kind = CORE_FACT, .fact = FACT_CONTROL_UP });
	if (!side->witness.control_up && side->cut) /* a destination waits for its source as long as it likes */
		step(pair, side, &(struct core_event){ .kind = CORE_CANCEL });
	misfortune(pair, side);
	vmm(pair, side);
	shell(pair, side);
	callers_act(pair, side);
	switch (random_below(&pair->random, 6)) {
	case 0:
		step(pair, side, &(struct core_event){ .kind = CORE_TICK });
		break;
	case 1:
	case 2:
		if (side->head < side->tail && side->witness.control_up)
			hear(pair, side);
		else
			lose(pair, side);
		break;
	case 3:
		if (!answer_fence(pair, side))
			answer_debt(pair, side);
		break;
	case 4:
		if (!stick_device(pair, side))
			answer_device(pair, side);
		break;
	default:
		token_arrives(pair);
	}
}

static void begin_side(struct pair *pair, unsigned s, unsigned p2p, unsigned gated)
{
	struct side *side = &pair->side[s];
	struct core_config config = { .role = s == SOURCE ? VFIOMIG_SOURCE : VFIOMIG_DESTINATION,
				      .peer_timeout_ns = NS_PER_S,
				      .no_platform = random_below(&pair->random, 2),
				      .serial = random_below(&pair->random, 3) == 0,
				      .external_commit = pair->external };
	unsigned precopy = (unsigned)random_below(&pair->random, 1u << pair->devices);

	if (s == SOURCE) {
		config.purpose = random_below(&pair->random, 8) == 0 ? CORE_PROBE : CORE_MIGRATE;
		if (random_below(&pair->random, 4) == 0)
			config.downtime_limit_ns = (100 + random_below(&pair->random, 2000)) * NS_PER_MS;
	} else {
		precopy = 0;
	}
	core_init(&side->core, &config, pair->now);
	side->witness = (struct witness){ .source = s == SOURCE,
					  .devices = (uint8_t)pair->devices,
					  .p2p = (uint8_t)p2p,
					  .gated = (uint8_t)gated,
					  .precopy = (uint8_t)precopy,
					  .purpose = (uint8_t)config.purpose,
					  .serial = config.serial,
					  .limited = config.downtime_limit_ns != 0,
					  .external = config.external_commit,
					  .platform_ready = config.no_platform };
	for (unsigned d = 0; d < pair->devices; d++) {
		side->running[d] = s == SOURCE;
		side->core.device[d].p2p = p2p >> d & 1;
		side->core.device[d].gated = gated >> d & 1;
		side->core.device[d].precopy = precopy >> d & 1;
	}
}

static void begin(struct pair *pair, uint64_t seed, bool external)
{
	unsigned p2p, gated;

	memset(pair, 0, sizeof(*pair));
	pair->random.state = seed;
	pair->external = external;
	pair->now = NS_PER_S;
	pair->devices = 1 + (unsigned)random_below(&pair->random, DEVICES_MAX);
	p2p = pair->devices == 1 ? (unsigned)random_below(&pair->random, 2) : 3;
	gated = (unsigned)random_below(&pair->random, 1u << pair->devices);
	pair->weather = (struct weather){
		.device_fails = random_below(&pair->random, 3) ? 0 : 12,
		.device_sticks = random_below(&pair->random, 4) ? 0 : 12,
		.lane_breaks = random_below(&pair->random, 3) ? 0 : 30 + (unsigned)random_below(&pair->random, 300),
		.cancel = random_below(&pair->random, 4) ? 0 : 150,
		.cut = random_below(&pair->random, 4) ? 0 : 100 + (unsigned)random_below(&pair->random, 800),
		.nap = random_below(&pair->random, 5) ? 0 : 100
	};
	for (unsigned s = 0; s < 2; s++)
		begin_side(pair, s, p2p, gated);
	core_set_devices(&pair->side[SOURCE].core, pair->devices);
	for (unsigned s = 0; s < 2; s++)
		step(pair, &pair->side[s], &(struct core_event){ .kind = CORE_START });
}

static void run(struct pair *pair, uint64_t seed, bool external)
{
	begin(pair, seed, external);
	for (unsigned i = 0; i < STEPS_MAX && !pair->broken; i++) {
		if (pair->side[SOURCE].witness.finished && pair->side[DESTINATION].witness.finished) {
			pair->broken = judge(pair);
			return;
		}
		turn(pair);
	}
	if (!pair->broken)
		pair->broken = "it did not end";
}

/* The runs must have been where it is interesting. */
static void count(const struct pair *pair, unsigned codes[VFIOMIG_DEGRADED + 1], unsigned *returned, unsigned *overrun,
		  unsigned *replaced)
{
	const struct core *source = &pair->side[SOURCE].core;

	for (unsigned l = 0; l < LANES; l++)
		*replaced += source->outcome.code == VFIOMIG_OK && pair->side[SOURCE].resent[l];

	if (source->purpose == CORE_MIGRATE)
		codes[source->outcome.code]++;
	else
		*returned += source->outcome.code == VFIOMIG_OK;
	*overrun += strcmp(source->outcome.name, "downtime-limit") == 0;
}

static void assert_unbroken(const struct pair *pair, uint64_t seed)
{
	const struct core *source = &pair->side[SOURCE].core, *destination = &pair->side[DESTINATION].core;

	cr_assert_null(pair->broken, "seed %llu: %s (source %s, code %d; destination %s, code %d)",
		       (unsigned long long)seed, pair->broken, core_phase_name(source), (int)source->outcome.code,
		       core_phase_name(destination), (int)destination->outcome.code);
}

Test(core_pair, never_do_both_sides_run_and_both_results_are_true)
{
	static struct pair pair;
	unsigned codes[VFIOMIG_DEGRADED + 1] = { 0 }, returned = 0, overrun = 0, replaced = 0;

	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		run(&pair, seed, false);
		assert_unbroken(&pair, seed);
		count(&pair, codes, &returned, &overrun, &replaced);
	}
	cr_log_info("ok %u, device %u, cancelled %u, in doubt %u, stuck %u, degraded %u, returned %u, overrun %u, "
		    "lanes replaced %u",
		    codes[VFIOMIG_OK], codes[VFIOMIG_DEVICE], codes[VFIOMIG_CANCELLED], codes[VFIOMIG_IN_DOUBT],
		    codes[VFIOMIG_SOURCE_STUCK], codes[VFIOMIG_DEGRADED], returned, overrun, replaced);
	cr_assert_gt(codes[VFIOMIG_OK], SEEDS / 10);
	cr_assert_gt(codes[VFIOMIG_DEVICE], SEEDS / 20);
	cr_assert_gt(codes[VFIOMIG_CANCELLED], SEEDS / 50);
	cr_assert_gt(codes[VFIOMIG_IN_DOUBT], 5);
	cr_assert_gt(codes[VFIOMIG_SOURCE_STUCK], 5);
	cr_assert_gt(codes[VFIOMIG_DEGRADED], 5);
	cr_assert_gt(returned, SEEDS / 50);
	cr_assert_gt(overrun, SEEDS / 50);
	cr_assert_gt(replaced, 30);
}

Test(core_pair, callers_that_commit_get_what_they_were_answered)
{
	static struct pair pair;
	unsigned codes[VFIOMIG_DEGRADED + 1] = { 0 }, alone = 0, early = 0;

	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		run(&pair, seed, true);
		assert_unbroken(&pair, seed);
		codes[pair.side[SOURCE].core.outcome.code]++;
		alone += pair.side[SOURCE].core.alone;
		early += pair.callers.early > 0;
	}
	cr_log_info("ok %u, retired alone %u, cancelled %u, aborted after the commit %u, degraded %u, early %u",
		    codes[VFIOMIG_OK], alone, codes[VFIOMIG_CANCELLED], codes[VFIOMIG_IN_DOUBT],
		    codes[VFIOMIG_DEGRADED], early);
	cr_assert_gt(codes[VFIOMIG_OK], SEEDS / 10);
	cr_assert_gt(codes[VFIOMIG_CANCELLED], SEEDS / 50);
	cr_assert_gt(codes[VFIOMIG_IN_DOUBT], 5);
	cr_assert_gt(codes[VFIOMIG_DEGRADED], 5);
	cr_assert_gt(alone, SEEDS / 400);
	cr_assert_gt(early, 10);
}
