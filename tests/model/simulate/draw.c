/* SPDX-License-Identifier: MIT */
/* A seed's case: the shape of the migration, and what is to go wrong when. */
#include "simulate.h"

const char *const fault_names[FAULT_KINDS] = {
	[FAULT_REORDER] = "lanes reorder",
	[FAULT_LANE_BEFORE] = "lane dies before a message",
	[FAULT_LANE_AFTER] = "lane dies after a message",
	[FAULT_LANE_BREAKS] = "lane breaks on one side",
	[FAULT_LANES_ALL] = "all lanes die",
	[FAULT_FENCE_HANGS] = "fence hangs",
	[FAULT_DAMAGE] = "message damaged",
	[FAULT_CUT] = "control cut",
	[FAULT_HOLE] = "control swallowed",
	[FAULT_KILL] = "process killed",
	[FAULT_KILL_HELD] = "process killed, devices held",
	[FAULT_SLEEP] = "process stopped a while",
	[FAULT_SHORT_IO] = "short I/O",
	[FAULT_DEVICE_ERROR] = "device error",
	[FAULT_DEVICE_STUCK] = "device stuck",
	[FAULT_SLOW_CONSUMER] = "slow consumer",
	[FAULT_CANCEL] = "cancel",
	[FAULT_TOKEN_LIES] = "token lies",
	[FAULT_UNWRITTEN] = "journal full",
	[FAULT_CALLS_LOST] = "question lost",
	[FAULT_RESOLVE] = "person decides early",
	[FAULT_VMM_DIES] = "VMM dies, its session lives",
	[FAULT_VMM_MIND] = "VMM changes its mind",
	[FAULT_WORD_CUT] = "VMMs' connection cut",
	[FAULT_WORD_SLOW] = "VMMs' connection slow",
};

static const enum core_phase phases[SIDES][10] = {
	{ PHASE_NONE, PHASE_AGREE, PHASE_LANES, PHASE_PRECOPY, PHASE_STREAM, PHASE_STREAM, PHASE_DRAIN, PHASE_RECORD,
	  PHASE_COMMIT, PHASE_COMMIT },
	{ PHASE_NONE, PHASE_AGREE, PHASE_PREPARE, PHASE_STREAM, PHASE_STREAM, PHASE_DRAIN, PHASE_HOLD, PHASE_RECORD,
	  PHASE_COMMIT, PHASE_RUN },
};

static const enum device_request requests[SIDES][8] = {
	{ REQUEST_PRECOPY, REQUEST_QUIESCE, REQUEST_STOP_COPY, REQUEST_READ, REQUEST_STOP, REQUEST_RESUME,
	  REQUEST_RESUME, REQUEST_READ },
	{ REQUEST_CHECK, REQUEST_RESUMING, REQUEST_LOAD, REQUEST_CONFIG, REQUEST_FINISH, REQUEST_RUN_P2P, REQUEST_RUN,
	  REQUEST_RESET },
};

static void draw_devices(struct world *world, struct shape *shape)
{
	bool precopy = one_in(world, 2);

	for (unsigned d = 0; d < shape->devices; d++) {
		shape->data_bytes[d] = one_in(world, 8) ? 0 : draw(world, 0, 24 * (uint64_t)shape->slot_bytes);
		if (precopy && !one_in(world, 4))
			shape->initial_bytes[d] = draw(world, 1, 12 * (uint64_t)shape->slot_bytes);
		shape->data_bytes[d] += shape->initial_bytes[d];
		shape->config_bytes[d] =
			one_in(world, 4) ? 0
					 : (uint32_t)draw(world, 1, shape->slot_bytes < 64 ? shape->slot_bytes : 64);
		if (one_in(world, 6))
			shape->device_gate[d] = VFIOMIG_GATE_ON;
	}
}

static void draw_agreement(struct world *world, struct shape *shape)
{
	shape->devices = (unsigned)draw(world, 1, DEVICES_MAX);
	shape->lanes = one_in(world, 5) ? 1 : (unsigned)draw(world, 2, LANES_MAX);
	for (unsigned s = 0; s < SIDES; s++) {
		shape->slots[s] = (unsigned)draw(world, 2, SLOTS_MAX);
		shape->serial[s] = one_in(world, 5);
		shape->vmm[s] = one_in(world, 4);
	}
	shape->slot_bytes = (uint32_t)draw(world, 64, 400);
	shape->gate[SOURCE] = one_in(world, 2) ? VFIOMIG_GATE_ON : VFIOMIG_GATE_AUTO;
	shape->gate[DESTINATION] = one_in(world, 3) ? shape->gate[SOURCE] : VFIOMIG_GATE_AUTO;
	shape->p2p = shape->devices > 1 || one_in(world, 2);
	shape->tcp = one_in(world, 2);
	shape->integrity = one_in(world, 4) ? VFIOMIG_INTEGRITY_NONE : VFIOMIG_INTEGRITY_CRC32C;
	shape->peer_timeout_ns = draw(world, 400, 1500) * NS_PER_MS;
	shape->hold_ns = draw(world, 300, 3000) * NS_PER_MS;
	shape->device_timeout_ns = draw(world, 300, 1500) * NS_PER_MS;
	if (one_in(world, 12))
		shape->downtime_limit_ns = draw(world, 1, 400) * NS_PER_MS;
	shape->recv_again = !one_in(world, 4);
	shape->probe = one_in(world, 40);
}

/* The VMMs commit; now and then only one of them thinks so. */
static void draw_commit(struct world *world, struct shape *shape)
{
	if (!one_in(world, 3))
		return;
	shape->external[SOURCE] = shape->external[DESTINATION] = true;
	if (one_in(world, 60))
		shape->external[draw(world, 0, 1)] = false;
	shape->think_ns = one_in(world, 3) ? draw(world, 1, 1200) * NS_PER_MS : 0;
	shape->patience_ns = draw(world, 4500, 8000) * NS_PER_MS;
	if (one_in(world, 8))
		shape->downtime_limit_ns = draw(world, 1, 100) * NS_PER_MS;
}

/* What is subtle comes more often than what is not. */
static enum fault_kind draw_kind(struct world *world)
{
	static const enum fault_kind subtle[] = { FAULT_LANE_BEFORE, FAULT_LANE_AFTER, FAULT_LANE_BREAKS,
						  FAULT_LANE_BREAKS, FAULT_KILL,       FAULT_KILL_HELD,
						  FAULT_CUT,	     FAULT_HOLE,       FAULT_FENCE_HANGS };

	if (one_in(world, 3))
		return subtle[draw(world, 0, sizeof(subtle) / sizeof(subtle[0]) - 1)];
	return (enum fault_kind)draw(world, 0, FAULT_RESOLVE);
}

/* Where the VMMs commit there is neither a journal nor a question, but more that can fail. */
static enum fault_kind draw_kind_of_vmms(struct world *world)
{
	static const enum fault_kind decisive[] = { FAULT_VMM_DIES, FAULT_VMM_MIND, FAULT_WORD_CUT, FAULT_WORD_SLOW,
						    FAULT_CANCEL };
	enum fault_kind kind = draw_kind(world);

	if (kind == FAULT_UNWRITTEN || kind == FAULT_CALLS_LOST || kind == FAULT_RESOLVE || one_in(world, 4))
		return decisive[draw(world, 0, sizeof(decisive) / sizeof(decisive[0]) - 1)];
	return kind;
}

static void draw_fault(struct world *world, struct shape *shape, struct fault *fault)
{
	*fault = (struct fault){ .kind = shape->external[SOURCE] ? draw_kind_of_vmms(world) : draw_kind(world) };
	fault->side = (unsigned)draw(world, 0, 1);
	fault->device = (unsigned)draw(world, 0, DEVICES_MAX - 1);
	fault->lane = (unsigned)draw(world, 0, LANES_MAX - 1);
	fault->number = (unsigned)(one_in(world, 2) ? 0 : draw(world, 0, 6));
	fault->phase = phases[fault->side][draw(world, 0, 9)];
	fault->steps = (unsigned)(one_in(world, 2) ? draw(world, 0, 12) : draw(world, 0, 400));
	fault->request = requests[fault->side][draw(world, 0, 7)];
	fault->ns = one_in(world, 2) ? draw(world, 1, 300) * NS_PER_MS : draw(world, 300, 9000) * NS_PER_MS;
	if ((fault->kind == FAULT_KILL || fault->kind == FAULT_KILL_HELD) && one_in(world, 2)) {
		fault->phase = phases[fault->side][draw(world, 6, 9)];
		fault->steps = (unsigned)draw(world, 0, 8);
	}
	if (fault->kind <= FAULT_LANES_ALL && !one_in(world, 4))
		fault->phase = fault->side == SOURCE && one_in(world, 2) ? PHASE_PRECOPY : PHASE_STREAM;
	if ((fault->kind == FAULT_KILL || fault->kind == FAULT_KILL_HELD) && one_in(world, 2))
		fault->actions = (unsigned)draw(world, 1, 4);
	switch (fault->kind) {
	case FAULT_DEVICE_ERROR:
	case FAULT_DEVICE_STUCK:
	case FAULT_UNWRITTEN:
		fault->phase = PHASE_NONE;
		fault->steps = 0;
		break;
	case FAULT_REORDER:
		shape->reorder = true;
		break;
	case FAULT_WORD_SLOW:
		shape->word_ns_max = draw(world, 2, 1000) * NS_PER_MS;
		break;
	case FAULT_SHORT_IO:
		shape->short_io = true;
		break;
	case FAULT_SLOW_CONSUMER:
		shape->write_ns_per_kib = draw(world, 1, 60) * NS_PER_MS;
		break;
	default:
		break;
	}
	/* These are of the run, and from the start. */
	if (fault->kind == FAULT_REORDER || fault->kind == FAULT_SHORT_IO || fault->kind == FAULT_TOKEN_LIES ||
	    fault->kind == FAULT_CALLS_LOST || fault->kind == FAULT_RESOLVE || fault->kind == FAULT_SLOW_CONSUMER ||
	    fault->kind == FAULT_FENCE_HANGS || fault->kind == FAULT_WORD_SLOW) {
		bool there = fault->kind == FAULT_SLOW_CONSUMER || fault->kind == FAULT_FENCE_HANGS;

		fault->side = there ? DESTINATION : SOURCE;
		fault->phase =
			fault->kind == FAULT_CALLS_LOST || fault->kind == FAULT_RESOLVE ? PHASE_COMMIT : PHASE_NONE;
		fault->steps = fault->kind == FAULT_RESOLVE ? fault->steps : 0;
	}
}

/* Several lanes die, some of them while others are being replaced. */
static void draw_storm(struct world *world, struct shape *shape)
{
	static const enum fault_kind deaths[] = { FAULT_LANE_BEFORE, FAULT_LANE_AFTER, FAULT_LANE_BREAKS };

	shape->drawn = shape->faults = (unsigned)draw(world, 2, FAULTS_MAX - 2);
	for (unsigned i = 0; i < shape->faults; i++) {
		struct fault *fault = &shape->fault[i];

		*fault = (struct fault){ .kind = deaths[draw(world, 0, 2)], .phase = PHASE_STREAM };
		if (one_in(world, 4))
			fault->phase = PHASE_DRAIN;
		fault->side = (unsigned)draw(world, 0, 1);
		fault->lane = (unsigned)draw(world, 0, LANES_MAX - 1);
		fault->steps = (unsigned)draw(world, 0, 150);
	}
}

/* Several devices fail to start, or hang in it: has anything run, or may it yet? */
static void draw_bad_start(struct world *world, struct shape *shape)
{
	unsigned count = (unsigned)draw(world, 1, 3);

	for (unsigned i = 0; i < count && shape->faults < FAULTS_MAX; i++) {
		struct fault *fault = &shape->fault[shape->faults++];

		*fault = (struct fault){ .side = DESTINATION, .device = i };
		fault->kind = one_in(world, 2) ? FAULT_DEVICE_ERROR : FAULT_DEVICE_STUCK;
		fault->request = shape->p2p && !one_in(world, 3) ? REQUEST_RUN_P2P : REQUEST_RUN;
		fault->ns = draw(world, 1, 300) * NS_PER_MS;
	}
}

/* A side dies between two actions around its record, and somebody else has its devices. */
static void draw_bad_moment(struct world *world, struct shape *shape)
{
	struct fault *fault = &shape->fault[shape->faults];

	if (shape->faults == FAULTS_MAX)
		return;
	*fault = (struct fault){ .kind = FAULT_KILL_HELD, .side = (unsigned)draw(world, 0, 1) };
	fault->phase = one_in(world, 2) ? PHASE_DRAIN : fault->side == SOURCE ? PHASE_RECORD : PHASE_HOLD;
	fault->steps = (unsigned)draw(world, 0, fault->phase == PHASE_DRAIN ? 20 : 3);
	fault->actions = (unsigned)draw(world, 0, 4);
	shape->faults++;
}

/* Something happens while both hold, or as the word goes round. */
static void draw_bad_hold(struct world *world, struct shape *shape)
{
	static const enum fault_kind kinds[] = { FAULT_CUT,	  FAULT_HOLE,	  FAULT_LANES_ALL, FAULT_KILL,
						 FAULT_KILL_HELD, FAULT_SLEEP,	  FAULT_CANCEL,	   FAULT_CANCEL,
						 FAULT_VMM_DIES,  FAULT_VMM_MIND, FAULT_WORD_CUT };
	unsigned count = (unsigned)draw(world, 1, 2);

	for (unsigned i = 0; i < count && shape->faults < FAULTS_MAX; i++) {
		struct fault *fault = &shape->fault[shape->faults++];

		*fault = (struct fault){ .kind = kinds[draw(world, 0, sizeof(kinds) / sizeof(kinds[0]) - 1)] };
		fault->side = (unsigned)draw(world, 0, 1);
		fault->phase = one_in(world, 4) ? PHASE_DRAIN : one_in(world, 3) ? PHASE_COMMIT : PHASE_HOLD;
		fault->steps = (unsigned)(one_in(world, 2) ? draw(world, 0, 6) : draw(world, 0, 60));
		fault->ns = draw(world, 1, 4000) * NS_PER_MS;
	}
}

/* COMMIT is out, and its answer does not come: the questions get lost too, or a person has no patience. */
static void draw_doubt(struct world *world, struct shape *shape)
{
	static const enum fault_kind causes[] = { FAULT_CUT, FAULT_HOLE, FAULT_KILL, FAULT_KILL_HELD };
	struct fault *cause = &shape->fault[shape->faults], *then = cause + 1;
	bool person = one_in(world, 2);

	*cause = (struct fault){ .kind = causes[draw(world, 0, 3)], .side = DESTINATION };
	cause->phase = one_in(world, 2) ? PHASE_HOLD : PHASE_RECORD;
	cause->steps = (unsigned)draw(world, 0, 12);
	cause->ns = draw(world, 1, 4000) * NS_PER_MS;
	*then = (struct fault){ .kind = person ? FAULT_RESOLVE : FAULT_CALLS_LOST, .side = SOURCE };
	then->phase = PHASE_COMMIT;
	then->steps = person ? (unsigned)draw(world, 0, 400) : 0;
	then->ns = draw(world, 300, 4000) * NS_PER_MS;
	shape->faults += 2;
}

void shape_draw(struct world *world)
{
	struct shape *shape = &world->shape;
	uint64_t dice = draw(world, 0, 19);

	*shape = (struct shape){ 0 };
	draw_agreement(world, shape);
	draw_devices(world, shape);
	draw_commit(world, shape);
	if (one_in(world, 12))
		draw_storm(world, shape);
	shape->faults += dice < 2 ? 0 : dice < 8 ? 1 : dice < 14 ? 2 : dice < 18 ? 3 : (unsigned)draw(world, 4, 6);
	if (shape->faults > FAULTS_MAX)
		shape->faults = FAULTS_MAX;
	for (unsigned i = shape->drawn; i < shape->faults; i++)
		draw_fault(world, shape, &shape->fault[i]);
	if (shape->external[SOURCE] && one_in(world, 2))
		draw_bad_hold(world, shape);
	if (!shape->external[SOURCE] && one_in(world, 20) && shape->faults + 2 <= FAULTS_MAX)
		draw_doubt(world, shape);
	if (one_in(world, shape->external[SOURCE] ? 10 : 20))
		draw_bad_start(world, shape);
	if (one_in(world, 20))
		draw_bad_moment(world, shape);
}

/* One device of 10 GiB whose destination takes 20 MB/s: eight minutes and a half, if anybody had to wait for them. */
void shape_of_large_run(struct world *world)
{
	struct shape *shape = &world->shape;

	*shape = (struct shape){ .devices = 1,
				 .lanes = 8,
				 .slots = { 8, 8 },
				 .slot_bytes = SLOT_BYTES_MAX,
				 .integrity = VFIOMIG_INTEGRITY_NONE,
				 .data_bytes = { UINT64_C(10) << 30 },
				 .config_bytes = { 64 },
				 .peer_timeout_ns = NS_PER_S,
				 .hold_ns = 30 * NS_PER_S,
				 .device_timeout_ns = 30 * NS_PER_S,
				 .write_ns_per_kib = NS_PER_S * 1024 / 20000000 };
}
