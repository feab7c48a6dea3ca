/* SPDX-License-Identifier: MIT */
/* Lanes over RDMA: the table of operations, and how a fabric is put together and taken apart. */
#include "transport/verbs_fabric.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "transport/verbs_errno.h"

/* How often a busy poll looks after what is not a completion queue, each of which costs a system call. */
#define LOOK_EVERY_NS (5 * NS_PER_MS)

static void verbs_close(struct fabric *base)
{
	struct verbs_fabric *fabric = verbs_fabric_of(base);

	if (!fabric)
		return;
	verbs_fabric_let_go(fabric);
	for (unsigned i = 0; fabric->lanes && i < fabric->config.lanes; i++)
		verbs_lane_fini(&fabric->lanes[i]);
	free(fabric->lanes);
	if (fabric->events)
		rdma_destroy_event_channel(fabric->events);
	free(fabric);
}

void verbs_fabric_let_go(struct verbs_fabric *fabric)
{
	for (unsigned i = 0; fabric->lanes && i < fabric->config.lanes; i++)
		if (fabric->lanes[i].shared)
			verbs_lane_close(&fabric->lanes[i]);
	if (fabric->listener)
		rdma_destroy_id(fabric->listener);
	fabric->listener = NULL;
	verbs_device_close(&fabric->shared.device);
}

static int open_lanes(struct verbs_fabric *fabric, struct vfiomig_error *err)
{
	unsigned lanes = fabric->config.lanes;

	fabric->lanes = calloc(lanes, sizeof(*fabric->lanes));
	if (!fabric->lanes)
		return error_set(err, VFIOMIG_INTERNAL, ENOMEM, NULL, "no memory for %u lanes", lanes);
	for (unsigned i = 0; i < lanes; i++)
		if (verbs_lane_init(&fabric->lanes[i], verbs_lane_number(&fabric->config, i), &fabric->shared))
			return error_set(err, VFIOMIG_INTERNAL, ENOMEM, NULL, "no memory for %u lanes", lanes);
	return 0;
}

/* With the device found: fabric->listener is bound to it. */
static int open_on_device(struct verbs_fabric *fabric, struct vfiomig_error *err)
{
	const struct fabric_config *config = &fabric->config;
	struct ibv_context *context = fabric->listener->verbs;
	bool source = config->route.role == VFIOMIG_SOURCE;
	struct ibv_device_attr attr;
	char why[96];
	int rc;

	if (verbs_device_refusal(context->device, why, sizeof(why)))
		return error_set(err, VFIOMIG_PREFLIGHT, ENODEV, "no-rdma", "%s", why);
	rc = ibv_query_device(context, &attr);
	if (rc)
		return error_set(err, VFIOMIG_FABRIC, rc, "query", "%s does not tell its limits: %s",
				 context->device->name, strerror(rc));
	if (verbs_plan_make(&fabric->shared.plan, &config->arena->shape, &attr))
		return error_set(err, VFIOMIG_PREFLIGHT, E2BIG, "queues",
				 "%s holds at most %u receives per lane: use fewer slots", context->device->name,
				 verbs_receives_max(&attr));
	fabric->shared.arena = config->arena;
	fabric->shared.timeout_ns = config->route.timeout_ms * NS_PER_MS;
	rc = verbs_device_open(&fabric->shared.device, context, config->arena, !source, err);
	if (rc)
		return rc;
	rc = open_lanes(fabric, err);
	if (rc || !source)
		return rc;
	fabric->lanes[0].id = fabric->listener; /* it was the first lane all along */
	fabric->listener = NULL;
	return 0;
}

static int verbs_open(struct fabric **out, const struct fabric_config *config, struct vfiomig_error *err)
{
	struct verbs_fabric *fabric;
	int rc;

	*out = NULL;
	if (config->rails)
		return verbs_rails_open(out, config, err);
	fabric = calloc(1, sizeof(*fabric));
	if (!fabric)
		return error_set(err, VFIOMIG_INTERNAL, ENOMEM, NULL, "no memory for a fabric");
	fabric->fabric.ops = &verbs_fabric_ops;
	fabric->config = *config;
	rc = verbs_cm_open(&fabric->events);
	if (rc)
		error_set(err, VFIOMIG_FABRIC, -rc, "rdma-cm", "cannot use rdma_cm: %s", strerror(-rc));
	if (!rc)
		rc = config->route.role == VFIOMIG_SOURCE ? verbs_connect_find(fabric, err)
							  : verbs_connect_listen(fabric, err);
	if (!rc)
		rc = open_on_device(fabric, err);
	if (rc) {
		verbs_close(&fabric->fabric);
		return rc;
	}
	*out = &fabric->fabric;
	return 0;
}

static void verbs_describe(struct fabric *base, struct fabric_memory *memory)
{
	const struct verbs_shared *shared = &verbs_fabric_of(base)->shared;

	*memory = (struct fabric_memory){ .base = (uintptr_t)shared->arena->base,
					  .rkey = { shared->device.mr ? shared->device.mr->rkey : 0 } };
}

static int verbs_establish(struct fabric *base, const struct fabric_memory *peer, struct vfiomig_error *err)
{
	return verbs_connect_establish(verbs_fabric_of(base), peer, err);
}

static int verbs_post(struct fabric *base, unsigned lane, const struct fabric_packet *packet)
{
	return verbs_lane_post(&verbs_fabric_of(base)->lanes[lane], packet);
}

static int verbs_send(struct fabric *base, unsigned lane, uint32_t immediate)
{
	return verbs_lane_send(&verbs_fabric_of(base)->lanes[lane], immediate);
}

static unsigned verbs_poll(struct fabric *base, uint64_t now_ns, struct fabric_event *events, unsigned max)
{
	struct verbs_fabric *fabric = verbs_fabric_of(base);
	unsigned lanes = fabric->config.lanes, told = 0;

	if (now_ns >= fabric->look_ns) {
		verbs_watch(fabric);
		fabric->look_ns = now_ns + LOOK_EVERY_NS;
	}
	for (unsigned i = 0; i < lanes; i++)
		told += verbs_lane_poll(&fabric->lanes[(fabric->turn + i) % lanes], now_ns, events + told, max - told);
	fabric->turn = (fabric->turn + 1) % lanes;
	return told;
}

static int verbs_pollfds(struct fabric *base, struct pollfd *fds, unsigned max)
{
	struct verbs_fabric *fabric = verbs_fabric_of(base);
	const struct verbs_device *device = &fabric->shared.device;
	int count = 0;

	(void)max; /* FABRIC_POLLFDS_MAX, and we are content with three */
	fabric->look_ns = 0;
	for (unsigned i = 0; i < fabric->config.lanes; i++)
		if (verbs_lane_arm(&fabric->lanes[i]))
			return -EAGAIN;
	fds[count++] = (struct pollfd){ .fd = fabric->events->fd, .events = POLLIN };
	if (device->channel)
		fds[count++] = (struct pollfd){ .fd = device->channel->fd, .events = POLLIN };
	if (device->context)
		fds[count++] = (struct pollfd){ .fd = device->context->async_fd, .events = POLLIN };
	return count;
}

static uint64_t verbs_deadline_ns(struct fabric *base)
{
	struct verbs_fabric *fabric = verbs_fabric_of(base);
	uint64_t earliest_ns = UINT64_MAX;

	for (unsigned i = 0; i < fabric->config.lanes; i++) {
		uint64_t deadline_ns = verbs_lane_deadline_ns(&fabric->lanes[i]);

		earliest_ns = deadline_ns < earliest_ns ? deadline_ns : earliest_ns;
	}
	return earliest_ns;
}

static void verbs_lose(struct fabric *base, unsigned lane)
{
	verbs_lane_lose(&verbs_fabric_of(base)->lanes[lane]);
}

static void verbs_fence(struct fabric *base, unsigned lane)
{
	verbs_lane_fence(&verbs_fabric_of(base)->lanes[lane]);
}

static void verbs_release(struct fabric *base)
{
	struct verbs_fabric *fabric = verbs_fabric_of(base);
	struct verbs_device *device = &fabric->shared.device;

	if (!device->mr || fabric->config.route.role == VFIOMIG_SOURCE)
		return;
	if (ibv_dereg_mr(device->mr)) {
		/* A device that does not let the registration go loses what could write through it. */
		for (unsigned i = 0; i < fabric->config.lanes; i++)
			verbs_lane_close(&fabric->lanes[i]);
		ibv_dereg_mr(device->mr);
	}
	device->mr = NULL;
}

static const struct vfiomig_error *verbs_error(struct fabric *base, unsigned lane)
{
	return &verbs_fabric_of(base)->lanes[lane].error;
}

const struct fabric_ops verbs_fabric_ops = {
	.name = "rdma",
	.probe = verbs_probe,
	.open = verbs_open,
	.describe = verbs_describe,
	.establish = verbs_establish,
	.post = verbs_post,
	.send = verbs_send,
	.poll = verbs_poll,
	.pollfds = verbs_pollfds,
	.deadline_ns = verbs_deadline_ns,
	.lose = verbs_lose,
	.fence = verbs_fence,
	.release = verbs_release,
	.error = verbs_error,
	.close = verbs_close,
};
