/* SPDX-License-Identifier: MIT */
/*
 * The copy of a session that describe_print makes lines of. Each lock is a leaf, is held for a copy, and is let go of before the next: the
 * parts may be of different moments, and nobody who carries packets waits.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "session/describe.h"
#include "session/session_seal.h"

enum { LOOK_SLOTS_MAX = 256 }; /* of a device, with flow_lock held: what a lane still has is the oldest of them */

static const char *transport_of(const struct vfiomig_session *session)
{
	if (session->record)
		return "file";
	return session->plan.transport == VFIOMIG_TRANSPORT_RDMA ? "rdma" : "tcp";
}

/* Core and plan, under the lock with which they are changed. */
static void copy_core(struct vfiomig_session *session, struct describe *view)
{
	pthread_mutex_lock(&session->snapshot_lock);
	view->started = session->started;
	view->ended = session->ended;
	view->core = session->core;
	/* The destination learns it from the source's first message. */
	if (session->role == VFIOMIG_SOURCE || session->core.facts & FACT_OFFER)
		memcpy(view->id, session->id, sizeof(view->id));
	if (session->core.facts & (FACT_AGREED | FACT_OFFER) && session->plan.lanes) {
		view->transport = transport_of(session);
		view->lanes = session->plan.lanes;
		view->slots = session->plan.slots;
		view->slot_bytes = session->plan.slot_bytes;
		view->rails = session_tell_rails(session, view->rail);
		view->numbered = true;
	}
	for (unsigned d = 0; view->numbered && d < session->core.devices; d++)
		view->number[session_device_of(session, d) - session->device] = d;
	pthread_mutex_unlock(&session->snapshot_lock);
	view->open = view->core.facts & FACT_FABRIC_OPEN && !session->record;
}

/* What the lanes still have of one device. */
static void note_outstanding(const struct flow *flow, unsigned d, struct describe *view)
{
	const struct flow_device *device = &flow->device[d];

	for (uint64_t i = device->credit; i < device->packets && i - device->credit < LOOK_SLOTS_MAX; i++) {
		const struct flow_slot *slot = &device->slots[i % flow->slots];
		struct describe_lane *lane = &view->lane[slot->lane];

		if (slot->owner == OWNER_LANE && lane->shown < FLOW_OUTSTANDING_MAX)
			lane->packet[lane->shown++] = (struct describe_packet){ d, slot->index };
	}
}

static void copy_flow_device(struct vfiomig_session *session, unsigned d, struct describe *view)
{
	struct describe_device *out = &view->device[session_device_of(session, d) - session->device];
	const struct flow_device *device = &session->flow.device[d];
	const struct window *window = &device->window;

	pthread_mutex_lock(&session->flow_lock);
	out->packets = device->packets;
	out->bytes = device->bytes;
	if (session->role == VFIOMIG_SOURCE) {
		out->loaded = device->credit;
		note_outstanding(&session->flow, d, view);
	} else {
		out->loaded = window->base;
		out->gap = window->end > window->base && !window->entries[window->base % window->slots].here;
	}
	pthread_mutex_unlock(&session->flow_lock);
}

static void copy_flow(struct vfiomig_session *session, struct describe *view)
{
	pthread_mutex_lock(&session->flow_lock);
	for (unsigned l = 0; l < view->lanes; l++) {
		const struct flow_lane *lane = &session->flow.lane[l];

		view->lane[l].state = lane->state;
		view->lane[l].outstanding = lane->outstanding;
		view->lane[l].packets = lane->packets;
		view->lane[l].bytes = lane->bytes;
	}
	pthread_mutex_unlock(&session->flow_lock);
	for (unsigned l = 0; l < view->lanes; l++)
		view->lane[l].moved_ns = atomic_load_explicit(&session->lane_moved_ns[l], memory_order_relaxed);
	for (unsigned d = 0; d < view->core.devices; d++)
		copy_flow_device(session, d, view);
}

static void copy_device(struct session_device *device, struct describe_device *out)
{
	snprintf(out->label, sizeof(out->label), "%s", session_device_label(device));
	out->state = (enum vfiomig_state)atomic_load(&device->state);
	out->asked_ns = atomic_load_explicit(&device->asked_ns, memory_order_relaxed);
	out->call_ns = session_call_since(device);
	out->abandoned = session_device_abandoned(device);
	out->awaits = (enum session_await)atomic_load_explicit(&device->awaits, memory_order_relaxed);
	out->awaits_ns = atomic_load_explicit(&device->awaits_ns, memory_order_relaxed);
	if (device->session->record) {
		out->packets = atomic_load(&device->recorded_packets);
		out->bytes = atomic_load(&device->loaded_bytes);
	}
}

static void copy_threads(struct vfiomig_session *session, struct describe *view)
{
	pthread_mutex_lock(&session->events.lock);
	view->events = session->events.count;
	pthread_mutex_unlock(&session->events.lock);
	view->control_turn_ns = atomic_load_explicit(&session->control_turn_ns, memory_order_relaxed);
	view->fabric_doing = atomic_load_explicit(&session->fabric_doing, memory_order_relaxed);
	view->fabric_doing_ns = atomic_load_explicit(&session->fabric_doing_ns, memory_order_relaxed);
	view->lent = clock_now_ns() < atomic_load(&session->lent_until_ns);
	for (unsigned d = 0; d < session->devices; d++)
		copy_device(&session->device[d], &view->device[d]);
}

int vfiomig_session_describe(struct vfiomig_session *session, void (*line)(void *context, const char *text),
			     void *context)
{
	struct describe *view = calloc(1, sizeof(*view));

	if (!view)
		return -ENOMEM;
	view->role = session->role;
	view->devices = session->devices;
	view->transport = "";
	copy_core(session, view);
	if (view->open)
		copy_flow(session, view);
	copy_threads(session, view);
	describe_print(view, clock_now_ns(), line, context);
	free(view);
	return 0;
}
