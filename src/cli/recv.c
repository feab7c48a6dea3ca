/* SPDX-License-Identifier: MIT */
/* `rdma-vfiomig recv`: one session after another on one listener, until one is kept, --once, or a signal. */
#include <argp.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "keep.h"
#include "options.h"
#include "report.h"
#include "signals.h"
#include "summary.h"
#include "terminal.h"

struct recv_options {
	struct transfer_options transfer;
	const char *listen;
	bool once;
	enum keep then;
	const char *command; /* of KEEP_EXEC */
	enum vfiomig_loader loader;
	uint64_t stream_bytes_max;
};

enum { KEY_LISTEN = 'l', KEY_ONCE = 0x100, KEY_THEN, KEY_LOADER, KEY_PLATFORM_READY, KEY_STREAM_BYTES };

static const struct argp_option recv_argp_options[] = {
	{ "listen", KEY_LISTEN, "HOST:PORT", 0,
	  "Where the source will come: HOST:PORT, [V6]:PORT or :PORT (port 0 is any free one, named on stderr), "
	  "unix:PATH, for processes of root and of this user on this machine, or fd:N, a socket that listens "
	  "already and was inherited (systemd's first is fd:3)",
	  1 },
	{ "once", KEY_ONCE, NULL, 0,
	  "End after one migration, whatever its outcome; a probe is none, and it goes on waiting", 1 },
	{ "then", KEY_THEN, "hold|close|exec CMD", 0,
	  "After a success: hold the devices until SIGTERM and exit with 0 (what vfio: devices need, and their "
	  "default), "
	  "close them (default for sim:), or keep them open while the shell command CMD runs",
	  1 },
	{ "loader", KEY_LOADER, "auto|uring|write", 0,
	  "How state is written to the devices; auto takes io_uring where the kernel has it and allows it", 1 },
	{ "max-stream-bytes", KEY_STREAM_BYTES, "N", 0,
	  "Bytes, with K, M or G, that the stream of one device may have: a longer one ends the session (no limit)",
	  1 },
	{ "platform-ready-fd", KEY_PLATFORM_READY, "N", 0,
	  "Descriptor that gets readable once the VMM's platform is loaded" VMM_HELP_FD, 1 },
	{ 0 },
};

static void parse_then(struct argp_state *state, struct recv_options *options, const char *arg)
{
	static const struct option_word words[] = {
		{ "hold", KEEP_HOLD },
		{ "close", KEEP_CLOSE },
		{ "exec", KEEP_EXEC },
		{ NULL, 0 },
	};

	/* Both `--then exec 'CMD'` and `--then 'exec CMD'`. */
	if (!strncmp(arg, "exec ", 5)) {
		options->then = KEEP_EXEC;
		options->command = arg + 5;
		return;
	}
	options->then = (enum keep)option_choice(state, "then", arg, words);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	static const struct option_word loaders[] = {
		{ "auto", VFIOMIG_LOADER_AUTO },
		{ "uring", VFIOMIG_LOADER_URING },
		{ "write", VFIOMIG_LOADER_WRITE },
		{ NULL, 0 },
	};
	struct recv_options *options = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &options->transfer;
		return 0;
	case KEY_LISTEN:
		options->listen = arg;
		return 0;
	case KEY_ONCE:
		options->once = true;
		return 0;
	case KEY_THEN:
		parse_then(state, options, arg);
		return 0;
	case KEY_LOADER:
		options->loader = (enum vfiomig_loader)option_choice(state, "loader", arg, loaders);
		return 0;
	case KEY_STREAM_BYTES:
		options->stream_bytes_max = option_size(state, "max-stream-bytes", arg, 1, (uint64_t)1 << 60);
		return 0;
	case KEY_PLATFORM_READY:
		vmm_parse(&options->transfer.vmm, VFIOMIG_DESTINATION, state, arg);
		return 0;
	case ARGP_KEY_ARG:
		if (options->then != KEEP_EXEC || options->command)
			argp_error(state, "%s: it takes options only", arg);
		options->command = arg;
		return 0;
	case ARGP_KEY_END:
		for (unsigned i = 0; i < VFIOMIG_RAILS_MAX && options->transfer.rail[i]; i++)
			if (strchr(options->transfer.rail[i], '='))
				argp_error(state, "--rail %s: the receiver names its own address only",
					   options->transfer.rail[i]);
		transfer_check_payload(state, &options->transfer);
		if (!options->listen)
			argp_error(state, "nowhere to listen: say so with --listen HOST:PORT");
		if (options->then == KEEP_EXEC && !options->command)
			argp_error(state, "--then exec: the command is missing");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_child children[] = { { &transfer_argp, 0, NULL, 0 }, { 0 } };
static const struct argp recv_argp = {
	recv_argp_options,
	parse,
	NULL,
	"Wait for a migration and load it into devices of this machine."
	"\v" TRANSFER_SPEC_HELP "\n"
	"Without --once it listens again after a failure, and after a success whose devices were closed.\n\n"
	"Examples:\n"
	"  rdma-vfiomig recv --listen :7000 --psk-file key.psk --device vfio:0000:3b:00.2 --once\n"
	"  rdma-vfiomig recv --listen 127.0.0.1:0 --device sim:bytes=64M,seed=1 --once --json\n\n" COMMAND_EXIT_HELP,
	children,
	NULL,
	NULL,
};

static void report(const struct recv_options *options, const struct migration *migration)
{
	migration_explain(migration);
	if (options->transfer.json)
		report_print(report_build(migration, "recv"));
	else
		summary_print(migration);
}

static enum vfiomig_code serve(const struct recv_options *options, struct migration *migration,
			       struct vfiomig_listener *listener, int signals)
{
	struct vfiomig_options session = transfer_session_options(&options->transfer);
	enum vfiomig_code code;

	session.listener = listener;
	session.loader = options->loader;
	session.stream_bytes_max = options->stream_bytes_max;
	code = migration_start(migration, session);
	if (code != VFIOMIG_OK)
		return code;
	migration_wait(&migration, 1, signals);
	return migration->result.error.code;
}

static bool has_run(enum vfiomig_code code)
{
	return code == VFIOMIG_OK || code == VFIOMIG_DEGRADED;
}

/* What comes after a session: *@again tells whether another may follow. Returns the exit code if none does. */
static enum vfiomig_code finish(const struct recv_options *options, struct migration *migration, enum vfiomig_code code,
				int signals, bool *again)
{
	enum keep keep = keep_decide(options->then, &options->transfer);

	*again = migration_was_probe(migration) && !migration->cancelled;
	if (*again) {
		terminal_say("a sender asked what a migration would cost: nothing was stopped, and nothing was loaded");
		return VFIOMIG_OK;
	}
	migration->holds = has_run(code) && keep == KEEP_HOLD;
	report(options, migration);
	/* A session that could not even begin would fail again, at once and for ever. */
	*again = !options->once && !migration->holds && !migration->cancelled && migration->session;
	if (migration->holds)
		keep_hold(migration, signals);
	if (has_run(code) && keep == KEEP_EXEC && keep_exec(options->command, signals))
		return VFIOMIG_INTERNAL;
	return code;
}

/* Returns the descriptor that "fd:N" names, or -1. */
static int inherited_fd(const char *text)
{
	char *end;
	long fd;

	if (strncmp(text, "fd:", 3) || text[3] < '0' || text[3] > '9')
		return -1;
	errno = 0;
	fd = strtol(text + 3, &end, 10);
	return *end || errno || fd > INT_MAX ? -1 : (int)fd;
}

/* Listening is tried first, so that an address that cannot be read is called that; nobody is let in before the check. */
static int open_listener(const struct recv_options *options, struct vfiomig_listener **listener,
			 struct vfiomig_error *err)
{
	int fd = inherited_fd(options->listen);
	int rc = fd >= 0 ? vfiomig_listener_adopt(listener, fd, err)
			 : vfiomig_listener_open(listener, options->listen, err);

	if (rc)
		return rc;
	rc = transfer_check_address(&options->transfer, VFIOMIG_DESTINATION, vfiomig_listener_address(*listener), err);
	for (unsigned i = 0; i < VFIOMIG_RAILS_MAX && options->transfer.rail[i] && !rc; i++)
		rc = vfiomig_listener_add_rail(*listener, options->transfer.rail[i], err);
	if (rc) {
		vfiomig_listener_close(*listener);
		*listener = NULL;
	}
	return rc;
}

/* One session: the devices are opened for it, first of all, so that what is wrong with them is said at once. */
static enum vfiomig_code serve_once(const struct recv_options *options, struct vfiomig_listener **listener, int signals,
				    bool *again)
{
	struct vfiomig_error err = { 0 };
	struct migration migration;
	enum vfiomig_code code;

	migration_init(&migration, VFIOMIG_DESTINATION, &options->transfer);
	migration.insecure =
		transfer_is_plain(&options->transfer) && transfer_leaves(&options->transfer, options->listen);
	code = migration_open(&migration);
	if (code == VFIOMIG_OK && !*listener && open_listener(options, listener, &err))
		code = migration_refuse(&migration, &err);
	if (code != VFIOMIG_OK) {
		report(options, &migration);
		*again = false;
		goto out;
	}
	migration.insecure = transfer_is_plain(&options->transfer) &&
			     transfer_leaves(&options->transfer, vfiomig_listener_address(*listener));
	terminal_say("listening on %s", vfiomig_listener_address(*listener));
	code = serve(options, &migration, *listener, signals);
	code = finish(options, &migration, code, signals, again);
out:
	migration_close(&migration);
	return code;
}

int recv_main(int argc, char **argv)
{
	struct recv_options options = { 0 };
	struct vfiomig_listener *listener = NULL;
	enum vfiomig_code code;
	bool again = true;
	int signals;

	argp_parse(&recv_argp, argc, argv, 0, NULL, &options);
	signals = signals_open();
	if (signals < 0)
		return VFIOMIG_INTERNAL;
	do {
		code = serve_once(&options, &listener, signals, &again);
	} while (again);
	vfiomig_listener_close(listener);
	close(signals);
	return (int)code;
}
