/* SPDX-License-Identifier: MIT */
/* The tables of the page of timeline.h: what the drawing shows, as numbers. */
#ifndef CLI_TIMELINE_NUMBERS_H
#define CLI_TIMELINE_NUMBERS_H

#include <stdio.h>

#include "migration.h"

/* The critical path as a <table>. The migration has a budget with a path. */
void timeline_path_table(const struct migration *migration, FILE *out);

/* What held each device's stream, a row per device. */
void timeline_stream_table(const struct migration *migration, FILE *out);

/* Every span, a <details> per device; that of the device that was ready last is open. */
void timeline_span_tables(const struct migration *migration, FILE *out);

#endif
