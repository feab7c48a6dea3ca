/* SPDX-License-Identifier: MIT */
/* The fabric of RC queue pairs, as its parts see it: owned and called by the session's fabric thread. */
#ifndef TRANSPORT_VERBS_FABRIC_H
#define TRANSPORT_VERBS_FABRIC_H

#include "transport/fabric.h"
#include "transport/verbs_cm.h"
#include "transport/verbs_device.h"
#include "transport/verbs_lane.h"

struct verbs_fabric {
	struct fabric fabric;
	struct fabric_config config;
	struct verbs_shared shared;
	struct rdma_event_channel *events;
	struct rdma_cm_id *listener; /* until all lanes are up; source: what will be lane 0's, until open is done */
	struct verbs_lane *lanes;    /* config.lanes of them */
	unsigned turn;		     /* the lane that poll serves first */
	uint64_t look_ns;	     /* when poll looks after its descriptors again; 0: at once */
};

static inline struct verbs_fabric *verbs_fabric_of(struct fabric *fabric)
{
	return (struct verbs_fabric *)fabric;
}

/* What the @i-th lane of this fabric is called, in hellos, events and sentences. */
static inline unsigned verbs_lane_number(const struct fabric_config *config, unsigned i)
{
	return config->lane_first + i * (config->lane_step ? config->lane_step : 1);
}

/* verbs_rails.c: a fabric of one such fabric per rail; config->rails is at least 1. As of fabric_ops.open. */
int verbs_rails_open(struct fabric **out, const struct fabric_config *config, struct vfiomig_error *err);

int verbs_probe(const struct fabric_route *route, struct fabric_limits *limits);

/* Source: lane 0's id, resolved, which finds the device. 0 or as of fabric_ops.open. */
int verbs_connect_find(struct verbs_fabric *fabric, struct vfiomig_error *err);

/* Destination: listen, which finds the device. 0 or as of fabric_ops.open. */
int verbs_connect_listen(struct verbs_fabric *fabric, struct vfiomig_error *err);

/* As of fabric_ops.establish. */
int verbs_connect_establish(struct verbs_fabric *fabric, const struct fabric_memory *peer, struct vfiomig_error *err);

/* Encoded as in the InfiniBand specification, 4.096 us x 2^n: such that all retries are over in half of @timeout_ms. */
uint8_t verbs_ack_timeout(unsigned timeout_ms);

/* Look after the descriptors that are not completion queues: disconnects, removal, bad news of device and port. */
void verbs_watch(struct verbs_fabric *fabric);

/* Only the device's part of that: queues, ports, the device itself. */
void verbs_watch_device(struct verbs_fabric *fabric);

/* rdma_cm says that the device is removed, on whatever id: end all lanes and let go of it. */
void verbs_watch_removed(struct verbs_fabric *fabric);

/* Let go of all that lives on the device: `rdma link delete` waits for that. Lanes that have not told DEAD still will. */
void verbs_fabric_let_go(struct verbs_fabric *fabric);

#endif
