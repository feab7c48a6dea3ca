/* SPDX-License-Identifier: MIT */
/*
 * What one fabric owns on its RDMA device: protection domain, the one registration of the arena, a completion channel,
 * and the sizes of its queues, which follow from the arena's shape and the device's limits.
 */
#ifndef TRANSPORT_VERBS_DEVICE_H
#define TRANSPORT_VERBS_DEVICE_H

#include <infiniband/verbs.h>
#include <stdbool.h>
#include <stdint.h>

#include <vfiomig/error.h>

#include "slot/arena.h"

enum {
	VERBS_FRAGMENT_BYTES = 256 << 10, /* one QP is fastest with 128 to 256 KiB messages */
	VERBS_FRAGMENTS_PER_SIGN = 16,	  /* a completion after so many, so that a slow lane differs from a dead one */
	VERBS_PACKETS_MAX = 2,		  /* outstanding per lane */
	VERBS_SENDS_MAX = 1024,		  /* of a send queue: what the largest slots in fragments need, and room */
	VERBS_RECEIVES_SPARE = 4,	  /* token, control, and room */
};

/* Sizes of every lane's queues. */
struct verbs_plan {
	unsigned receives;
	unsigned sends;
	unsigned chain_max; /* work requests of one packet: its fragments and the header */
	uint32_t fragment_bytes;
};

struct verbs_device {
	/*
	 * Our own: librdmacm's is shared by the whole process, and whoever reads its async events takes those of others. What a
	 * queue pair has to say is told on the context that it was made on, so everything of ours lives on this one.
	 */
	struct ibv_context *context;
	struct ibv_pd *pd; /* our own too: librdmacm's default one would let other sessions' QPs reach our MR */
	struct ibv_mr *mr;
	struct ibv_comp_channel *channel; /* non-blocking, of all lanes */
};

/* Pure. -E2BIG: the device cannot hold so many receives (the session asked for more than probe's receives_max). */
int verbs_plan_make(struct verbs_plan *plan, const struct arena_shape *shape, const struct ibv_device_attr *attr);

/* Receives that every lane may have outstanding on a device with these limits. */
unsigned verbs_receives_max(const struct ibv_device_attr *attr);

/* NULL if we can use it, or the sentence that says why not, written into @why. */
const char *verbs_device_refusal(const struct ibv_device *device, char *why, size_t why_bytes);

/* -1: unknown. */
int verbs_device_numa_node(const struct ibv_device *device);

/*
 * Open what a fabric needs on the device of @found (librdmacm's context, which stays its own) and register @arena, for remote writes or for local reads only. On failure nothing
 * is left. Errors as of fabric_ops.open.
 */
int verbs_device_open(struct verbs_device *device, struct ibv_context *found, const struct arena *arena,
		      bool remote_write, struct vfiomig_error *err);

/* After all lanes are closed. Half-open is fine, twice too. */
void verbs_device_close(struct verbs_device *device);

#endif
