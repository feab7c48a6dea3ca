/* SPDX-License-Identifier: MIT */
/*
 * Devices that outlive their session. Closing the last descriptor of a VFIO device loses its state, so a program that
 * reports "the destination runs" and exits has undone the migration: it stays, or runs a command that takes over.
 */
#ifndef CLI_KEEP_H
#define CLI_KEEP_H

#include "migration.h"

enum keep { KEEP_DEFAULT, KEEP_HOLD, KEEP_CLOSE, KEEP_EXEC };

/* What KEEP_DEFAULT means for these devices: hold if any of them is a real one, else close. */
enum keep keep_decide(enum keep wish, const struct transfer_options *transfer);

/* Stay until a signal comes. */
void keep_hold(const struct migration *migration, int signals);

/*
 * Run @command by the shell and wait for it; the devices stay open meanwhile. A signal that comes to this program is
 * handed on to the command as SIGTERM. Returns 0 if it ended with status 0, else -ECHILD or the errno of the start, after
 * saying so on stderr.
 */
int keep_exec(const char *command, int signals);

#endif
