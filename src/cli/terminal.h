/* SPDX-License-Identifier: MIT */
/*
 * The one way to stderr: messages, each on a line of its own, and on a terminal a progress line that is rewritten in place. A message
 * takes the progress line's place, so that the two never mix. No colours, and no sequences that a terminal could lack.
 */
#ifndef CLI_TERMINAL_H
#define CLI_TERMINAL_H

#include <stdbool.h>

/* syslog's numbers, which the journal reads. */
enum terminal_level {
	TERMINAL_ERROR = 3,
	TERMINAL_WARNING = 4,
	TERMINAL_NOTICE = 5, /* what the program itself has to say */
	TERMINAL_INFO = 6,
	TERMINAL_DEBUG = 7,
};

/* From here on messages beyond @least are left out; with @journal they have "<5>" before them instead of the program's name. */
void terminal_setup(enum terminal_level least, bool journal);

/* Messages go to @sink instead, without a newline; NULL: to stderr again. */
void terminal_divert(void (*sink)(enum terminal_level level, const char *text));

/* stderr is a terminal, and one that can go back to the beginning of a line. */
bool terminal_rewrites(void);
/* stderr goes to the journal, which says so in $JOURNAL_STREAM. */
bool terminal_is_journal(void);
/* Characters that fit on the progress line. */
unsigned terminal_columns(void);

/* A message is one line, whatever is in it. */
void terminal_say(const char *format, ...) __attribute__((format(printf, 1, 2))); /* a notice */
void terminal_log(enum terminal_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* "error", "warning", "notice", "info" or "debug". */
const char *terminal_level_name(enum terminal_level level);

/* Control characters become '?': what a file, a name or a peer says is no message of its own, and commands no terminal. */
void terminal_make_plain(char *text);

/* Rewrite the progress line: @text of at most terminal_columns. */
void terminal_progress(const char *text);
/* Take the progress line away. */
void terminal_clear(void);

#endif
