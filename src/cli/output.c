/* SPDX-License-Identifier: MIT */
/* See output.h. */
#include "output.h"

#include <errno.h>
#include <string.h>

#include "events.h"
#include "options.h"

enum output_format { FORMAT_AUTO = 0, FORMAT_PLAIN, FORMAT_JOURNAL };

enum { KEY_PROGRESS = OUTPUT_KEY_FIRST, KEY_EVENTS, KEY_LEVEL, KEY_FORMAT };

enum { GROUP_OUTPUT = 3 };

static const struct argp_option options[] = {
	{ "progress", KEY_PROGRESS, "auto|tty|log|json|off", 0,
	  "How far it is, on stderr: one line that is rewritten (tty), a line at most every 5 s and with each phase "
	  "(log), or events and messages as JSON lines (json). auto: tty on a terminal, else log with --log-level info "
	  "or more, else off",
	  GROUP_OUTPUT },
	{ "events", KEY_EVENTS, "FILE|fd:N", 0,
	  "Write what happens as JSON lines: added to FILE, or to a descriptor that was inherited. "
	  "It may be given twice",
	  GROUP_OUTPUT },
	{ "log-level", KEY_LEVEL, "error|warning|info|debug", 0,
	  "What is said on stderr; warning has what this program itself has to say, too (warning)", GROUP_OUTPUT },
	{ "log-format", KEY_FORMAT, "auto|plain|journal", 0,
	  "journal: each line begins with its priority, as journald reads it. auto takes that where stderr is the "
	  "journal's",
	  GROUP_OUTPUT },
	{ "verbose", 'v', NULL, 0, "The same as --log-level debug", GROUP_OUTPUT },
	{ 0 },
};

static const struct option_word modes[] = {
	{ "auto", PROGRESS_AUTO }, { "tty", PROGRESS_TTY }, { "log", PROGRESS_LOG },
	{ "json", PROGRESS_JSON }, { "off", PROGRESS_OFF }, { NULL, 0 },
};

static const struct option_word levels[] = {
	{ "error", TERMINAL_ERROR },
	{ "warning", TERMINAL_NOTICE },
	{ "info", TERMINAL_INFO },
	{ "debug", TERMINAL_DEBUG },
	{ NULL, 0 },
};

static const struct option_word formats[] = {
	{ "auto", FORMAT_AUTO },
	{ "plain", FORMAT_PLAIN },
	{ "journal", FORMAT_JOURNAL },
	{ NULL, 0 },
};

static void open_events(struct argp_state *state, const char *target)
{
	int rc = events_open(target);

	if (rc == -E2BIG)
		argp_error(state, "--events %s: they are written to two places at most", target);
	else if (rc)
		argp_error(state, "--events %s: it cannot be written: %s", target,
			   !strncmp(target, "fd:", 3) ? "the number of an open descriptor is needed" : strerror(-rc));
}

static void set_up(struct output_options *output)
{
	if (!output->level)
		output->level = TERMINAL_NOTICE;
	terminal_setup(output->level,
		       output->format == FORMAT_AUTO ? terminal_is_journal() : output->format == FORMAT_JOURNAL);
	if (output->progress == PROGRESS_AUTO)
		output->progress = terminal_rewrites()		    ? PROGRESS_TTY
				   : output->level >= TERMINAL_INFO ? PROGRESS_LOG
								    : PROGRESS_OFF;
	if (output->progress == PROGRESS_JSON)
		events_on_stderr();
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct output_options *output = state->input;

	switch (key) {
	case KEY_PROGRESS:
		output->progress = (enum progress_mode)option_choice(state, "progress", arg, modes);
		return 0;
	case KEY_EVENTS:
		open_events(state, arg);
		return 0;
	case KEY_LEVEL:
		output->level = (enum terminal_level)option_choice(state, "log-level", arg, levels);
		return 0;
	case KEY_FORMAT:
		output->format = option_choice(state, "log-format", arg, formats);
		return 0;
	case 'v':
		output->level = TERMINAL_DEBUG;
		return 0;
	case ARGP_KEY_SUCCESS:
		set_up(output);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

const struct argp output_argp = { options, parse, NULL, NULL, NULL, NULL, NULL };
