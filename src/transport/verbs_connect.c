/* SPDX-License-Identifier: MIT */
/*
 * Bringing lanes up. Both sides are driven by the events of one channel, all lanes at once; every event that brings a lane on
 * moves the deadline. Receives are posted before a side can be heard of, so the first message always finds one.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "transport/verbs_errno.h"
#include "transport/verbs_fabric.h"

/* 7 would be for ever with some devices, in both cases. Receives suffice, so the second never comes into play. */
enum { RETRIES = 6, RNR_RETRIES = 6 };
enum { ACK_TIMEOUT_MIN = 14, ACK_TIMEOUT_MAX = 20 };

uint8_t verbs_ack_timeout(unsigned timeout_ms)
{
	uint8_t exponent = ACK_TIMEOUT_MIN;

	while (exponent < ACK_TIMEOUT_MAX &&
	       (RETRIES + 1) * (UINT64_C(4096) << (exponent + 1)) <= timeout_ms * NS_PER_MS / 2)
		exponent++;
	return exponent;
}

static uint64_t step_deadline_ns(const struct verbs_fabric *fabric)
{
	return clock_now_ns() + fabric->config.route.timeout_ms * NS_PER_MS;
}

/* The source may have much to prepare before its first lane comes. */
static uint64_t first_deadline_ns(const struct verbs_fabric *fabric)
{
	const struct fabric_route *route = &fabric->config.route;

	if (route->role == VFIOMIG_SOURCE || !route->first_lane_ms)
		return step_deadline_ns(fabric);
	return clock_now_ns() + route->first_lane_ms * NS_PER_MS;
}

static const char *peer_text(const struct verbs_fabric *fabric, char text[VERBS_ADDRESS_TEXT_BYTES])
{
	return verbs_address_text(text, &fabric->config.route.peer);
}

static int wait_failed(struct verbs_fabric *fabric, int rc, unsigned up, struct vfiomig_error *err)
{
	char peer[VERBS_ADDRESS_TEXT_BYTES];

	if (rc == -ECANCELED)
		return error_set(err, VFIOMIG_CANCELLED, ECANCELED, NULL, "cancelled while connecting RDMA lanes");
	verbs_watch_device(fabric); /* it may know why nothing came */
	if (rc == -ETIMEDOUT)
		return error_set(err, VFIOMIG_TIMEOUT, ETIMEDOUT, "connect-timeout",
				 "RDMA lanes with %s: %u of %u are up, and nothing happened for %u ms%s%s",
				 peer_text(fabric, peer), up, fabric->config.lanes, fabric->config.route.timeout_ms,
				 *fabric->shared.trouble ? "; before that, " : "", fabric->shared.trouble);
	return error_set(err, VFIOMIG_FABRIC, -rc, "rdma-cm", "rdma_cm gives no more events: %s", strerror(-rc));
}

static int step_failed(struct verbs_fabric *fabric, const struct verbs_cm_event *event, struct vfiomig_error *err)
{
	enum { NO_LISTENER = 8 }; /* rdma_cm's reason "invalid service id" */
	const struct verbs_lane *lane = event->id->context;
	char peer[VERBS_ADDRESS_TEXT_BYTES];
	int errnum = event->status < 0 ? -event->status : ECONNABORTED;

	if (event->type == RDMA_CM_EVENT_DEVICE_REMOVAL) { /* on the listener, or on any lane */
		verbs_watch_removed(fabric);
		return error_set(
			err, VFIOMIG_FABRIC, ENODEV, "rdma-device-removed",
			"the RDMA device was removed while lanes with %s were being connected: see `rdma link`",
			peer_text(fabric, peer));
	}
	if (event->type == RDMA_CM_EVENT_REJECTED)
		return error_set(err, VFIOMIG_FABRIC, ECONNREFUSED, "refused", "%s refused an RDMA lane: %s (%d)",
				 peer_text(fabric, peer),
				 event->status == NO_LISTENER ? "nothing listens there"
							      : "it does not belong to its session",
				 event->status);
	return error_set(err, VFIOMIG_FABRIC, errnum, "connect", "RDMA lane %u with %s: %s (%s)",
			 lane ? lane->number : 0, peer_text(fabric, peer), rdma_event_str(event->type),
			 strerror(errnum));
}

static int call_failed(const struct verbs_lane *lane, const char *call, struct vfiomig_error *err)
{
	int errnum = verbs_errno();

	return error_set(err, VFIOMIG_FABRIC, errnum, "rdma-cm", "RDMA lane %u: %s: %s", lane->number, call,
			 strerror(errnum));
}

/* rdma_cm tells about ids that are past their connection, and about address changes of bonds: no step of a set-up. */
static bool is_irrelevant(const struct verbs_cm_event *event)
{
	return event->type == RDMA_CM_EVENT_TIMEWAIT_EXIT || event->type == RDMA_CM_EVENT_ADDR_CHANGE;
}

int verbs_connect_find(struct verbs_fabric *fabric, struct vfiomig_error *err)
{
	const struct fabric_route *route = &fabric->config.route;
	struct verbs_cm_event event;
	struct rdma_cm_id *id;
	char peer[VERBS_ADDRESS_TEXT_BYTES];
	int rc = verbs_cm_resolve(&id, fabric->events, NULL, route, &route->local);

	if (rc)
		return error_set(err, VFIOMIG_FABRIC, -rc, "resolve", "no RDMA device reaches %s: %s",
				 peer_text(fabric, peer), strerror(-rc));
	fabric->listener = id; /* close finds it there until lane 0 exists */
	rc = verbs_cm_wait(fabric->events, route->cancel_fd, step_deadline_ns(fabric), &event);
	if (rc)
		return wait_failed(fabric, rc, 0, err);
	if (event.type != RDMA_CM_EVENT_ADDR_RESOLVED || !id->verbs)
		return step_failed(fabric, &event, err);
	return 0;
}

int verbs_connect_listen(struct verbs_fabric *fabric, struct vfiomig_error *err)
{
	const struct sockaddr_storage *local = &fabric->config.route.local;
	char at[VERBS_ADDRESS_TEXT_BYTES];
	int rc = verbs_cm_bind(&fabric->listener, fabric->events, local, false);

	if (!rc && !fabric->listener->verbs)
		rc = -ENODEV;
	if (!rc && rdma_listen(fabric->listener, (int)fabric->config.lanes))
		rc = -verbs_errno();
	if (rc)
		return error_set(err, VFIOMIG_FABRIC, -rc, "listen", "cannot listen for RDMA lanes at %s: %s",
				 verbs_address_text(at, local), strerror(-rc));
	return 0;
}

static int source_begin(struct verbs_fabric *fabric, struct vfiomig_error *err)
{
	struct verbs_lane *first = &fabric->lanes[0];
	const struct sockaddr_storage *local = (const struct sockaddr_storage *)(void *)rdma_get_local_addr(first->id);

	/* Where the first lane starts from all do: the kernel might choose another device for another lane. */
	for (unsigned i = 1; i < fabric->config.lanes; i++) {
		struct verbs_lane *lane = &fabric->lanes[i];
		int rc = verbs_cm_resolve(&lane->id, fabric->events, lane, &fabric->config.route, local);

		if (rc) {
			errno = -rc;
			return call_failed(lane, "rdma_resolve_addr", err);
		}
	}
	first->id->context = first;
	return 0;
}

static int on_address(struct verbs_fabric *fabric, struct verbs_lane *lane, struct vfiomig_error *err)
{
	uint8_t timeout = verbs_ack_timeout(fabric->config.route.timeout_ms);

	if (lane->id->verbs->device != fabric->shared.device.context->device)
		return error_set(err, VFIOMIG_FABRIC, EXDEV, "connect", "RDMA lane %u came to lie on another device",
				 lane->number);
	/* A kernel that does not know the option keeps its default, which detects a dead path later. */
	rdma_set_option(lane->id, RDMA_OPTION_ID, RDMA_OPTION_ID_ACK_TIMEOUT, &timeout, sizeof(timeout));
	if (rdma_resolve_route(lane->id, (int)fabric->config.route.timeout_ms))
		return call_failed(lane, "rdma_resolve_route", err);
	return 0;
}

static int on_route(struct verbs_fabric *fabric, struct verbs_lane *lane, struct vfiomig_error *err)
{
	struct hello hello = { .version = WIRE_VERSION, .lane = (uint16_t)lane->number };
	uint8_t bytes[HELLO_BYTES];
	struct rdma_conn_param param = {
		.private_data = bytes,
		.private_data_len = sizeof(bytes),
		.retry_count = RETRIES,
		.rnr_retry_count = RNR_RETRIES,
	};
	int rc = verbs_lane_open(lane, err);

	if (rc)
		return rc;
	memcpy(hello.session, fabric->config.session, sizeof(hello.session));
	memcpy(hello.proof, fabric->config.proof[lane->number], sizeof(hello.proof));
	hello_encode(bytes, &hello);
	if (rdma_connect(lane->id, &param))
		return call_failed(lane, "rdma_connect", err);
	return 0;
}

static int source_step(struct verbs_fabric *fabric, const struct verbs_cm_event *event, unsigned *up,
		       struct vfiomig_error *err)
{
	struct verbs_lane *lane = event->id->context;

	switch (event->type) {
	case RDMA_CM_EVENT_ADDR_RESOLVED:
		return on_address(fabric, lane, err);
	case RDMA_CM_EVENT_ROUTE_RESOLVED:
		return on_route(fabric, lane, err);
	case RDMA_CM_EVENT_ESTABLISHED:
		verbs_lane_up(lane);
		++*up;
		return 0;
	default:
		return step_failed(fabric, event, err);
	}
}

static struct verbs_lane *lane_numbered(struct verbs_fabric *fabric, unsigned number)
{
	for (unsigned i = 0; i < fabric->config.lanes; i++)
		if (fabric->lanes[i].number == number)
			return &fabric->lanes[i];
	return NULL;
}

/* The lane that a connect request is for, or NULL if it is not for one of this session's that is still to come. */
static struct verbs_lane *requested_lane(struct verbs_fabric *fabric, const struct verbs_cm_event *event)
{
	struct verbs_lane *lane;
	struct hello hello;

	if (event->hello_bytes < HELLO_BYTES || hello_decode(&hello, event->hello))
		return NULL;
	if (memcmp(hello.session, fabric->config.session, sizeof(hello.session)) != 0)
		return NULL;
	lane = lane_numbered(fabric, hello.lane);
	if (!lane || lane->id || !hello_proves(&hello, fabric->config.proof[hello.lane]))
		return NULL;
	if (event->id->verbs->device != fabric->shared.device.context->device)
		return NULL;
	return lane;
}

/* 1: it was no lane of ours, and nothing has come of it. */
static int on_request(struct verbs_fabric *fabric, const struct verbs_cm_event *event, struct vfiomig_error *err)
{
	struct rdma_conn_param param = { .rnr_retry_count = RNR_RETRIES };
	struct verbs_lane *lane = requested_lane(fabric, event);
	int rc;

	if (!lane) {
		atomic_fetch_add(&fabric->fabric.refused, 1);
		rdma_reject(event->id, NULL, 0);
		rdma_destroy_id(event->id);
		return 1;
	}
	lane->id = event->id;
	lane->id->context = lane;
	rc = verbs_lane_open(lane, err);
	if (rc)
		return rc;
	if (rdma_accept(lane->id, &param))
		return call_failed(lane, "rdma_accept", err);
	return 0;
}

static int destination_step(struct verbs_fabric *fabric, const struct verbs_cm_event *event, unsigned *up,
			    struct vfiomig_error *err)
{
	switch (event->type) {
	case RDMA_CM_EVENT_CONNECT_REQUEST:
		return on_request(fabric, event, err);
	case RDMA_CM_EVENT_ESTABLISHED:
		verbs_lane_up(event->id->context);
		++*up;
		return 0;
	default:
		return step_failed(fabric, event, err);
	}
}

int verbs_connect_establish(struct verbs_fabric *fabric, const struct fabric_memory *peer, struct vfiomig_error *err)
{
	bool source = fabric->config.route.role == VFIOMIG_SOURCE;
	uint64_t deadline_ns = first_deadline_ns(fabric);
	unsigned up = 0;
	int rc = 0;

	if (source) {
		fabric->shared.peer = *peer;
		rc = source_begin(fabric, err);
		if (!rc)
			rc = on_address(fabric, &fabric->lanes[0], err);
	}
	while (rc >= 0 && up < fabric->config.lanes) {
		struct verbs_cm_event event;

		rc = verbs_cm_wait(fabric->events, fabric->config.route.cancel_fd, deadline_ns, &event);
		if (rc)
			return wait_failed(fabric, rc, up, err);
		if (is_irrelevant(&event))
			continue;
		rc = source ? source_step(fabric, &event, &up, err) : destination_step(fabric, &event, &up, err);
		if (!rc)
			deadline_ns = step_deadline_ns(fabric);
	}
	if (rc < 0)
		return rc;
	if (fabric->listener)
		rdma_destroy_id(fabric->listener);
	fabric->listener = NULL;
	return 0;
}
