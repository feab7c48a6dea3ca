/* SPDX-License-Identifier: MIT */
/* The result of a migration for people: a headline, what carried it, and a line per device. */
#ifndef CLI_SUMMARY_H
#define CLI_SUMMARY_H

#include "migration.h"

/* Nothing for a migration whose sides never agreed: its sentence on stderr says it all. Flushes stdout. */
void summary_print(const struct migration *migration);

#endif
