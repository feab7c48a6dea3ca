/* SPDX-License-Identifier: MIT */
/* `rdma-vfiomig send`: one session to a receiver; where it fails, real devices are kept, since they run again. */
#include <argp.h>
#include <stdint.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "command.h"
#include "keep.h"
#include "options.h"
#include "report.h"
#include "sessions.h"
#include "signals.h"
#include "source.h"
#include "summary.h"
#include "terminal.h"
#include "timeline.h"

struct send_options {
	struct source_options source;
	unsigned downtime_limit_ms;
	enum keep on_abort;
	const char *timeline; /* path of the page, or NULL */
};

enum { KEY_ON_ABORT = 0x100, KEY_DOWNTIME_LIMIT, KEY_ITERABLES_DONE, KEY_TIMELINE };

enum { DOWNTIME_LIMIT_MS_MAX = 3600 * 1000 };

static const struct argp_option send_argp_options[] = {
	{ "downtime-limit", KEY_DOWNTIME_LIMIT, "MS", 0,
	  "Milliseconds that the devices may stand still: with a longer estimate nothing is stopped, and what takes "
	  "longer "
	  "is taken back before the commit (exit code 8; no limit)",
	  1 },
	{ "iterables-done-fd", KEY_ITERABLES_DONE, "N", 0,
	  "Descriptor that gets readable once the VMM's own iterables are out" VMM_HELP_FD, 1 },
	{ "on-abort", KEY_ON_ABORT, "hold|close", 0,
	  "After a failure past the agreement of both sides: hold the devices, which run again, until SIGTERM (default "
	  "for "
	  "vfio:), or close them (default for sim:)",
	  1 },
	{ "timeline", KEY_TIMELINE, "FILE.html", 0, "Write a page that draws where the downtime went", 3 },
	{ 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	static const struct option_word aborts[] = {
		{ "hold", KEEP_HOLD },
		{ "close", KEEP_CLOSE },
		{ NULL, 0 },
	};
	struct send_options *options = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &options->source;
		return 0;
	case KEY_DOWNTIME_LIMIT:
		options->downtime_limit_ms =
			(unsigned)option_number(state, "downtime-limit", arg, 1, DOWNTIME_LIMIT_MS_MAX);
		return 0;
	case KEY_ITERABLES_DONE:
		vmm_parse(&options->source.transfer.vmm, VFIOMIG_SOURCE, state, arg);
		return 0;
	case KEY_ON_ABORT:
		options->on_abort = (enum keep)option_choice(state, "on-abort", arg, aborts);
		return 0;
	case KEY_TIMELINE:
		options->timeline = arg;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_child children[] = { { &source_argp, 0, NULL, 0 }, { 0 } };
static const struct argp send_argp = {
	send_argp_options,
	parse,
	NULL,
	"Migrate devices of this machine to a receiver (rdma-vfiomig recv)."
	"\v" TRANSFER_SPEC_HELP "\n"
	"--to file:PATH records instead, without a receiver: the devices here run again afterwards, and --device "
	"file:PATH "
	"sends what was recorded. Several devices are recorded into PATH.NAME, or PATH.NUMBER for those without a "
	"name.\n\n"
	"A signal (SIGINT, SIGTERM) cancels: the devices here run again, those of the receiver are reset.\n\n"
	"Examples:\n"
	"  rdma-vfiomig send --to 192.0.2.7:7000 --psk-file key.psk --device vfio:0000:3b:00.2 --qps 8\n"
	"  rdma-vfiomig send --to 127.0.0.1:7000 --device sim:bytes=64M,seed=1 --timeline where.html\n"
	"  rdma-vfiomig send --to file:nic.state --device vfio:0000:3b:00.2\n\n" COMMAND_EXIT_HELP,
	children,
	NULL,
	NULL,
};

/* Before both sides agreed nothing was stopped, so there is nothing to keep alive. */
static bool holds_after(const struct send_options *options, const struct migration *migration, enum vfiomig_code code)
{
	const char *transport = migration->stats.transport;

	if (code == VFIOMIG_OK || code == VFIOMIG_DEGRADED || code == VFIOMIG_PREFLIGHT || !transport || !transport[0])
		return false;
	return keep_decide(options->on_abort, &options->source.transfer) == KEEP_HOLD;
}

/* A page that could not be written would be found out when there is no way back: it is opened first. */
static enum vfiomig_code migrate(const struct send_options *options, struct migration *migration,
				 struct timeline *timeline, int signals)
{
	struct vfiomig_options session = source_session_options(&options->source);
	struct vfiomig_error err = { 0 };

	session.downtime_limit_ms = options->downtime_limit_ms;
	if (options->timeline && timeline_open(timeline, options->timeline, &err))
		return migration_refuse(migration, &err);
	if (source_check(&options->source, &err))
		return migration_refuse(migration, &err);
	return migration_run(migration, session, signals);
}

/* Wait for a person's decision (resolve), or a signal. Returns the exit code: which side runs then. */
static enum vfiomig_code hold_in_doubt(struct migration *migration, int signals)
{
	const struct itimerspec often = { { 0, 200000000 }, { 0, 200000000 } };
	int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	struct vfiomig_result result;
	uint64_t ticks;

	if (timer < 0 || timerfd_settime(timer, 0, &often, NULL)) {
		keep_hold(migration, signals);
		return VFIOMIG_IN_DOUBT;
	}
	terminal_say("holding the stopped devices until it is resolved, or SIGTERM or SIGINT");
	while (!signals_wait(signals, timer)) {
		if (read(timer, &ticks, sizeof(ticks)) < 0 || vfiomig_session_settle(migration->session, &result))
			continue;
		close(timer);
		terminal_say("resolved: %s",
			     result.error.text[0] ? result.error.text : "the destination has the devices");
		if (result.error.code == VFIOMIG_CANCELLED)
			keep_hold(migration, signals); /* they run here, and only as long as they are open */
		return result.error.code;
	}
	close(timer);
	return VFIOMIG_IN_DOUBT;
}

/* What there is to do about a doubt. */
static void tell_doubt(const struct migration *migration)
{
	uint8_t session[16];
	char id[33];

	vfiomig_session_id(migration->session, session);
	session_format(session, id);
	terminal_say(
		"session %s is in doubt: see `rdma-vfiomig status` at the receiver, then `rdma-vfiomig resolve %s`", id,
		id);
}

int send_main(int argc, char **argv)
{
	struct send_options options = { 0 };
	struct timeline timeline = { 0 };
	struct migration migration;
	enum vfiomig_code code;
	int signals;

	argp_parse(&send_argp, argc, argv, 0, NULL, &options);
	signals = signals_open();
	if (signals < 0)
		return VFIOMIG_INTERNAL;
	migration_init(&migration, VFIOMIG_SOURCE, &options.source.transfer);
	migration.insecure = source_is_insecure(&options.source);
	code = migrate(&options, &migration, &timeline, signals);
	migration.holds = holds_after(&options, &migration, code);
	migration_explain(&migration);
	if (options.source.transfer.json)
		report_print(report_build(&migration, "send"));
	else
		summary_print(&migration);
	timeline_close(&timeline, &migration);
	if (code == VFIOMIG_IN_DOUBT)
		tell_doubt(&migration);
	if (migration.holds && code == VFIOMIG_IN_DOUBT)
		code = hold_in_doubt(&migration, signals);
	else if (migration.holds)
		keep_hold(&migration, signals);
	migration_close(&migration);
	close(signals);
	return (int)code;
}
