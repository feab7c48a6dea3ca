/* SPDX-License-Identifier: MIT */
/*
 * Source and destination joined by two FIFO queues, with everything that can go wrong between and beside them: devices that
 * fail at any request, lanes that break, cancels, threads that sleep, a connection cut with messages under way. Whatever the order:
 * at no moment do both sides run, and what the two results say fits together.
 */
#include <criterion/criterion.h>

#include <string.h>

#include "base/clock.h"
#include "support/core_witness.h"
#include "support/random.h"

enum { SEEDS = 6000, STEPS_MAX = 6000, QUEUE_MAX = 512, DEVICES_MAX = 2, SOURCE = 0, DESTINATION = 1 };

struct letter {
	enum message_type type;
	unsigned device;
	struct stream_counts counts;
	struct vfiomig_error error;
};

struct side {
	struct core core;
	struct witness witness;
	struct letter inbox[QUEUE_MAX];
	unsigned head, tail;
	bool cut;			/* its connection ends once what is in the inbox is read */
	bool offered;			/* destination: the devices are known */
	uint8_t will_fail[DEVICES_MAX]; /* the request under way fails */
	uint8_t running[DEVICES_MAX];	/* as seen by the guest */
};

/* What may happen in a run, and how often: one in so many steps, 0 for never. */
struct weather {
	unsigned device_fails, lane_breaks, cancel, cut, nap;
};

struct pair {
	struct side side[2];
	struct random random;
	struct weather weather;
	unsigned devices;
	uint64_t now;
	unsigned token; /* 1: posted, 2: there */
	bool cut_done;
	const char *broken;
};

static struct side *peer_of(struct pair *pair, const struct side *side)
{
	return &pair->side[side == &pair->side[SOURCE] ? DESTINATION : SOURCE];
}

static bool one_in(struct pair *pair, unsigned many)
{
	return many && random_below(&pair->random, many) == 0;
}

static void send_letter(struct pair *pair, struct side *from, const struct core_action *action)
{
	struct side *to = peer_of(pair, from);
	struct letter *letter = &to->inbox[to->tail];

	if (from->cut || to->cut)
		return; /* lost with the connection */
	cr_assert_lt(to->tail, QUEUE_MAX);
	*letter = (struct letter){ .type = action->message, .device = action->device, .error = from->core.outcome };
	if (action->message == MESSAGE_STREAM_END)
		letter->counts = from->core.device[action->device].counts;
	to->tail++;
}

/*
 * Whether the call will fail is decided as it starts. What will succeed counts as running from the start of the call, and
 * what stops counts as running until its end: the pessimist's view on both sides.
 */
static void begin_request(struct pair *pair, struct side *side, const struct core_action *action)
{
	unsigned d = action->device;
	bool fails = one_in(pair, pair->weather.device_fails);

	side->will_fail[d] = fails;
	if (!fails &&
	    (action->request == REQUEST_RESUME || action->request == REQUEST_RUN_P2P || action->request == REQUEST_RUN))
		side->running[d] = 1;
}

static void perform(struct pair *pair, struct side *side, const struct core_actions *actions)
{
	for (unsigned i = 0; i < actions->count; i++) {
		const struct core_action *action = &actions->action[i];

		if (action->kind == ACTION_SEND)
			send_letter(pair, side, action);
		else if (action->kind == ACTION_DEVICE)
			begin_request(pair, side, action);
		else if (action->kind == ACTION_TOKEN)
			pair->token = 1;
	}
}

static unsigned running(const struct pair *pair, const struct side *side)
{
	unsigned count = 0;

	for (unsigned d = 0; d < pair->devices; d++)
		count += side->running[d];
	return count;
}

static void step(struct pair *pair, struct side *side, const struct core_event *event)
{
	struct core_actions actions;
	const char *broken = witness_step(&side->witness, &side->core, event, pair->now, &actions);

	perform(pair, side, &actions);
	if (running(pair, &pair->side[SOURCE]) && running(pair, &pair->side[DESTINATION]))
		broken = "both sides run";
	if (broken && !pair->broken)
		pair->broken = broken;
}

static void hear(struct pair *pair, struct side *side)
{
	const struct letter *letter = &side->inbox[side->head++];
	struct core_event event = { .kind = CORE_MESSAGE, .message = letter->type, .device = letter->device };

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
	static const struct vfiomig_error lane = {
		.code = VFIOMIG_FABRIC, .errnum = 5, .name = "lane", .text = "lane"
	};

	if (one_in(pair, pair->weather.cancel))
		step(pair, side, &(struct core_event){ .kind = CORE_CANCEL });
	if (one_in(pair, pair->weather.lane_breaks))
		step(pair, side, &(struct core_event){ .kind = CORE_LANE_LOST, .error = &lane });
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

static void turn(struct pair *pair)
{
	struct side *side = &pair->side[random_below(&pair->random, 2)];

	pair->now += random_below(&pair->random, 10) * NS_PER_MS;
	if (!side->witness.control_up && !side->cut)
		step(pair, side, &(struct core_event){ .kind = CORE_FACT, .fact = FACT_CONTROL_UP });
	misfortune(pair, side);
	vmm(pair, side);
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
		answer_debt(pair, side);
		break;
	case 4:
		answer_device(pair, side);
		break;
	default:
		token_arrives(pair);
	}
}

static void begin(struct pair *pair, uint64_t seed)
{
	unsigned p2p, gated;

	memset(pair, 0, sizeof(*pair));
	pair->random.state = seed;
	pair->now = NS_PER_S;
	pair->devices = 1 + (unsigned)random_below(&pair->random, DEVICES_MAX);
	p2p = pair->devices == 1 ? (unsigned)random_below(&pair->random, 2) : 3;
	gated = (unsigned)random_below(&pair->random, 1u << pair->devices);
	pair->weather = (struct weather){ .device_fails = random_below(&pair->random, 3) ? 0 : 12,
					  .lane_breaks = random_below(&pair->random, 6) ? 0 : 150,
					  .cancel = random_below(&pair->random, 4) ? 0 : 150,
					  .cut = random_below(&pair->random, 4) ? 0 : 200,
					  .nap = random_below(&pair->random, 5) ? 0 : 100 };
	for (unsigned s = 0; s < 2; s++) {
		struct side *side = &pair->side[s];
		struct core_config config = { .role = s == SOURCE ? VFIOMIG_SOURCE : VFIOMIG_DESTINATION,
					      .peer_timeout_ns = NS_PER_S,
					      .no_platform = random_below(&pair->random, 2) };

		core_init(&side->core, &config, pair->now);
		side->witness = (struct witness){ .source = s == SOURCE,
						  .devices = (uint8_t)pair->devices,
						  .p2p = (uint8_t)p2p,
						  .gated = (uint8_t)gated,
						  .platform_ready = config.no_platform };
		for (unsigned d = 0; d < pair->devices; d++) {
			side->running[d] = s == SOURCE;
			side->core.device[d].p2p = p2p >> d & 1;
			side->core.device[d].gated = gated >> d & 1;
		}
	}
	core_set_devices(&pair->side[SOURCE].core, pair->devices);
	for (unsigned s = 0; s < 2; s++)
		step(pair, &pair->side[s], &(struct core_event){ .kind = CORE_START });
}

/* What an exit code promises (DESIGN of the codes in vfiomig/error.h), against what the guests see. */
static const char *judge(const struct pair *pair)
{
	const struct side *source = &pair->side[SOURCE], *destination = &pair->side[DESTINATION];
	enum vfiomig_code said = source->core.outcome.code, meant = destination->core.outcome.code;

	if (said == VFIOMIG_OK && running(pair, destination) < pair->devices)
		return "the source says that the destination runs";
	if (said == VFIOMIG_OK && meant != VFIOMIG_OK)
		return "OK at the source alone";
	if (said == VFIOMIG_DEGRADED && meant != VFIOMIG_DEGRADED)
		return "degraded at the source alone";
	if (said >= VFIOMIG_INTERNAL && said <= VFIOMIG_CANCELLED && running(pair, source) < pair->devices)
		return "the source says that it runs";
	if (said == VFIOMIG_IN_DOUBT && running(pair, source))
		return "the source is in doubt and runs";
	if (meant == VFIOMIG_OK &&
	    (running(pair, destination) < pair->devices || (said != VFIOMIG_OK && said != VFIOMIG_IN_DOUBT)))
		return "the destination says that it runs";
	if (meant >= VFIOMIG_INTERNAL && meant <= VFIOMIG_CANCELLED &&
	    (running(pair, destination) || said == VFIOMIG_OK || said == VFIOMIG_DEGRADED))
		return "the destination says that it never ran";
	return NULL;
}

static void run(struct pair *pair, uint64_t seed)
{
	begin(pair, seed);
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

Test(core_pair, never_do_both_sides_run_and_both_results_are_true)
{
	static struct pair pair;
	unsigned codes[VFIOMIG_DEGRADED + 1] = { 0 };

	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		run(&pair, seed);
		cr_assert_null(pair.broken, "seed %llu: %s (source %s, code %d; destination %s, code %d)",
			       (unsigned long long)seed, pair.broken, core_phase_name(&pair.side[SOURCE].core),
			       (int)pair.side[SOURCE].core.outcome.code, core_phase_name(&pair.side[DESTINATION].core),
			       (int)pair.side[DESTINATION].core.outcome.code);
		codes[pair.side[SOURCE].core.outcome.code]++;
	}
	/* The runs must have been where it is interesting. */
	cr_log_info("ok %u, device %u, cancelled %u, in doubt %u, stuck %u, degraded %u", codes[VFIOMIG_OK],
		    codes[VFIOMIG_DEVICE], codes[VFIOMIG_CANCELLED], codes[VFIOMIG_IN_DOUBT],
		    codes[VFIOMIG_SOURCE_STUCK], codes[VFIOMIG_DEGRADED]);
	cr_assert_gt(codes[VFIOMIG_OK], SEEDS / 10);
	cr_assert_gt(codes[VFIOMIG_DEVICE], SEEDS / 20);
	cr_assert_gt(codes[VFIOMIG_CANCELLED], SEEDS / 50);
	cr_assert_gt(codes[VFIOMIG_IN_DOUBT], 5);
	cr_assert_gt(codes[VFIOMIG_SOURCE_STUCK], 5);
	cr_assert_gt(codes[VFIOMIG_DEGRADED], 5);
}
