/* SPDX-License-Identifier: MIT */
/*
 * SIGINT and SIGTERM as something that poll can wait for: they mean "cancel" while a session runs and "enough" while
 * devices are held. SIGUSR1 asks what goes on, and is answered whenever one of the others is waited for. From signals_open on
 * none of them kills the program.
 */
#ifndef CLI_SIGNALS_H
#define CLI_SIGNALS_H

#include <stdbool.h>

/* First of all: a question that comes early waits, and does not kill. */
void signals_hold_questions(void);

/* A descriptor that is readable when a signal is there; the caller closes it. Negative errno, said on stderr, if it cannot be had. */
int signals_open(void);

/* What SIGUSR1 does, on the thread that waits. NULL: it says that nothing goes on. */
void signals_on_question(void (*answer)(void));

/* Take one signal away, and answer a question. True: it was SIGINT or SIGTERM. */
bool signals_take(int fd);

/* Wait until there is one of those two, and take it; with @other >= 0 also until that descriptor is readable. True: it was a signal. */
bool signals_wait(int fd, int other);

#endif
