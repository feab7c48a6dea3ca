/* SPDX-License-Identifier: MIT */
/*
 * SIGINT and SIGTERM as something that poll can wait for: they mean "cancel" while a session runs and "enough" while
 * devices are held. From signals_open on they no longer kill the program.
 */
#ifndef CLI_SIGNALS_H
#define CLI_SIGNALS_H

#include <stdbool.h>

/* A descriptor that is readable when a signal is there; the caller closes it. Negative errno, said on stderr, if it cannot be had. */
int signals_open(void);

/* Take one signal away. False if there is none. */
bool signals_take(int fd);

/* Wait until there is one, and take it; with @other >= 0 also until that descriptor is readable. True: it was a signal. */
bool signals_wait(int fd, int other);

#endif
