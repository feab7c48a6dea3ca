/* SPDX-License-Identifier: MIT */
/* `rdma-vfiomig send`: one session to a receiver; where it fails, real devices are kept, since they run again. */
#include <argp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "address.h"
#include "command.h"
#include "keep.h"
#include "options.h"
#include "report.h"
#include "signals.h"
#include "summary.h"
#include "terminal.h"

struct send_options {
	struct transfer_options transfer;
	const char *to;
	const char *bind;
	unsigned lanes;
	enum vfiomig_integrity integrity;
	enum keep on_abort;
};

enum { KEY_TO = 't', KEY_QPS = 'q', KEY_BIND = 0x100, KEY_INTEGRITY, KEY_ON_ABORT };

static const struct argp_option send_argp_options[] = {
	{ "to", KEY_TO, "HOST:PORT", 0, "The receiver: HOST:PORT or [V6]:PORT", 1 },
	{ "qps", KEY_QPS, "N", 0, "Lanes: RC queue pairs, or TCP connections; 1 to 64 (8)", 1 },
	{ "bind", KEY_BIND, "ADDR", 0, "Local address of the control connection and the lanes", 1 },
	{ "integrity", KEY_INTEGRITY, "crc32c|none", 0,
	  "Checksum over every packet (crc32c), or over its header only (none)", 1 },
	{ "on-abort", KEY_ON_ABORT, "hold|close", 0,
	  "After a failure past the agreement of both sides: hold the devices, which run again, until SIGTERM (default "
	  "for "
	  "vfio:), or close them (default for sim:)",
	  1 },
	{ 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	static const struct option_word integrities[] = {
		{ "crc32c", VFIOMIG_INTEGRITY_CRC32C },
		{ "none", VFIOMIG_INTEGRITY_NONE },
		{ NULL, 0 },
	};
	static const struct option_word aborts[] = {
		{ "hold", KEEP_HOLD },
		{ "close", KEEP_CLOSE },
		{ NULL, 0 },
	};
	struct send_options *options = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &options->transfer;
		return 0;
	case KEY_TO:
		options->to = arg;
		return 0;
	case KEY_QPS:
		options->lanes = (unsigned)option_number(state, "qps", arg, 1, VFIOMIG_LANES_MAX);
		return 0;
	case KEY_BIND:
		options->bind = arg;
		return 0;
	case KEY_INTEGRITY:
		options->integrity = (enum vfiomig_integrity)option_choice(state, "integrity", arg, integrities);
		return 0;
	case KEY_ON_ABORT:
		options->on_abort = (enum keep)option_choice(state, "on-abort", arg, aborts);
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "%s: it takes options only", arg);
		return 0;
	case ARGP_KEY_END:
		if (!options->to)
			argp_error(state, "nowhere to go: name the receiver with --to HOST:PORT");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_child children[] = { { &transfer_argp, 0, NULL, 0 }, { 0 } };
static const struct argp send_argp = {
	send_argp_options,
	parse,
	NULL,
	"Migrate devices of this machine to a receiver (rdma-vfiomig recv)."
	"\v" TRANSFER_SPEC_HELP "\n"
	"A signal (SIGINT, SIGTERM) cancels: the devices here run again, those of the receiver are reset.\n\n"
	"Examples:\n"
	"  rdma-vfiomig send --to 192.0.2.7:7000 --device vfio:0000:3b:00.2 --qps 8\n"
	"  rdma-vfiomig send --to 127.0.0.1:7000 --device sim:bytes=64M,seed=1 --json\n\n" COMMAND_EXIT_HELP,
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
	return keep_decide(options->on_abort, &options->transfer) == KEEP_HOLD;
}

static enum vfiomig_code migrate(const struct send_options *options, struct migration *migration, int signals)
{
	struct vfiomig_options session = transfer_session_options(&options->transfer);
	enum vfiomig_code code = migration_open(migration);

	session.peer = options->to;
	session.bind = options->bind;
	session.lanes = options->lanes;
	session.integrity = options->integrity;
	if (code == VFIOMIG_OK)
		code = migration_start(migration, session);
	if (code != VFIOMIG_OK)
		return code;
	migration_wait(&migration, 1, signals);
	return migration->result.error.code;
}

int send_main(int argc, char **argv)
{
	struct send_options options = { 0 };
	struct migration migration;
	enum vfiomig_code code;
	int signals;

	argp_parse(&send_argp, argc, argv, 0, NULL, &options);
	signals = signals_open();
	if (signals < 0) {
		terminal_say("signals cannot be waited for: %s", strerror(-signals));
		return VFIOMIG_INTERNAL;
	}
	migration_init(&migration, VFIOMIG_SOURCE, &options.transfer);
	migration.insecure = !address_is_loopback(options.to);
	code = migrate(&options, &migration, signals);
	migration.holds = holds_after(&options, &migration, code);
	migration_explain(&migration);
	if (options.transfer.json)
		report_print(report_build(&migration, "send"));
	else
		summary_print(&migration, stdout);
	if (migration.holds)
		keep_hold(&migration, signals);
	migration_close(&migration);
	close(signals);
	return (int)code;
}
