/* SPDX-License-Identifier: MIT */
/* What the status of a failed completion, or an asynchronous event, means for whoever reads the error. */
#ifndef TRANSPORT_VERBS_STATUS_H
#define TRANSPORT_VERBS_STATUS_H

#include <infiniband/verbs.h>
#include <stdbool.h>

struct verbs_meaning {
	int errnum;
	const char *name; /* the error's stable word; static, as the text is */
	const char *text; /* what, and what to do where something can be done */
};

/* @receive: of a receive, where the same words of the specification speak of the other side. */
struct verbs_meaning verbs_status_meaning(enum ibv_wc_status status, bool receive);

/* Whom an asynchronous event is about. */
enum verbs_event_subject {
	VERBS_EVENT_IGNORED = 0, /* it changes nothing for us */
	VERBS_EVENT_QP,		 /* ends the lane whose queue pair it is */
	VERBS_EVENT_CQ,		 /* ends the lane whose completion queue it is */
	VERBS_EVENT_DEVICE,	 /* ends all lanes */
	VERBS_EVENT_TROUBLE,	 /* of a port: ends none by itself, but may explain the flush that follows */
	VERBS_EVENT_RECOVERY,	 /* that trouble is over */
};

/* Fills @meaning unless IGNORED; of TROUBLE the text is what the port did, as in "port 1 of rxe0 went down". */
enum verbs_event_subject verbs_event_meaning(enum ibv_event_type type, struct verbs_meaning *meaning);

#endif
