/* SPDX-License-Identifier: MIT */
/*
 * The one way to stderr: messages, each on a line of its own with the program's name, and on a terminal a progress line
 * that is rewritten in place. A message takes the progress line's place, so that the two never mix.
 */
#ifndef CLI_TERMINAL_H
#define CLI_TERMINAL_H

#include <stdbool.h>

/* Whether stderr is a terminal; elsewhere terminal_progress does nothing. */
bool terminal_is_tty(void);

void terminal_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
void terminal_progress(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Take the progress line away. */
void terminal_clear(void);

#endif
