/* SPDX-License-Identifier: MIT */
/*
 * Where the downtime of a migration went, as its session has it, in the forms in which the program shows it: a table for
 * people and an object for programs.
 */
#ifndef CLI_BUDGET_H
#define CLI_BUDGET_H

#include <stdio.h>

#include <jansson.h>

#include "migration.h"

/* The "budget" field of a report: the caller's reference, JSON's null if the migration has none; NULL if memory ran out. */
json_t *budget_json(const struct migration *migration);

/* The critical path, and what held each device's stream. Nothing without a budget of both sides. */
void budget_print(const struct migration *migration, FILE *out);

/* The nanoseconds of the critical path that are @span's, over all its pieces. */
uint64_t budget_path_ns(const struct vfiomig_budget *budget, enum vfiomig_span span);

/* The span that has most of the critical path; VFIOMIG_SPAN_COUNT if there is no path. */
enum vfiomig_span budget_path_longest(const struct vfiomig_budget *budget);

/* "source" or "destination": where @span is seen from. */
const char *budget_side(enum vfiomig_span span);

#endif
