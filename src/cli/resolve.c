/* SPDX-License-Identifier: MIT */
/* `rdma-vfiomig resolve`: a person ends a doubt. The journal is told; whoever holds the devices, or is asked about them, obeys it. */
#include <argp.h>
#include <stdio.h>

#include <vfiomig/vfiomig.h>

#include "command.h"
#include "sessions.h"
#include "terminal.h"

struct resolve {
	const char *dir, *word;
	uint8_t session[16];
	int decision; /* enum vfiomig_decision; 0: none was given */
	bool fenced;
};

enum { KEY_JOURNAL_DIR = 0x100, KEY_RESUME, KEY_PROMOTE, KEY_FENCED };

static const struct argp_option options[] = {
	{ "resume-source", KEY_RESUME, NULL, 0, "The source goes on; the destination must not run", 0 },
	{ "promote-destination", KEY_PROMOTE, NULL, 0, "The destination has the devices; the source must not go on",
	  0 },
	{ "i-have-fenced-the-other-side", KEY_FENCED, NULL, 0,
	  "Needed: you made sure that the side that is to be stopped does not run and cannot start (powered off, for "
	  "example)",
	  0 },
	{ "journal-dir", KEY_JOURNAL_DIR, "DIR", 0, "Where the journal lies, as given to send and recv", 0 },
	{ 0 },
};

static void check(struct argp_state *state, const struct resolve *resolve)
{
	if (!resolve->word)
		argp_error(state, "which session? rdma-vfiomig status lists them");
	if (!resolve->decision)
		argp_error(state, "what is it to be: --resume-source or --promote-destination?");
	if (!resolve->fenced)
		argp_error(
			state,
			"both sides may run the devices after a wrong decision: make sure that the side that is to be "
			"stopped does not run, and say --i-have-fenced-the-other-side");
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct resolve *resolve = state->input;

	switch (key) {
	case KEY_JOURNAL_DIR:
		resolve->dir = arg;
		return 0;
	case KEY_RESUME:
	case KEY_PROMOTE:
		if (resolve->decision)
			argp_error(state, "one decision, please: --resume-source or --promote-destination");
		resolve->decision = key == KEY_RESUME ? VFIOMIG_RESUME_SOURCE : VFIOMIG_PROMOTE_DESTINATION;
		return 0;
	case KEY_FENCED:
		resolve->fenced = true;
		return 0;
	case ARGP_KEY_ARG:
		if (resolve->word)
			argp_error(state, "%s: one session at a time", arg);
		resolve->word = arg;
		session_parse(state, arg, resolve->session);
		return 0;
	case ARGP_KEY_SUCCESS:
		check(state, resolve);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp resolve_argp = {
	options,
	parse,
	"SESSION",
	"Decide which side of a session in doubt has the devices. Run it on the side whose journal has the record "
	"(status)."
	"\v"
	"A sender that holds the devices (--on-abort hold) or still asks resumes them or gives them up at once; a "
	"receiver answers a "
	"sender's question by the decision.\n\n"
	"Example:\n"
	"  rdma-vfiomig resolve 0123456789abcdef0123456789abcdef --resume-source --i-have-fenced-the-other-side\n\n"
	"Exit code 0: recorded; 2: usage; 3: no such record, or the session is not in doubt.",
	NULL,
	NULL,
	NULL,
};

int resolve_main(int argc, char **argv)
{
	struct resolve resolve = { 0 };
	struct vfiomig_error err = { 0 };
	struct vfiomig_journal journal;

	argp_parse(&resolve_argp, argc, argv, 0, NULL, &resolve);
	if (vfiomig_journal_resolve(resolve.dir, resolve.session, (enum vfiomig_decision)resolve.decision, &journal,
				    &err)) {
		terminal_say("session %s: %s", resolve.word, err.text);
		return (int)err.code;
	}
	terminal_say("session %s: %s", resolve.word, session_meaning(&journal));
	if (journal.role == VFIOMIG_SOURCE && !journal.held)
		terminal_say("process %u, which had the devices, is gone: there is nobody to carry it out",
			     journal.pid);
	return VFIOMIG_OK;
}
