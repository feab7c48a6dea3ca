/* SPDX-License-Identifier: MIT */
/* See sessions.h. */
#include "sessions.h"

#include <stdio.h>
#include <string.h>

void session_format(const uint8_t session[16], char out[33])
{
	for (unsigned i = 0; i < 16; i++)
		sprintf(out + 2 * i, "%02x", session[i]);
}

void session_parse(struct argp_state *state, const char *text, uint8_t session[16])
{
	if (strlen(text) != 32 || strspn(text, "0123456789abcdefABCDEF") != 32)
		argp_error(state, "%s: a session is 32 hexadecimal digits, as status shows them", text);
	for (unsigned i = 0; i < 16; i++) {
		unsigned byte = 0;

		sscanf(text + 2 * i, "%2x", &byte);
		session[i] = (uint8_t)byte;
	}
}

static const char *of_source(const struct vfiomig_journal *journal)
{
	switch (journal->state) {
	case VFIOMIG_JOURNAL_COMMITTED:
		return journal->held ? "the devices are stopped here until it is known whether the destination runs: "
				       "it is asked, "
				       "or held for a decision (resolve)"
				     : "the devices were stopped here, and their process is gone: find out whether the "
				       "destination runs (status there), then resolve";
	case VFIOMIG_JOURNAL_ABORTED:
		return "decided: the source goes on";
	default:
		return "decided: the destination has the devices";
	}
}

static const char *of_destination(const struct vfiomig_journal *journal)
{
	switch (journal->state) {
	case VFIOMIG_JOURNAL_PREPARED:
		return journal->held ? "all is loaded, and the source's commit is awaited"
				     : "its process is gone before the commit: it never ran, and the source may go on";
	case VFIOMIG_JOURNAL_COMMITTED:
		return journal->held
			       ? "the devices are being started"
			       : "its process is gone during the start: the devices may have run; resolve once they "
				 "surely do not, or surely do";
	case VFIOMIG_JOURNAL_RUNNING:
		return "the devices run here; the source may not know yet";
	case VFIOMIG_JOURNAL_ABORTED:
		return "it never ran and never will: the source may go on";
	default:
		return "decided: the devices are here";
	}
}

const char *session_meaning(const struct vfiomig_journal *journal)
{
	return journal->role == VFIOMIG_SOURCE ? of_source(journal) : of_destination(journal);
}
