/* SPDX-License-Identifier: MIT */
/*
 * News that does not come by a completion queue: a peer that has gone while its lane was idle, a queue that broke, a device
 * taken away, a port gone down. A port's trouble alone ends no lane (queue pairs of real devices survive a flap); it is kept to explain the
 * flush that may follow, which names no cause.
 */
#include <errno.h>
#include <stdio.h>

#include "base/error.h"
#include "transport/verbs_fabric.h"
#include "transport/verbs_status.h"

static void fail_lane(struct verbs_lane *lane, const struct verbs_meaning *why)
{
	pthread_mutex_lock(&lane->lock);
	if (lane->state == VERBS_LANE_UP)
		verbs_lane_fail(lane, VFIOMIG_FABRIC, why->errnum, why->name, "%s%s%s", why->text,
				*lane->shared->trouble ? "; before that, " : "", lane->shared->trouble);
	pthread_mutex_unlock(&lane->lock);
}

/* Everything that lives on the device goes, at once: a removal waits for that, and a broken device drains nothing. */
static void fail_all(struct verbs_fabric *fabric, const struct verbs_meaning *why)
{
	unsigned lanes = fabric->lanes ? fabric->config.lanes : 0;

	for (unsigned i = 0; i < lanes; i++)
		fail_lane(&fabric->lanes[i], why);
	/* What takes long first: the peer hears of a connection's end when its id goes, and soon after that we name the cause. */
	for (unsigned i = 0; i < lanes; i++)
		verbs_lane_drop_queues(&fabric->lanes[i]);
	verbs_fabric_let_go(fabric);
}

/* librdmacm keeps the contexts of all devices it has seen, and a removed one only until it compares its list again. */
static void forget_removed_devices(void)
{
	struct ibv_context **devices = rdma_get_devices(NULL);

	if (devices)
		rdma_free_devices(devices);
}

static const struct verbs_meaning closed = { ECONNRESET, "lane-closed", "the peer has closed it" };
static const struct verbs_meaning removed = { ENODEV, "rdma-device-removed",
					      "the RDMA device was removed: see `rdma link`" };

void verbs_watch_removed(struct verbs_fabric *fabric)
{
	fail_all(fabric, &removed);
	forget_removed_devices();
}

static void on_cm(struct verbs_fabric *fabric, const struct verbs_cm_event *event)
{
	switch (event->type) {
	case RDMA_CM_EVENT_DISCONNECTED:
		fail_lane(event->id->context, &closed);
		break;
	case RDMA_CM_EVENT_DEVICE_REMOVAL:
		verbs_watch_removed(fabric);
		break;
	case RDMA_CM_EVENT_CONNECT_REQUEST: /* it was in the queue when the listener went */
		rdma_reject(event->id, NULL, 0);
		rdma_destroy_id(event->id);
		break;
	default: /* the rest are echoes of a connection's end */
		break;
	}
}

/* Of a queue pair or a completion queue; NULL: it has gone since. */
static struct verbs_lane *lane_of(struct verbs_fabric *fabric, const struct ibv_async_event *event, bool qp)
{
	for (unsigned i = 0; i < fabric->config.lanes; i++) {
		struct verbs_lane *lane = &fabric->lanes[i];

		if (qp ? lane->id && lane->id->qp == event->element.qp : lane->cq && lane->cq == event->element.cq)
			return lane;
	}
	return NULL;
}

static void on_async(struct verbs_fabric *fabric, const struct ibv_async_event *event)
{
	struct verbs_shared *shared = &fabric->shared;
	struct verbs_meaning meaning = { 0 };
	enum verbs_event_subject subject = verbs_event_meaning(event->event_type, &meaning);
	struct verbs_lane *lane;

	switch (subject) {
	case VERBS_EVENT_QP:
	case VERBS_EVENT_CQ:
		lane = lane_of(fabric, event, subject == VERBS_EVENT_QP);
		if (lane)
			fail_lane(lane, &meaning);
		break;
	case VERBS_EVENT_DEVICE:
		fail_all(fabric, &meaning);
		break;
	case VERBS_EVENT_TROUBLE:
		snprintf(shared->trouble, sizeof(shared->trouble), "port %d of %s %s", event->element.port_num,
			 shared->device.context->device->name, meaning.text);
		break;
	case VERBS_EVENT_RECOVERY:
		shared->trouble[0] = '\0';
		break;
	case VERBS_EVENT_IGNORED:
		break;
	}
}

void verbs_watch_device(struct verbs_fabric *fabric)
{
	struct verbs_device *device = &fabric->shared.device;
	struct ibv_async_event async;

	while (device->context && !ibv_get_async_event(device->context, &async)) {
		ibv_ack_async_event(&async); /* first: what it is about may be destroyed for it, which waits for this */
		on_async(fabric, &async);
	}
}

void verbs_watch(struct verbs_fabric *fabric)
{
	struct verbs_device *device = &fabric->shared.device;
	struct verbs_cm_event cm;

	if (device->channel)
		verbs_channel_drain(device->channel);
	verbs_watch_device(fabric); /* before rdma_cm, so that a flush or a disconnect finds its cause */
	while (verbs_cm_take(fabric->events, &cm) > 0)
		on_cm(fabric, &cm);
}
