/* SPDX-License-Identifier: MIT */
/* See describe.h. A signal has no argument, so what it asks about is kept here; only the main thread is ever here. */
#include "describe.h"

#include <stddef.h>

#include "signals.h"
#include "terminal.h"

enum { WATCHED_MAX = 2 };

static const struct migration *watched[WATCHED_MAX];

/* Who asks wants to know, whatever the log level is. */
static void print_line(void *context, const char *text)
{
	const struct migration *migration = context;

	terminal_log(TERMINAL_ERROR, "%s%s", migration->label, text);
}

static void answer(void)
{
	for (unsigned i = 0; i < WATCHED_MAX; i++)
		if (watched[i] &&
		    vfiomig_session_describe(watched[i]->session, print_line, (void *)(uintptr_t)watched[i]))
			terminal_say("%sno memory to describe the session", watched[i]->label);
}

void describe_watch(const struct migration *migration)
{
	for (unsigned i = 0; i < WATCHED_MAX; i++) {
		if (watched[i])
			continue;
		watched[i] = migration;
		break;
	}
	signals_on_question(answer);
}

void describe_forget(const struct migration *migration)
{
	bool any = false;

	for (unsigned i = 0; i < WATCHED_MAX; i++) {
		if (watched[i] == migration)
			watched[i] = NULL;
		any |= watched[i] != NULL;
	}
	if (!any)
		signals_on_question(NULL);
}
