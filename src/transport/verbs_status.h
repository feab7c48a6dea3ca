/* SPDX-License-Identifier: MIT */
/* What the status of a failed completion means for whoever reads the error. */
#ifndef TRANSPORT_VERBS_STATUS_H
#define TRANSPORT_VERBS_STATUS_H

#include <infiniband/verbs.h>
#include <stdbool.h>

struct verbs_meaning {
	int errnum;
	const char *text; /* static */
};

/* @receive: of a receive, where the same words of the specification speak of the other side. */
struct verbs_meaning verbs_status_meaning(enum ibv_wc_status status, bool receive);

#endif
