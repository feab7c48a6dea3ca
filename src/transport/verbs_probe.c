/* SPDX-License-Identifier: MIT */
/* Does RDMA reach the peer? Asked before anything is registered, on an event channel of its own. */
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "transport/verbs_fabric.h"

/* Returns @rc, with the reason written down. */
static int refuse(struct fabric_limits *limits, int rc, const char *format, ...) __attribute__((format(printf, 3, 4)));

static int refuse(struct fabric_limits *limits, int rc, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(limits->reason, sizeof(limits->reason), format, args);
	va_end(args);
	return rc;
}

/* *@out may be there on failure too. */
static int find_source(struct rdma_cm_id **out, struct rdma_event_channel *channel, const struct fabric_route *route,
		       struct fabric_limits *limits)
{
	uint64_t deadline_ns = clock_now_ns() + route->timeout_ms * NS_PER_MS;
	char peer[VERBS_ADDRESS_TEXT_BYTES];
	struct verbs_cm_event event;
	int rc = verbs_cm_resolve(out, channel, NULL, route, &route->local);

	verbs_address_text(peer, &route->peer);
	if (rc)
		return refuse(limits, -ENODEV, "no RDMA device reaches %s: %s", peer, strerror(-rc));
	rc = verbs_cm_wait(channel, route->cancel_fd, deadline_ns, &event);
	if (rc == -ECANCELED)
		return refuse(limits, rc, "cancelled");
	if (rc == -ETIMEDOUT)
		return refuse(limits, rc, "looking for an RDMA device that reaches %s took too long", peer);
	if (!rc && event.type != RDMA_CM_EVENT_ADDR_RESOLVED)
		rc = event.status < 0 ? event.status : -EHOSTUNREACH;
	if (rc || !(*out)->verbs)
		return refuse(limits, -ENODEV, "no RDMA device reaches %s: %s", peer, strerror(rc ? -rc : ENODEV));
	return 0;
}

static int find_destination(struct rdma_cm_id **out, struct rdma_event_channel *channel,
			    const struct fabric_route *route, struct fabric_limits *limits)
{
	char local[VERBS_ADDRESS_TEXT_BYTES];
	int rc = verbs_cm_bind(out, channel, &route->local, true);

	if (!rc && (*out)->verbs)
		return 0;
	verbs_address_text(local, &route->local);
	return refuse(limits, -ENODEV, "no RDMA device has %s: %s", local, strerror(rc ? -rc : ENODEV));
}

/* The id is bound to a device: is that one to our taste, and what can it do? */
static int judge(const struct rdma_cm_id *id, const struct fabric_route *route, struct fabric_limits *limits)
{
	const struct ibv_device *device = id->verbs->device;
	bool source = route->role == VFIOMIG_SOURCE;
	struct ibv_device_attr attr;
	char text[VERBS_ADDRESS_TEXT_BYTES], why[96];

	if (verbs_device_refusal(device, why, sizeof(why)))
		return refuse(limits, -ENODEV, "%s", why);
	if (ibv_query_device(id->verbs, &attr))
		return refuse(limits, -ENODEV, "%s does not tell its limits", device->name);
	limits->numa_node = verbs_device_numa_node(device);
	limits->receives_max = verbs_receives_max(&attr);
	snprintf(limits->reason, sizeof(limits->reason), "%s %s %s", device->name, source ? "reaches" : "has",
		 verbs_address_text(text, source ? &route->peer : &route->local));
	return 0;
}

int verbs_probe(const struct fabric_route *route, struct fabric_limits *limits)
{
	bool source = route->role == VFIOMIG_SOURCE;
	const struct sockaddr_storage *address = source ? &route->peer : &route->local;
	struct rdma_event_channel *channel;
	struct rdma_cm_id *id = NULL;
	char text[VERBS_ADDRESS_TEXT_BYTES];
	int rc;

	*limits = (struct fabric_limits){ .numa_node = -1, .receives_max = UINT_MAX };
	if (!verbs_address_is_ip(address))
		return refuse(limits, -ENODEV, "RDMA needs an IP address");
	if (verbs_address_is_loopback(address))
		return refuse(limits, -ENODEV, "%s is this machine itself: no RDMA device carries that",
			      verbs_address_text(text, address));
	rc = verbs_cm_open(&channel);
	if (rc == -ENODEV)
		return refuse(limits, rc, "this machine has no RDMA device");
	if (rc)
		return refuse(limits, -ENODEV, "cannot use rdma_cm: %s", strerror(-rc));
	rc = source ? find_source(&id, channel, route, limits) : find_destination(&id, channel, route, limits);
	if (!rc)
		rc = judge(id, route, limits);
	if (id)
		rdma_destroy_id(id);
	rdma_destroy_event_channel(channel);
	return rc;
}
