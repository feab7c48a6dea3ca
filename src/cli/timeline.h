/* SPDX-License-Identifier: MIT */
/* The budget of a migration as one page that needs nothing else: no network, no script, no font. */
#ifndef CLI_TIMELINE_H
#define CLI_TIMELINE_H

#include <stdbool.h>

#include "migration.h"

/* Zero: no page is wanted. */
struct timeline {
	const char *path; /* the caller's */
	FILE *file;
	bool created; /* the file is ours to take away again if there is nothing to write */
};

/*
 * Open @path for writing, and leave what it has as it is. 0, or a negative errno with a sentence (VFIOMIG_USAGE); nothing
 * is left open or created then.
 */
int timeline_open(struct timeline *timeline, const char *path, struct vfiomig_error *err);

/*
 * Write the page of @migration, whose devices are still open, and close it. That it could not be written, or that there is
 * nothing to draw since nothing was stopped, is said on stderr: it changes nothing about which side runs.
 */
void timeline_close(struct timeline *timeline, const struct migration *migration);

#endif
