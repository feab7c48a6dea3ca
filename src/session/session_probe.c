/* SPDX-License-Identifier: MIT */
/*
 * Which transports are usable on the way to the peer, and why RDMA is or is not: asked once, before both sides agree. With rails each of
 * them is asked, and RDMA is usable where it is on all of them.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "session/session.h"

/* The limits of all rails together; the memory's node is the first's, which is the nearest. */
static int probe_rails(struct vfiomig_session *session, struct fabric_limits *limits)
{
	struct fabric_config config = { .route = session_route(session) };
	unsigned receives_max = UINT_MAX, rails;
	int numa_node = -1;

	session_put_rails(session, &config);
	rails = config.rails ? config.rails : 1;
	for (unsigned i = 0; i < rails; i++) {
		const struct fabric_route route = fabric_lane_route(&config, i);
		int rc = verbs_fabric_ops.probe(&route, limits);

		if (rc)
			return rc;
		receives_max = limits->receives_max < receives_max ? limits->receives_max : receives_max;
		if (i == 0)
			numa_node = limits->numa_node;
	}
	limits->receives_max = receives_max;
	limits->numa_node = numa_node;
	if (rails > 1) {
		size_t at = strlen(limits->reason);

		snprintf(limits->reason + at, sizeof(limits->reason) - at, ", the last of %u rails", rails);
	}
	return 0;
}

static void probe_rdma(struct vfiomig_session *session)
{
	struct plan_side *side = &session->side;

	if (session->options.transport == VFIOMIG_TRANSPORT_TCP) {
		snprintf(side->transport_reason, sizeof(side->transport_reason), "TCP was asked for");
		return;
	}
	if (probe_rails(session, &session->limits) == 0)
		side->transports |= 1U << VFIOMIG_TRANSPORT_RDMA;
	snprintf(side->transport_reason, sizeof(side->transport_reason), "%s", session->limits.reason);
}

void session_probe(struct vfiomig_session *session)
{
	struct plan_side *side = &session->side;
	struct vfiomig_error err = { 0 };

	session->limits = (struct fabric_limits){ .numa_node = -1, .receives_max = UINT_MAX };
	if (session->record) {
		session_post_fact(session, FACT_PROBED);
		return;
	}
	if (session->role == VFIOMIG_SOURCE && session_find_rails(session, &err)) {
		session_post_failure(session, &err);
		return;
	}
	side->transports = 0;
	if (session->options.transport != VFIOMIG_TRANSPORT_RDMA)
		side->transports |= 1U << VFIOMIG_TRANSPORT_TCP;
	probe_rdma(session);
	side->receives_max = session->limits.receives_max;
	if (session->limits.numa_node < 0) /* without an RDMA device, or one without a node of its own */
		session->limits.numa_node = session_card_node(session);
	if (!side->transports) {
		error_set(&err, VFIOMIG_PREFLIGHT, ENODEV, "no-rdma",
			  "RDMA was asked for and cannot be used at the %s: %s", session_side(session),
			  side->transport_reason);
		session_post_failure(session, &err);
		return;
	}
	session_post_fact(session, FACT_PROBED);
}
