/* SPDX-License-Identifier: MIT */
/* The drawing of the page of timeline.h: the critical path, then for every device what both hosts were at, and when. */
#ifndef CLI_TIMELINE_CHART_H
#define CLI_TIMELINE_CHART_H

#include <stdio.h>

#include "migration.h"

/* One <svg> element. The migration has a budget. */
void timeline_chart(const struct migration *migration, FILE *out);

#endif
