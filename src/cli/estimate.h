/* SPDX-License-Identifier: MIT */
/* What the downtime would be, as reckoned before anything was stopped: a table for people and an object for programs. */
#ifndef CLI_ESTIMATE_H
#define CLI_ESTIMATE_H

#include <jansson.h>

#include "migration.h"
#include "units.h"

/* The "estimate" field of a report: the caller's reference, JSON's null if none was made; NULL if memory ran out. */
json_t *estimate_json(const struct migration *migration);

/* The terms, their sum, and the device that is slowest. Nothing if no estimate was made. Flushes stdout. */
void estimate_print(const struct migration *migration);

/* "17 ms", or "17 ms to 40 ms" where the two differ. */
struct units estimate_range(uint64_t low_us, uint64_t high_us);

#endif
