/* SPDX-License-Identifier: MIT */
/*
 * What both sides agree on before anything is stopped: the smaller of both sides' memory, the transport, the gates, and
 * which device of the source goes into which of the destination. Pure: no I/O.
 */
#ifndef CORE_PLAN_H
#define CORE_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include <vfiomig/session.h>

#include "device/device.h"
#include "wire/message.h"

/* What one side brings along. */
struct plan_side {
	enum vfiomig_gate gate;
	unsigned lanes; /* source */
	uint32_t slots;
	uint64_t slot_bytes;
	uint64_t queued_bytes_max;	  /* of all devices' slots together; 0: as many as they are */
	enum vfiomig_integrity integrity; /* source */
	enum vfiomig_payload payload;
	bool keyed;		    /* the control connection is TLS: there is a key to seal with */
	uint8_t transports;	    /* bit (1 << enum vfiomig_transport) */
	unsigned receives_max;	    /* per lane, what the RDMA device bears */
	char transport_reason[160]; /* why RDMA can or cannot be used here */
	enum message_arch arch;
	bool no_platform;
	bool external_commit;
	unsigned devices;
	struct vfiomig_device *const *device;
};

struct plan {
	unsigned devices, lanes;
	uint32_t slots;
	uint64_t slot_bytes;
	enum vfiomig_integrity integrity;
	enum vfiomig_payload payload; /* never AUTO */
	enum vfiomig_transport transport;
	char reason[160];
	uint64_t gated;			     /* bit per device of the source */
	unsigned local[VFIOMIG_DEVICES_MAX]; /* destination: which of its devices takes the source's number i */
};

enum message_arch plan_arch(void);

/* What VFIOMIG_GATE_AUTO means on this machine: on for ARM64. */
bool plan_gate_default(void);

/*
 * Before a connection is made: does what was asked for hold together on this side? -EINVAL, -ENOTSUP (both
 * VFIOMIG_PREFLIGHT): two or more devices and one without P2P; two devices of one name; a device without STOP_COPY; a VMM's
 * device with the gate on and no way to drive it; not even two of the smallest slots per device fit into queued_bytes_max
 * (-ENOSPC, "queued-bytes").
 */
int plan_check_side(const struct plan_side *side, struct vfiomig_error *err);

/* The source's offer, and device @d's manifest. */
void plan_offer(const struct plan_side *side, struct message_offer *offer);
void plan_device(const struct plan_side *side, unsigned d, struct message_device *message);

/*
 * Destination: take the offer and the source's devices, and decide. 0, or a negative errno with VFIOMIG_PREFLIGHT:
 * "more-devices", "fewer-devices", "no-such-device", "manifest-mismatch", "gate-conflict", "payload-conflict", "commit-conflict",
 * "no-common-transport", "slots".
 */
int plan_agree(struct plan *plan, const struct plan_side *side, const struct message_offer *offer,
	       const struct message_device *devices, struct vfiomig_error *err);

/*
 * The answer to the source, and the source's view of it. -EPROTO (VFIOMIG_PROTOCOL): more than was offered; -ENOTSUP
 * (VFIOMIG_PREFLIGHT): a gate that nobody at the source could open.
 */
void plan_answer(const struct plan *plan, struct message_agreed *agreed);
int plan_accept(struct plan *plan, const struct plan_side *side, const struct message_agreed *agreed,
		struct vfiomig_error *err);

/* plan_bounds.c, for plan.c. */
int plan_check_queued(const struct plan_side *side, struct vfiomig_error *err);
void plan_bound_memory(const struct plan_side *side, uint32_t *slots, uint64_t *slot_bytes);
uint32_t plan_bearable_slots(const struct plan_side *side, unsigned devices);

#endif
