/* SPDX-License-Identifier: MIT */
/* `rdma-vfiomig status`: what the journal of this machine says of sessions that have not ended on both sides. */
#include <argp.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include <vfiomig/vfiomig.h>

#include "command.h"
#include "json_value.h"
#include "report.h"
#include "sessions.h"
#include "terminal.h"

struct status {
	const char *dir;
	const char *word; /* the SID that was asked for, or NULL */
	uint8_t session[16];
	bool json;
	unsigned shown;
	json_t *list;
};

enum { KEY_JOURNAL_DIR = 0x100, KEY_JSON };

static const struct argp_option options[] = {
	{ "journal-dir", KEY_JOURNAL_DIR, "DIR", 0, "Where the journal lies, as given to send and recv", 0 },
	{ "json", KEY_JSON, NULL, 0, "Print one JSON array", 0 },
	{ 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct status *status = state->input;

	switch (key) {
	case KEY_JOURNAL_DIR:
		status->dir = arg;
		return 0;
	case KEY_JSON:
		status->json = true;
		return 0;
	case ARGP_KEY_ARG:
		if (status->word)
			argp_error(state, "%s: one session at most", arg);
		status->word = arg;
		session_parse(state, arg, status->session);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp status_argp = {
	options,
	parse,
	"[SESSION]",
	"List the sessions of this machine that have not ended on both sides, from the journal: nothing is printed if "
	"there is none."
	"\v"
	"Exit code 0: listed; 1: the list could not be written; 3: the journal cannot be read, or has no record of "
	"SESSION.",
	NULL,
	NULL,
	NULL,
};

static void print_text(const struct vfiomig_journal *journal, const char *id)
{
	printf("%s  %-11s  %-9s  peer %s, process %u %s\n", id,
	       journal->role == VFIOMIG_SOURCE ? "source" : "destination", vfiomig_journal_state_name(journal->state),
	       journal->peer, journal->pid, journal->held ? "lives" : "is gone");
	for (unsigned d = 0; d < journal->devices; d++)
		printf("    %s%s%s\n", journal->device[d].name, journal->device[d].name[0] ? "  " : "",
		       journal->device[d].spec);
	printf("    %s\n", session_meaning(journal));
}

static json_t *make_json(const struct vfiomig_journal *journal, const char *id)
{
	json_t *devices = json_array();

	for (unsigned d = 0; d < journal->devices; d++)
		json_array_append_new(devices, json_pack("{s:o, s:o}", "name", json_value_text(journal->device[d].name),
							 "spec", json_value_text(journal->device[d].spec)));
	return json_pack("{s:s, s:s, s:s, s:b, s:b, s:i, s:f, s:i, s:o, s:o, s:s}", "session", id, "role",
			 journal->role == VFIOMIG_SOURCE ? "source" : "destination", "state",
			 vfiomig_journal_state_name(journal->state), "degraded", journal->degraded, "held",
			 journal->held, "pid", (int)journal->pid, "time", (double)journal->time_ns / 1e9, "hold_ms",
			 (int)journal->hold_ms, "peer", json_value_text(journal->peer), "devices", devices, "meaning",
			 session_meaning(journal));
}

static void show(void *context, const struct vfiomig_journal *journal)
{
	struct status *status = context;
	char id[33];

	if (status->word && memcmp(status->session, journal->session, sizeof(status->session)))
		return;
	status->shown++;
	session_format(journal->session, id);
	if (status->json)
		json_array_append_new(status->list, make_json(journal, id));
	else
		print_text(journal, id);
}

static void print_list(const json_t *list)
{
	json_dumpf(list, stdout, JSON_INDENT(2));
	putchar('\n');
}

static void show_broken(void *context, const char *file)
{
	(void)context;
	terminal_say("%s: this record of the journal cannot be read", file);
}

int status_main(int argc, char **argv)
{
	struct status status = { 0 };
	struct vfiomig_error err = { 0 };
	int count;

	argp_parse(&status_argp, argc, argv, 0, NULL, &status);
	status.list = json_array();
	count = vfiomig_journal_list(status.dir, show, show_broken, &status, &err);
	if (count < 0)
		terminal_say("%s", err.text);
	else if (status.json)
		print_list(status.list);
	json_decref(status.list);
	if (count < 0)
		return (int)err.code;
	/* Nothing on stdout means that nothing is in doubt. */
	if (report_flush())
		return VFIOMIG_INTERNAL;
	if (status.word && !status.shown) {
		terminal_say("the journal has no record of session %s", status.word);
		return VFIOMIG_PREFLIGHT;
	}
	return VFIOMIG_OK;
}
