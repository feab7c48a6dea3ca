/* SPDX-License-Identifier: MIT */
/* What the tests of the verbs fabric stand on: a fabric over the fake device, with or without its lanes up. */
#ifndef TESTS_UNIT_TRANSPORT_VERBS_RIG_H
#define TESTS_UNIT_TRANSPORT_VERBS_RIG_H

#include <arpa/inet.h>
#include <string.h>

#include "slot/arena.h"
#include "transport/fabric.h"
#include "transport_verbs_fake.h"
#include "wire/immediate.h"

enum { VRIG_DEVICES = 2, VRIG_SLOTS = 4, VRIG_SLOT_BYTES = 5 << 20, VRIG_TIMEOUT_MS = 5000, VRIG_RECEIVES = 12 };

struct vrig {
	struct arena arena;
	struct fabric_config config;
	struct fabric_memory peer;
	struct fabric *fabric;
	struct vfiomig_error err;
};

static const struct fabric_ops *const ops = &verbs_fabric_ops;

static inline void vrig_address(struct sockaddr_storage *out, const char *text)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(7777) };

	inet_pton(AF_INET, text, &address.sin_addr);
	memset(out, 0, sizeof(*out));
	memcpy(out, &address, sizeof(address));
}

/* The book, the script and a config; no fabric yet. The arena's memory is never touched by the fake. */
static inline void vrig_init(struct vrig *rig, enum vfiomig_role role, unsigned lanes)
{
	fake_reset();
	*rig = (struct vrig){ .peer = { .base = UINT64_C(0x700000000000), .rkey = { 99 } } };
	rig->arena.shape =
		(struct arena_shape){ .devices = VRIG_DEVICES, .slots = VRIG_SLOTS, .slot_bytes = VRIG_SLOT_BYTES };
	rig->arena.base = (uint8_t *)0x10000;
	rig->arena.bytes = arena_bytes(&rig->arena.shape);
	rig->config.arena = &rig->arena;
	rig->config.lanes = lanes;
	memset(rig->config.session, 0x5a, sizeof(rig->config.session));
	rig->config.route = (struct fabric_route){ .role = role, .timeout_ms = VRIG_TIMEOUT_MS, .cancel_fd = -1 };
	vrig_address(role == VFIOMIG_SOURCE ? &rig->config.route.peer : &rig->config.route.local, "10.9.1.2");
}

/* Destination: let @lane of @session knock. */
static inline void vrig_knock(unsigned lane, uint8_t session)
{
	struct hello *hello = &fake.requests[fake.request_count++];

	*hello = (struct hello){ .version = WIRE_VERSION, .lane = (uint16_t)lane };
	memset(hello->session, session, sizeof(hello->session));
}

/* Open and establish as far as it goes. */
static inline int vrig_up(struct vrig *rig)
{
	int rc = ops->open(&rig->fabric, &rig->config, &rig->err);

	return rc ? rc
		  : rig->fabric->ops->establish(
			    rig->fabric, rig->config.route.role == VFIOMIG_SOURCE ? &rig->peer : NULL, &rig->err);
}

static inline void vrig_source(struct vrig *rig, unsigned lanes)
{
	vrig_init(rig, VFIOMIG_SOURCE, lanes);
	cr_assert_eq(vrig_up(rig), 0, "%s", rig->err.text);
}

static inline void vrig_destination(struct vrig *rig, unsigned lanes)
{
	vrig_init(rig, VFIOMIG_DESTINATION, lanes);
	for (unsigned lane = 0; lane < lanes; lane++)
		vrig_knock(lane, 0x5a);
	cr_assert_eq(vrig_up(rig), 0, "%s", rig->err.text);
}

/* Close, after which nothing may live. */
static inline void vrig_close(struct vrig *rig)
{
	ops->close(rig->fabric);
	cr_assert_eq(fake_living(), 0, "%d objects outlive the fabric", fake_living());
}

static inline struct fabric_packet vrig_packet(unsigned device, unsigned slot, uint32_t bytes, uint64_t cookie)
{
	return (struct fabric_packet){ .immediate = immediate_make(IMMEDIATE_DATA, device, slot),
				       .device = device,
				       .slot = slot,
				       .bytes = bytes,
				       .cookie = cookie };
}

#endif
