/* SPDX-License-Identifier: MIT */
/* What SIGUSR1 is answered with: lines on stderr that say what every thread, lane and device does and waits for. */
#ifndef CLI_DESCRIBE_H
#define CLI_DESCRIBE_H

#include "migration.h"

/* From now on a question is about these too, until they are forgotten; they stay the caller's. At most two at a time. */
void describe_watch(const struct migration *migration);
/* One that was never watched is fine. */
void describe_forget(const struct migration *migration);

#endif
