/* SPDX-License-Identifier: MIT */
/* What this side has noted, for the budget: of its calls to the devices, of the stream, and what the other side said. */
#include <errno.h>
#include <stdlib.h>

#include "base/sized.h"
#include "session/session.h"

static struct telemetry_span span_of(const struct budget_call *call)
{
	return (struct telemetry_span){ call->begin_ns, call->end_ns, call->end_ns - call->begin_ns };
}

void session_spans_of(struct session_device *device, struct telemetry_spans *spans)
{
	const struct account *account = &device->account;

	*spans = (struct telemetry_spans){ .number = (uint16_t)device->number,
					   .load_ns = account->load_ns,
					   .wire_ns = account->wire_ns,
					   .read_ns = account->read_ns,
					   .wait_ns = account->wait_ns,
					   .hand_over_ns = account->hand_over_ns,
					   .wire_busy_ns = account->wire_busy_ns,
					   .read_busy_ns = account->read_busy_ns,
					   .wait_busy_ns = account->wait_busy_ns,
					   .reorder_ns = account->reorder_ns,
					   .wire_begin_ns = account->wire_begin_ns,
					   .wire_end_ns = account->wire_end_ns };
	spans->span[TELEMETRY_CONFIG] = span_of(&device->call[REQUEST_CONFIG]);
	spans->span[TELEMETRY_FINISH] = span_of(&device->call[REQUEST_FINISH]);
	spans->span[TELEMETRY_RUN_P2P] = span_of(&device->call[REQUEST_RUN_P2P]);
	spans->span[TELEMETRY_RUN] = span_of(&device->call[REQUEST_RUN]);
	if (device->account_stopped && device->stream_end_ns >= account->begin_ns)
		spans->span[TELEMETRY_STREAM] =
			(struct telemetry_span){ account->begin_ns, device->stream_end_ns, account->load_ns };
}

/* A session that failed before its stream was out counts none of it. */
static uint64_t stop_copy_bytes(const struct core_device *device)
{
	return device->counted ? device->counts.bytes - device->precopied.bytes : 0;
}

static void note_source(struct vfiomig_session *session, struct budget_facts *facts)
{
	const struct core *core = &session->core;

	facts->stop_ns = core->stop_ns;
	facts->done_ns = core->done_ns;
	facts->clocks = clocks_between(&session->clocks_before, &session->clocks_after);
	facts->source_known = true;
	facts->destination_known = session->spans_here == session->devices;
	for (unsigned d = 0; d < session->devices; d++) {
		const struct session_device *device = &session->device[d];
		const struct budget_call *precopy = &device->call[REQUEST_PRECOPY];

		facts->source[d] = (struct budget_source){ .quiesce = device->call[REQUEST_QUIESCE],
							   .stop_copy = device->call[REQUEST_STOP_COPY],
							   .read = device->call[REQUEST_READ],
							   .stop = device->call[REQUEST_STOP],
							   .first_packet_ns = device->first_packet_ns,
							   .precopy_bytes = core->device[d].precopied.bytes,
							   .precopy_ns = precopy->end_ns - precopy->begin_ns,
							   .stop_copy_bytes = stop_copy_bytes(&core->device[d]) };
		facts->destination[d] = device->spans;
	}
}

static void note_destination(struct vfiomig_session *session, struct budget_facts *facts)
{
	facts->stop_ns = session->switchover.stop_ns;
	facts->clocks = (struct clocks){ 1, session->switchover.offset_ns, session->switchover.error_ns };
	facts->destination_known = true;
	for (unsigned d = 0; d < session->plan.devices; d++)
		session_spans_of(session_device_of(session, d), &facts->destination[d]);
}

/* From the numbers on the wire to those of _add_device. */
static int renumber(struct vfiomig_session *session, struct vfiomig_budget *budget)
{
	struct vfiomig_budget *by_number = malloc(sizeof(*by_number));

	if (!by_number)
		return -ENOMEM;
	*by_number = *budget;
	for (unsigned d = 0; d < budget->devices; d++)
		budget->device[session_device_of(session, d) - session->device] = by_number->device[d];
	free(by_number);
	return 0;
}

static int make(struct vfiomig_session *session, struct vfiomig_budget *budget)
{
	bool source = session->role == VFIOMIG_SOURCE;
	struct budget_facts *facts;

	facts = calloc(1, sizeof(*facts));
	if (!facts)
		return -ENOMEM;
	pthread_mutex_lock(&session->snapshot_lock);
	facts->devices = source ? session->devices : session->plan.devices;
	if (!session->ended) {
		facts->devices = 0;
	} else if (source) {
		note_source(session, facts);
	} else if (session->switchover.stop_ns) {
		note_destination(session, facts);
	}
	pthread_mutex_unlock(&session->snapshot_lock);
	if (!facts->stop_ns || !facts->devices) {
		free(facts);
		return -EAGAIN;
	}
	budget_make(facts, budget);
	free(facts);
	return source ? 0 : renumber(session, budget);
}

int vfiomig_session_budget(struct vfiomig_session *session, struct vfiomig_budget *budget)
{
	struct vfiomig_budget *own;
	int rc;

	if (!sized_valid(budget->size, sizeof(*own)))
		return -EINVAL;
	own = calloc(1, sizeof(*own));
	if (!own)
		return -ENOMEM;
	own->size = sizeof(*own);
	rc = make(session, own);
	if (!rc)
		sized_give(budget, own, sizeof(*own));
	free(own);
	return rc;
}
