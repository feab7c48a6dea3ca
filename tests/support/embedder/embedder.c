/* SPDX-License-Identifier: MIT */
/*
 * A VMM of two halves in one process that follows the headers to the letter, while everything else happens to it at any moment: cancels and
 * yanks from other threads, from callbacks and from a signal handler, looks from three threads at once, a close in the middle. Its devices
 * (own.h) know who runs.
 *
 *   embedder SEED ROUNDS
 *
 * A round's choices come from its seed; its threads' order does not. Exit status: 0, and how often what came about; or 1 and a sentence.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "own.h"

enum { SIDES = 2, LIMIT_MS = 60000 };

/* What befalls a half; drawn for each. */
enum trouble {
	NOTHING,
	CANCEL,
	YANK,
	SIGNAL,
	CANCEL_IN_CALLBACK,
	YANK_IN_CALLBACK,
	CANCEL_AT_COMMIT, /* between the two commits */
	YANK_AT_COMMIT,
	CLOSE,
	TROUBLES
};

struct half {
	enum trouble trouble;
	unsigned after; /* looks until it comes */
	struct vfiomig_device *device;
	struct vfiomig_session *session;
	struct own own;
	unsigned prepared, ends; /* how often it was told */
	atomic_bool may_commit;
	pthread_t thread;
};

/* Each way out is taken once, whatever the seed. */
static const enum trouble first[][SIDES] = {
	{ NOTHING, NOTHING }, { CANCEL, NOTHING }, { NOTHING, CANCEL_AT_COMMIT }, { CLOSE, NOTHING }
};
enum { FIRST_ROUNDS = sizeof(first) / sizeof(first[0]) };

static struct half half[SIDES];
static unsigned long long seed, rounds, round_number;
static atomic_bool source_says_no;
static unsigned ran, stayed, given_back, closed; /* rounds */
static _Atomic(struct vfiomig_session *) to_cancel;

void wrong(const char *what)
{
	fprintf(stderr, "seed %llu: %s\n", seed, what);
	_exit(1);
}

static unsigned draw(unsigned below)
{
	static unsigned long long state;

	if (state == 0)
		state = seed * 2654435761U + 88172645463325252ULL;
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (unsigned)(state >> 20) % below;
}

static void on_signal(int number)
{
	struct vfiomig_session *session = atomic_load(&to_cancel);

	(void)number;
	if (session)
		vfiomig_session_cancel(session);
}

static void nowhere(void *context, const char *text)
{
	(void)context, (void)text;
}

static void look(struct half *this)
{
	struct vfiomig_stats stats = { .size = sizeof(stats) };
	struct vfiomig_estimate estimate = { .size = sizeof(estimate) };
	struct vfiomig_result result;
	uint8_t id[16];

	if (vfiomig_session_stats(this->session, &stats) || !stats.loader || !stats.transport)
		wrong("no statistics");
	vfiomig_session_estimate(this->session, &estimate);
	vfiomig_session_describe(this->session, nowhere, NULL);
	vfiomig_session_set_limits(this->session, 0, 0);
	vfiomig_session_id(this->session, id);
	vfiomig_session_prepared(this->session);
	vfiomig_session_result(this->session, &result);
}

static void befall(struct half *this)
{
	switch (this->trouble) {
	case CANCEL:
		vfiomig_session_cancel(this->session);
		break;
	case YANK:
		vfiomig_session_yank(this->session);
		break;
	case SIGNAL:
		atomic_store(&to_cancel, this->session);
		raise(SIGUSR1);
		break;
	default:
		break;
	}
}

/* What the source's program decides, once both are prepared, and tells the destination's: here a variable. */
static void decide(void)
{
	int rc;

	if (!atomic_load(&half[0].may_commit) || !atomic_load(&half[1].may_commit))
		return;
	if (vfiomig_session_prepared(half[0].session))
		return;
	/* Before: the destination's thread must not be the first to know. */
	atomic_store(&source_committed, true);
	if (vfiomig_session_commit(half[0].session)) {
		atomic_store(&source_committed, false);
		atomic_store(&source_says_no, true);
		return;
	}
	for (unsigned i = 0; i < SIDES; i++) {
		if (half[i].trouble == CANCEL_AT_COMMIT)
			vfiomig_session_cancel(half[i].session);
		if (half[i].trouble == YANK_AT_COMMIT)
			vfiomig_session_yank(half[i].session);
	}
	rc = vfiomig_session_commit(half[1].session);
	if (rc && rc != -ECANCELED)
		wrong("a destination that was prepared takes no commit");
}

static void on_prepared(void *context)
{
	struct half *this = context;

	if (this->prepared++)
		wrong("prepared was told twice");
	if (this->trouble == CANCEL_IN_CALLBACK)
		vfiomig_session_cancel(this->session);
	if (this->trouble == YANK_IN_CALLBACK)
		vfiomig_session_yank(this->session);
	look(this);
	atomic_store(&this->may_commit, true);
}

static void on_phase(void *context, const char *phase)
{
	struct half *this = context;

	if (!strcmp(phase, "DONE") || !strcmp(phase, "FAILED"))
		this->ends++;
	if (!strcmp(phase, "STREAM")) {
		vfiomig_session_iterables_done(this->session);
		vfiomig_session_platform_ready(this->session);
	}
	look(this);
}

static void on_event(void *context, const struct vfiomig_event *event)
{
	if (event->kind == VFIOMIG_EVENT_LANE_LOST)
		look(context);
}

static void on_log(void *context, enum vfiomig_log_level level, const char *text)
{
	(void)level, (void)text;
	vfiomig_session_prepared(((struct half *)context)->session);
}

static void *run(void *argument)
{
	struct vfiomig_result result;
	struct half *this = argument;

	if (vfiomig_session_run(this->session, &result) == VFIOMIG_USAGE)
		wrong(result.error.text);
	return NULL;
}

static void make(struct half *this, struct vfiomig_listener *listener)
{
	struct vfiomig_options options = { .size = sizeof(options),
					   .peer = this->own.source ? vfiomig_listener_address(listener) : NULL,
					   .listener = this->own.source ? NULL : listener,
					   .transport = VFIOMIG_TRANSPORT_TCP,
					   .gate = VFIOMIG_GATE_ON,
					   .lanes = 2,
					   .slots = 4,
					   .slot_bytes = VFIOMIG_SLOT_BYTES_MIN,
					   .peer_timeout_ms = LIMIT_MS,
					   .context = this,
					   .log = on_log,
					   .phase = on_phase,
					   .event = on_event,
					   .prepared = on_prepared };
	struct vfiomig_error err = { 0 };

	this->own.fd = -1;
	this->own.state = VFIOMIG_STATE_RUNNING;
	this->trouble = (enum trouble)(draw(2) ? NOTHING : draw(TROUBLES));
	this->after = draw(60);
	if (round_number < FIRST_ROUNDS) {
		this->trouble = first[round_number][!this->own.source];
		this->after = 0;
	}
	atomic_store(&this->own.runs, this->own.source);
	if (vfiomig_device_wrap(&this->device, &own_ops, &this->own, "own", VFIOMIG_GATE_AUTO, &err) ||
	    vfiomig_session_create(&this->session, this->own.source ? VFIOMIG_SOURCE : VFIOMIG_DESTINATION, &options,
				   &err) ||
	    vfiomig_session_add_device(this->session, this->device, &err))
		wrong(err.text);
}

static bool is_over(struct half *this)
{
	return vfiomig_session_result(this->session, &(struct vfiomig_result){ 0 }) == 0;
}

/* What each half says must be what its device is at, and what was decided. */
static void judge(const struct vfiomig_result *source, const struct vfiomig_result *destination)
{
	bool committed = atomic_load(&source_committed);

	if (half[0].prepared > 1 || half[1].prepared > 1 || half[0].ends > 1 || half[1].ends > 1)
		wrong("something was told twice");
	if (committed && half[0].own.state != VFIOMIG_STATE_STOP)
		wrong("a committed source has not stayed in STOP");
	if (committed == !strcmp(source->source_state, "running"))
		wrong("the source does not say what became of it");
	if (!committed && half[0].own.state != VFIOMIG_STATE_RUNNING)
		wrong("a source that was not committed does not run");
	if (atomic_load(&half[1].own.runs) != !strcmp(destination->destination_state, "running"))
		wrong("the destination does not say what became of it");
	if (!strcmp(source->destination_state, "running") && !atomic_load(&half[1].own.runs))
		wrong("the source says that the destination runs");
	if (!strcmp(destination->source_state, "running") && !atomic_load(&half[0].own.runs))
		wrong("the destination says that the source runs");
}

/* The destination's program has said that it will not: the source's may have its own back. */
static void take_back(struct vfiomig_result *source)
{
	if (!atomic_load(&source_committed) || atomic_load(&half[1].own.runs))
		return;
	atomic_store(&source_committed, false);
	given_back++;
	if (vfiomig_session_take_back(half[0].session, source) || strcmp(source->error.name, "taken-back"))
		wrong("it is not given back");
	if (vfiomig_session_take_back(half[0].session, &(struct vfiomig_result){ 0 }) != -EINVAL)
		wrong("it is given back twice");
}

static void go_on(void)
{
	unsigned looks = 0;

	while (!is_over(&half[0]) || !is_over(&half[1])) {
		for (unsigned i = 0; i < SIDES; i++) {
			look(&half[i]);
			if (looks == half[i].after)
				befall(&half[i]);
			/* Nobody will commit any more: what is prepared would wait for ever. */
			if (is_over(&half[!i]) || atomic_load(&source_says_no))
				vfiomig_session_cancel(half[i].session);
		}
		decide();
		looks++;
		poll(NULL, 0, 1);
	}
}

static void finish(struct half *this)
{
	vfiomig_session_close(this->session);
	vfiomig_device_close(this->device);
	if (this->own.fd >= 0)
		close(this->own.fd);
}

/* The program's own loop for both, from one thread, with closes in its middle. */
static void dispatch_until(bool closes)
{
	unsigned turns = 0;
	bool over[SIDES] = { false };

	while (!over[0] || !over[1]) {
		struct pollfd fds[SIDES];

		for (unsigned i = 0; i < SIDES; i++)
			fds[i] = (struct pollfd){ over[i] ? -1 : vfiomig_session_fd(half[i].session), POLLIN, 0 };
		if (poll(fds, SIDES, 20) < 0 && errno != EINTR)
			wrong("poll");
		for (unsigned i = 0; i < SIDES; i++) {
			over[i] = over[i] || vfiomig_session_dispatch(half[i].session);
			if (turns == half[i].after)
				befall(&half[i]);
			if (over[!i] || atomic_load(&source_says_no))
				vfiomig_session_cancel(half[i].session);
		}
		decide();
		if (closes && turns > half[0].after)
			return;
		turns++;
	}
}

static void play(void)
{
	bool by_run = draw(2), closes;
	struct vfiomig_result result[SIDES];
	struct vfiomig_listener *listener;
	struct vfiomig_error err = { 0 };

	memset(half, 0, sizeof(half));
	half[0].own.other = &half[1].own;
	half[1].own.other = &half[0].own;
	atomic_store(&source_committed, false);
	atomic_store(&source_says_no, false);
	content_bytes = draw(OWN_BYTES_MAX);
	for (size_t i = 0; i < content_bytes; i += 64)
		content[i] = (uint8_t)draw(256);
	if (vfiomig_listener_open(&listener, "127.0.0.1:0", &err))
		wrong(err.text);
	half[0].own.source = true;
	make(&half[1], listener);
	make(&half[0], listener);
	closes = half[0].trouble == CLOSE || half[1].trouble == CLOSE;
	by_run &= !closes; /* a session that runs must not be closed */
	for (unsigned i = 0; i < SIDES; i++) {
		if (by_run && pthread_create(&half[i].thread, NULL, run, &half[i]))
			wrong("no thread");
		if (!by_run && vfiomig_session_start(half[i].session, &err))
			wrong(err.text);
	}
	if (by_run)
		go_on();
	else
		dispatch_until(closes);
	for (unsigned i = 0; i < SIDES && by_run; i++)
		pthread_join(half[i].thread, NULL);
	atomic_store(&to_cancel, NULL);
	if (!closes) {
		vfiomig_session_result(half[0].session, &result[0]);
		vfiomig_session_result(half[1].session, &result[1]);
		judge(&result[0], &result[1]);
		take_back(&result[0]);
	}
	finish(&half[0]);
	finish(&half[1]);
	vfiomig_listener_close(listener);
	if (atomic_load(&half[0].own.runs) && atomic_load(&half[1].own.runs))
		wrong("both run");
	if (atomic_load(&half[0].own.runs) == atomic_load(&source_committed))
		wrong("the source is not where its program left it");
	ran += atomic_load(&half[1].own.runs);
	stayed += atomic_load(&half[0].own.runs);
	closed += closes;
}

int main(int count, char **arguments)
{
	struct sigaction action = { .sa_handler = on_signal };

	if (count != 3)
		return 2;
	seed = strtoull(arguments[1], NULL, 10);
	rounds = strtoull(arguments[2], NULL, 10);
	sigaction(SIGUSR1, &action, NULL);
	for (; round_number < rounds; round_number++, seed++)
		play();
	printf("ran %u, stayed %u, given back %u, closed %u\n", ran, stayed, given_back, closed);
	return 0;
}
