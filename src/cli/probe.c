/* SPDX-License-Identifier: MIT */
/* `rdma-vfiomig probe`: what a migration would cost, from a receiver and devices that keep running. */
#include <argp.h>
#include <unistd.h>

#include "command.h"
#include "estimate.h"
#include "report.h"
#include "signals.h"
#include "source.h"
#include "terminal.h"

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct source_options *source = state->input;

	(void)arg;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = source;
		return 0;
	case ARGP_KEY_SUCCESS:
		if (source->record)
			argp_error(state, "--to %s: a file loads nothing, so there is nothing to measure", source->to);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_child children[] = { { &source_argp, 0, NULL, 0 }, { 0 } };
static const struct argp probe_argp = {
	NULL,
	parse,
	NULL,
	"Estimate the downtime that a migration to a receiver (rdma-vfiomig recv) would have now. Nothing is stopped."
	"\v" TRANSFER_SPEC_HELP "\n"
	"What could not be measured is assumed, and the estimate is a range then that says what was assumed. The "
	"receiver "
	"goes on waiting for a migration afterwards.\n\n"
	"Example:\n"
	"  rdma-vfiomig probe --to 192.0.2.7:7000 --psk-file key.psk --device vfio:0000:3b:00.2\n\n"
	"Exit code 0: an estimate was made. Others as in send: nothing was stopped in any case.",
	children,
	NULL,
	NULL,
};

/* A session that ended well but has nothing to tell is no success here. */
static enum vfiomig_code judge(struct migration *migration)
{
	struct vfiomig_error none = { .code = VFIOMIG_INTERNAL,
				      .name = "no-estimate",
				      .text = "the probe ended without an estimate" };

	if (migration->result.error.code != VFIOMIG_OK)
		return migration->result.error.code;
	return migration->has_estimate ? VFIOMIG_OK : migration_refuse(migration, &none);
}

int probe_main(int argc, char **argv)
{
	struct source_options source = { 0 };
	struct vfiomig_options session;
	struct vfiomig_error err = { 0 };
	struct migration migration;
	enum vfiomig_code code;
	int signals;

	argp_parse(&probe_argp, argc, argv, 0, NULL, &source);
	signals = signals_open();
	if (signals < 0)
		return VFIOMIG_INTERNAL;
	/* It ends before a VMM would have anything to say, so a VMM's devices can be probed with the gate on. */
	source.transfer.vmm = (struct vmm){ .there = true, .fd = -1 };
	migration_init(&migration, VFIOMIG_SOURCE, &source.transfer);
	migration.insecure = source_is_insecure(&source);
	session = source_session_options(&source);
	session.flags |= VFIOMIG_PROBE;
	if (source_check(&source, &err))
		migration_refuse(&migration, &err);
	else
		migration_run(&migration, session, signals);
	code = judge(&migration);
	migration_explain(&migration);
	if (source.transfer.json)
		report_print(report_build(&migration, "probe"));
	else
		estimate_print(&migration);
	migration_close(&migration);
	close(signals);
	return (int)code;
}
