/* SPDX-License-Identifier: MIT */
/*
 * News that does not come by a completion queue: a peer that has gone while its lane was idle, a device taken away, a port
 * gone down. A port's trouble alone ends no lane (queue pairs of real devices survive a flap); it is kept to explain the
 * flush that may follow, which names no cause.
 */
#include <errno.h>
#include <stdio.h>

#include "base/error.h"
#include "transport/verbs_fabric.h"

static void fail_lane(struct verbs_lane *lane, int errnum, const char *why)
{
	pthread_mutex_lock(&lane->lock);
	if (lane->state == VERBS_LANE_UP)
		verbs_lane_fail(lane, VFIOMIG_FABRIC, errnum, "%s%s%s", why,
				*lane->shared->trouble ? "; before that, " : "", lane->shared->trouble);
	pthread_mutex_unlock(&lane->lock);
}

static void fail_all(struct verbs_fabric *fabric, int errnum, const char *why)
{
	for (unsigned i = 0; i < fabric->config.lanes; i++)
		fail_lane(&fabric->lanes[i], errnum, why);
}

/* librdmacm keeps the contexts of all devices it has seen, and a removed one only until it compares its list again. */
static void forget_removed_devices(void)
{
	struct ibv_context **devices = rdma_get_devices(NULL);

	if (devices)
		rdma_free_devices(devices);
}

static void on_cm(struct verbs_fabric *fabric, const struct verbs_cm_event *event)
{
	switch (event->type) {
	case RDMA_CM_EVENT_DISCONNECTED:
		fail_lane(event->id->context, ECONNRESET, "the peer has closed it");
		break;
	case RDMA_CM_EVENT_DEVICE_REMOVAL:
		fail_all(fabric, ENODEV, "the RDMA device was removed");
		verbs_fabric_let_go(fabric);
		forget_removed_devices();
		break;
	case RDMA_CM_EVENT_CONNECT_REQUEST: /* it was in the queue when the listener went */
		rdma_reject(event->id, NULL, 0);
		rdma_destroy_id(event->id);
		break;
	default: /* the rest are echoes of a connection's end */
		break;
	}
}

static void on_async(struct verbs_fabric *fabric, const struct ibv_async_event *event)
{
	struct verbs_shared *shared = &fabric->shared;

	switch (event->event_type) {
	case IBV_EVENT_DEVICE_FATAL:
		fail_all(fabric, EIO, "the RDMA device has failed");
		break;
	case IBV_EVENT_PORT_ERR:
		snprintf(shared->trouble, sizeof(shared->trouble), "port %d of %s went down", event->element.port_num,
			 shared->device.context->device->name);
		break;
	case IBV_EVENT_GID_CHANGE:
		snprintf(shared->trouble, sizeof(shared->trouble), "an address of %s changed",
			 shared->device.context->device->name);
		break;
	case IBV_EVENT_PORT_ACTIVE:
		shared->trouble[0] = '\0';
		break;
	default:
		break;
	}
}

void verbs_watch(struct verbs_fabric *fabric)
{
	struct verbs_device *device = &fabric->shared.device;
	struct verbs_cm_event cm;
	struct ibv_async_event async;

	if (device->channel)
		verbs_channel_drain(device->channel);
	/* Before the events of rdma_cm, so that a flush or a disconnect finds its cause. */
	while (device->watch && !ibv_get_async_event(device->watch, &async)) {
		on_async(fabric, &async);
		ibv_ack_async_event(&async);
	}
	while (verbs_cm_take(fabric->events, &cm) > 0)
		on_cm(fabric, &cm);
}
