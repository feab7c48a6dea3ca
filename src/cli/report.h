/* SPDX-License-Identifier: MIT */
/* The result of a migration for programs: the JSON object "rdma-vfiomig/1", whose fields are all there on failures too. */
#ifndef CLI_REPORT_H
#define CLI_REPORT_H

#include <jansson.h>

#include "migration.h"

/* The object; the caller's reference. NULL if memory ran out. @command is its "command" field. */
json_t *report_build(const struct migration *migration, const char *command);

/* Print @object (stolen; NULL is an error) as one line and flush. 0 or -EIO. */
int report_print(json_t *object);

/* What was printed for people until now has to be out: 0, or -EIO, which is said on stderr. */
int report_flush(void);

/* Who keeps a device of @migration open once the session is over: "process 17", "caller" or "nobody". */
struct report_holder {
	char text[32];
};
struct report_holder report_holder(const struct migration *migration, unsigned device);

#endif
