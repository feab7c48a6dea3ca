/* SPDX-License-Identifier: MIT */
/*
 * Several RDMA paths as one fabric: each rail is a fabric of its own, with its own device, registration, events and listener, so that what
 * happens to one (a removed device, a broken queue) cannot touch another. Lane l is the (l / rails)-th of rail l % rails, and keeps its
 * number everywhere but in the rail's own array. Two rails may lie on one device: it registers the arena twice then.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "transport/verbs_fabric.h"

struct verbs_rails {
	struct fabric fabric;
	unsigned rails, lanes, turn; /* turn: the rail that poll serves first */
	struct fabric *rail[VFIOMIG_RAILS_MAX];
};

static struct verbs_rails *rails_of(struct fabric *fabric)
{
	return (struct verbs_rails *)fabric;
}

static struct fabric *rail_of(struct fabric *fabric, unsigned lane)
{
	struct verbs_rails *rails = rails_of(fabric);

	return rails->rail[lane % rails->rails];
}

static unsigned lane_on_rail(struct fabric *fabric, unsigned lane)
{
	return lane / rails_of(fabric)->rails;
}

static void rails_close(struct fabric *fabric)
{
	struct verbs_rails *rails = rails_of(fabric);

	if (!rails)
		return;
	for (unsigned i = 0; i < rails->rails; i++)
		if (rails->rail[i])
			rails->rail[i]->ops->close(rails->rail[i]);
	free(rails);
}

static void rails_describe(struct fabric *fabric, struct fabric_memory *memory)
{
	struct verbs_rails *rails = rails_of(fabric);

	*memory = (struct fabric_memory){ 0 };
	for (unsigned i = 0; i < rails->rails; i++) {
		struct fabric_memory one;

		rails->rail[i]->ops->describe(rails->rail[i], &one);
		memory->base = one.base; /* the same arena on all of them */
		memory->rkey[i] = one.rkey[0];
	}
}

/* One rail after the other, on both sides in the same order. */
static int rails_establish(struct fabric *fabric, const struct fabric_memory *peer, struct vfiomig_error *err)
{
	struct verbs_rails *rails = rails_of(fabric);
	int rc = 0;

	for (unsigned i = 0; i < rails->rails && !rc; i++) {
		struct fabric_memory one = { 0 };

		if (peer)
			one = (struct fabric_memory){ .base = peer->base, .rkey = { peer->rkey[i] } };
		rc = rails->rail[i]->ops->establish(rails->rail[i], peer ? &one : NULL, err);
		atomic_fetch_add(&fabric->refused, atomic_exchange(&rails->rail[i]->refused, 0));
		if (rc)
			error_prefix(err, "rail %u: ", i);
	}
	return rc;
}

static int rails_post(struct fabric *fabric, unsigned lane, const struct fabric_packet *packet)
{
	struct fabric *rail = rail_of(fabric, lane);

	return rail->ops->post(rail, lane_on_rail(fabric, lane), packet);
}

static int rails_send(struct fabric *fabric, unsigned lane, uint32_t immediate)
{
	struct fabric *rail = rail_of(fabric, lane);

	return rail->ops->send(rail, lane_on_rail(fabric, lane), immediate);
}

static unsigned rails_poll(struct fabric *fabric, uint64_t now_ns, struct fabric_event *events, unsigned max)
{
	struct verbs_rails *rails = rails_of(fabric);
	unsigned told = 0;

	for (unsigned i = 0; i < rails->rails; i++) {
		struct fabric *rail = rails->rail[(rails->turn + i) % rails->rails];

		told += rail->ops->poll(rail, now_ns, events + told, max - told);
	}
	rails->turn = (rails->turn + 1) % rails->rails;
	return told;
}

static int rails_pollfds(struct fabric *fabric, struct pollfd *fds, unsigned max)
{
	struct verbs_rails *rails = rails_of(fabric);
	unsigned count = 0;

	for (unsigned i = 0; i < rails->rails; i++) {
		int more = rails->rail[i]->ops->pollfds(rails->rail[i], fds + count, max - count);

		if (more < 0)
			return more;
		count += (unsigned)more;
	}
	return (int)count;
}

static uint64_t rails_deadline_ns(struct fabric *fabric)
{
	struct verbs_rails *rails = rails_of(fabric);
	uint64_t earliest_ns = UINT64_MAX;

	for (unsigned i = 0; i < rails->rails; i++) {
		uint64_t deadline_ns = rails->rail[i]->ops->deadline_ns(rails->rail[i]);

		earliest_ns = deadline_ns < earliest_ns ? deadline_ns : earliest_ns;
	}
	return earliest_ns;
}

static void rails_lose(struct fabric *fabric, unsigned lane)
{
	struct fabric *rail = rail_of(fabric, lane);

	rail->ops->lose(rail, lane_on_rail(fabric, lane));
}

static void rails_fence(struct fabric *fabric, unsigned lane)
{
	struct fabric *rail = rail_of(fabric, lane);

	rail->ops->fence(rail, lane_on_rail(fabric, lane));
}

static void rails_release(struct fabric *fabric)
{
	struct verbs_rails *rails = rails_of(fabric);

	for (unsigned i = 0; i < rails->rails; i++)
		rails->rail[i]->ops->release(rails->rail[i]);
}

static const struct vfiomig_error *rails_error(struct fabric *fabric, unsigned lane)
{
	struct fabric *rail = rail_of(fabric, lane);

	return rail->ops->error(rail, lane_on_rail(fabric, lane));
}

static const struct fabric_ops rails_ops = {
	.name = "rdma",
	.probe = verbs_probe,
	.open = verbs_rails_open,
	.describe = rails_describe,
	.establish = rails_establish,
	.post = rails_post,
	.send = rails_send,
	.poll = rails_poll,
	.pollfds = rails_pollfds,
	.deadline_ns = rails_deadline_ns,
	.lose = rails_lose,
	.fence = rails_fence,
	.release = rails_release,
	.error = rails_error,
	.close = rails_close,
};

int verbs_rails_open(struct fabric **out, const struct fabric_config *config, struct vfiomig_error *err)
{
	struct verbs_rails *rails = calloc(1, sizeof(*rails));
	int rc = 0;

	*out = NULL;
	if (!rails)
		return error_set(err, VFIOMIG_INTERNAL, ENOMEM, NULL, "no memory for %u rails", config->rails);
	rails->fabric.ops = &rails_ops;
	rails->lanes = config->lanes;
	/* A rail that no lane would be on is none. */
	rails->rails = config->rails < config->lanes ? config->rails : config->lanes;
	for (unsigned i = 0; i < rails->rails && !rc; i++) {
		struct fabric_config one = *config;

		one.route = fabric_lane_route(config, i);
		one.rails = 0;
		one.lane_first = i;
		one.lane_step = rails->rails;
		one.lanes = (config->lanes - i + rails->rails - 1) / rails->rails;
		rc = verbs_fabric_ops.open(&rails->rail[i], &one, err);
		if (rc)
			error_prefix(err, "rail %u: ", i);
	}
	if (rc) {
		rails_close(&rails->fabric);
		return rc;
	}
	*out = &rails->fabric;
	return 0;
}
