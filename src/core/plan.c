/* SPDX-License-Identifier: MIT */
#include "core/plan.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"

enum message_arch plan_arch(void)
{
#if defined(__x86_64__)
	return ARCH_X86_64;
#elif defined(__aarch64__)
	return ARCH_AARCH64;
#else
	return ARCH_OTHER;
#endif
}

bool plan_gate_default(void)
{
	return plan_arch() == ARCH_AARCH64;
}

static bool has(const struct vfiomig_device *device, uint32_t flag)
{
	return device->info.migration_flags & flag;
}

static int check_device(const struct plan_side *side, unsigned d, struct vfiomig_error *err)
{
	const struct vfiomig_device *device = side->device[d];

	if (!has(device, VFIOMIG_MIGRATION_STOP_COPY))
		return error_set(err, VFIOMIG_PREFLIGHT, ENOTSUP, "no-migration",
				 "device '%s' (driver %s) cannot migrate: it does not offer STOP_COPY", device->spec,
				 device->info.driver);
	if (side->devices > 1 && !has(device, VFIOMIG_MIGRATION_P2P))
		return error_set(
			err, VFIOMIG_PREFLIGHT, ENOTSUP, "no-p2p",
			"device '%s' has no P2P state: it can migrate alone, but not together with others, which "
			"could still write to it while it is saved",
			device->spec);
	for (unsigned i = 0; i < d; i++)
		if (device->name[0] && strcmp(device->name, side->device[i]->name) == 0)
			return error_set(err, VFIOMIG_USAGE, EINVAL, "same-name", "two devices have the name '%s'",
					 device->name);
	return 0;
}

/* Nobody can say "my platform is ready" for a VMM's device in a session without a VMM. */
static int check_gate_driver(const struct plan_side *side, unsigned d, struct vfiomig_error *err)
{
	const struct vfiomig_device *device = side->device[d];
	enum vfiomig_gate gate = device->gate == VFIOMIG_GATE_AUTO ? side->gate : device->gate;

	if (!side->no_platform || !device->owned_by_vmm)
		return 0;
	if (gate == VFIOMIG_GATE_ON || (gate == VFIOMIG_GATE_AUTO && plan_gate_default()))
		return error_set(err, VFIOMIG_PREFLIGHT, ENOTSUP, "gate-undriven",
				 "device '%s' is a VMM's and its gate is on, but nothing here can say when the VMM's "
				 "platform is ready; use --config-after-iter off or gate=off",
				 device->spec);
	return 0;
}

int plan_check_side(const struct plan_side *side, struct vfiomig_error *err)
{
	for (unsigned d = 0; d < side->devices; d++) {
		int rc = check_device(side, d, err);

		rc = rc ? rc : check_gate_driver(side, d, err);
		if (rc)
			return rc;
	}
	return plan_check_queued(side, err);
}

void plan_offer(const struct plan_side *side, struct message_offer *offer)
{
	const uint8_t rdma_bit = 1U << VFIOMIG_TRANSPORT_RDMA;
	uint32_t bearable = plan_bearable_slots(side, side->devices);
	/* A device that bears too few receives for all these devices is as good as none. */
	bool rdma = side->transports & rdma_bit && bearable >= VFIOMIG_SLOTS_MIN;

	*offer =
		(struct message_offer){ .devices = (uint16_t)side->devices,
					.lanes = (uint16_t)side->lanes,
					.slots = rdma && bearable < side->slots ? bearable : side->slots,
					.slot_bytes = side->slot_bytes,
					.gate = (uint8_t)side->gate,
					.integrity = (uint8_t)side->integrity,
					.transports = rdma ? side->transports : (uint8_t)(side->transports & ~rdma_bit),
					.arch = (uint8_t)side->arch,
					.gate_default = plan_gate_default(),
					.payload = (uint8_t)side->payload,
					.external_commit = side->external_commit };
	plan_bound_memory(side, &offer->slots, &offer->slot_bytes);
}

void plan_device(const struct plan_side *side, unsigned d, struct message_device *message)
{
	const struct vfiomig_device *device = side->device[d];

	*message =
		(struct message_device){ .number = (uint16_t)d, .gate = (uint8_t)device->gate, .info = device->info };
	memcpy(message->name, device->name, sizeof(message->name));
}

void plan_answer(const struct plan *plan, struct message_agreed *agreed)
{
	*agreed = (struct message_agreed){ .lanes = (uint16_t)plan->lanes,
					   .slots = plan->slots,
					   .slot_bytes = plan->slot_bytes,
					   .transport = (uint8_t)plan->transport,
					   .gated = plan->gated,
					   .sealed = plan->payload == VFIOMIG_PAYLOAD_AEAD };
	memcpy(agreed->reason, plan->reason, sizeof(agreed->reason));
}

/* Never less than was asked for, and never what has no key. */
static bool payload_fits(const struct plan_side *side, bool sealed)
{
	if (sealed && !side->keyed)
		return false;
	return side->payload != (sealed ? VFIOMIG_PAYLOAD_CLEAR : VFIOMIG_PAYLOAD_AEAD);
}

int plan_accept(struct plan *plan, const struct plan_side *side, const struct message_agreed *agreed,
		struct vfiomig_error *err)
{
	struct message_offer offer;

	plan_offer(side, &offer);
	if (agreed->lanes != offer.lanes || agreed->slots > offer.slots || agreed->slots < VFIOMIG_SLOTS_MIN ||
	    agreed->slot_bytes > offer.slot_bytes || agreed->slot_bytes < VFIOMIG_SLOT_BYTES_MIN ||
	    !(offer.transports & 1U << agreed->transport) || !payload_fits(side, agreed->sealed) ||
	    (side->devices < 64 && agreed->gated >> side->devices))
		return error_set(err, VFIOMIG_PROTOCOL, EPROTO, "agreed-beyond-offer",
				 "the destination agreed to something that was not offered");
	for (unsigned d = 0; d < side->devices; d++)
		if (agreed->gated >> d & 1 && side->no_platform && side->device[d]->owned_by_vmm)
			return error_set(err, VFIOMIG_PREFLIGHT, ENOTSUP, "gate-undriven",
					 "the destination wants the gate on, but the source's device '%s' is a VMM's "
					 "and nothing there can say when the VMM's own state is out",
					 side->device[d]->spec);
	*plan = (struct plan){ .devices = side->devices,
			       .lanes = side->lanes,
			       .slots = agreed->slots,
			       .slot_bytes = agreed->slot_bytes,
			       .integrity = side->integrity,
			       .payload = agreed->sealed ? VFIOMIG_PAYLOAD_AEAD : VFIOMIG_PAYLOAD_CLEAR,
			       .transport = (enum vfiomig_transport)agreed->transport,
			       .gated = agreed->gated };
	memcpy(plan->reason, agreed->reason, sizeof(plan->reason));
	return 0;
}

static const char *gate_word(uint8_t gate)
{
	return gate == VFIOMIG_GATE_ON ? "on" : "off";
}

/* Explicit words win over auto, must not contradict each other, and one "on" is enough. */
static int agree_gate(struct plan *plan, const struct plan_side *side, const struct message_offer *offer,
		      const struct message_device *device, struct vfiomig_error *err)
{
	const struct vfiomig_device *local = side->device[plan->local[device->number]];
	uint8_t theirs = device->gate != VFIOMIG_GATE_AUTO ? device->gate : offer->gate;
	uint8_t ours = local->gate != VFIOMIG_GATE_AUTO ? (uint8_t)local->gate : (uint8_t)side->gate;
	bool on;

	if (theirs != VFIOMIG_GATE_AUTO && ours != VFIOMIG_GATE_AUTO && theirs != ours)
		return error_set(err, VFIOMIG_PREFLIGHT, EINVAL, "gate-conflict",
				 "device %u: the source wants config-after-iter %s, the destination %s", device->number,
				 gate_word(theirs), gate_word(ours));
	if (theirs == VFIOMIG_GATE_AUTO && ours == VFIOMIG_GATE_AUTO)
		on = offer->gate_default || plan_gate_default();
	else
		on = theirs == VFIOMIG_GATE_ON || ours == VFIOMIG_GATE_ON;
	if (on && side->no_platform && local->owned_by_vmm)
		return error_set(
			err, VFIOMIG_PREFLIGHT, ENOTSUP, "gate-undriven",
			"the source wants the gate on, but the destination's device '%s' is a VMM's and nothing "
			"there can say when the VMM's platform is ready",
			local->spec);
	if (on)
		plan->gated |= UINT64_C(1) << device->number;
	return 0;
}

static int mismatch(struct vfiomig_error *err, const struct message_device *device, const struct vfiomig_device *local,
		    const char *what, const char *theirs, const char *ours)
{
	return error_set(err, VFIOMIG_PREFLIGHT, EINVAL, "manifest-mismatch",
			 "the source's device %u%s%s does not fit the destination's '%s': %s is %s there and %s here",
			 device->number, device->name[0] ? " " : "", device->name, local->spec, what,
			 theirs[0] ? theirs : "unknown", ours[0] ? ours : "unknown");
}

static int mismatch_hex(struct vfiomig_error *err, const struct message_device *device,
			const struct vfiomig_device *local, const char *what, uint32_t theirs, uint32_t ours)
{
	char a[16], b[16];

	snprintf(a, sizeof(a), "0x%x", theirs);
	snprintf(b, sizeof(b), "0x%x", ours);
	return mismatch(err, device, local, what, a, b);
}

static int compare(const struct message_device *device, const struct vfiomig_device *local, struct vfiomig_error *err)
{
	const struct vfiomig_device_info *a = &device->info, *b = &local->info;
	const struct {
		const char *what;
		uint32_t theirs, ours;
	} numbers[] = {
		{ "PCI vendor", a->vendor, b->vendor },
		{ "PCI device id", a->device, b->device },
		{ "PCI subsystem vendor", a->subsystem_vendor, b->subsystem_vendor },
		{ "PCI subsystem id", a->subsystem_device, b->subsystem_device },
		{ "migration feature set", a->migration_flags, b->migration_flags },
		{ "config space size", a->config_bytes, b->config_bytes },
	};

	if (strcmp(a->driver, b->driver) != 0)
		return mismatch(err, device, local, "the driver", a->driver, b->driver);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (numbers[i].theirs != numbers[i].ours)
			return mismatch_hex(err, device, local, numbers[i].what, numbers[i].theirs, numbers[i].ours);
	if (a->firmware[0] && b->firmware[0] && strcmp(a->firmware, b->firmware) != 0)
		return mismatch(err, device, local, "the firmware", a->firmware, b->firmware);
	if (a->psid[0] && b->psid[0] && strcmp(a->psid, b->psid) != 0)
		return mismatch(err, device, local, "the PSID", a->psid, b->psid);
	return 0;
}

/* A named device goes into its namesake; the others go in order into those that nobody named. */
static int match(struct plan *plan, const struct plan_side *side, const struct message_device *devices,
		 struct vfiomig_error *err)
{
	uint64_t taken = 0;

	for (unsigned i = 0; i < plan->devices; i++) {
		unsigned local = 0;

		for (unsigned other = 0; other < i; other++)
			if (devices[i].name[0] && strcmp(devices[i].name, devices[other].name) == 0)
				return error_set(err, VFIOMIG_PREFLIGHT, EINVAL, "same-name",
						 "the source has two devices of the name '%s'", devices[i].name);
		while (local < side->devices && strcmp(devices[i].name, side->device[local]->name) != 0)
			local++;
		if (devices[i].name[0] && local < side->devices) {
			plan->local[i] = local;
			taken |= UINT64_C(1) << local;
		} else {
			plan->local[i] = UINT32_MAX;
		}
	}
	for (unsigned i = 0; i < plan->devices; i++) {
		unsigned local = 0;

		if (plan->local[i] != UINT32_MAX)
			continue;
		while (local < side->devices &&
		       (taken >> local & 1 || (devices[i].name[0] && side->device[local]->name[0])))
			local++;
		if (local == side->devices)
			return error_set(err, VFIOMIG_PREFLIGHT, ENODEV, "no-such-device",
					 "the destination has no device for the source's device %u%s%s", i,
					 devices[i].name[0] ? " named " : "", devices[i].name);
		plan->local[i] = local;
		taken |= UINT64_C(1) << local;
	}
	return 0;
}

static int agree_transport(struct plan *plan, const struct plan_side *side, const struct message_offer *offer,
			   struct vfiomig_error *err)
{
	uint8_t both = side->transports & offer->transports;

	if (both & 1U << VFIOMIG_TRANSPORT_RDMA)
		plan->transport = VFIOMIG_TRANSPORT_RDMA;
	else if (both & 1U << VFIOMIG_TRANSPORT_TCP)
		plan->transport = VFIOMIG_TRANSPORT_TCP;
	else
		return error_set(err, VFIOMIG_PREFLIGHT, EPROTONOSUPPORT, "no-common-transport",
				 "source and destination have no transport in common (destination: %s)",
				 side->transport_reason);
	if (plan->transport == VFIOMIG_TRANSPORT_RDMA || !(offer->transports & 1U << VFIOMIG_TRANSPORT_RDMA))
		snprintf(plan->reason, sizeof(plan->reason), "%s",
			 plan->transport == VFIOMIG_TRANSPORT_RDMA ? side->transport_reason
								   : "the source offered no RDMA");
	else
		snprintf(plan->reason, sizeof(plan->reason), "destination: %.140s", side->transport_reason);
	return 0;
}

static int agree_memory(struct plan *plan, const struct plan_side *side, const struct message_offer *offer,
			struct vfiomig_error *err)
{
	plan->slots = offer->slots < side->slots ? offer->slots : side->slots;
	plan->slot_bytes = offer->slot_bytes < side->slot_bytes ? offer->slot_bytes : side->slot_bytes;
	plan_bound_memory(side, &plan->slots, &plan->slot_bytes);
	if (plan->transport == VFIOMIG_TRANSPORT_RDMA) {
		uint32_t bearable = plan_bearable_slots(side, plan->devices);

		if (plan->slots > bearable)
			plan->slots = bearable;
		if (plan->slots < VFIOMIG_SLOTS_MIN)
			return error_set(err, VFIOMIG_PREFLIGHT, ENOSPC, "slots",
					 "the RDMA device bears %u receives per queue pair, too few for %u devices",
					 side->receives_max, plan->devices);
	}
	return 0;
}

/* One side's wish is enough, unless the other has refused it in so many words. */
static int agree_payload(struct plan *plan, const struct plan_side *side, const struct message_offer *offer,
			 struct vfiomig_error *err)
{
	bool theirs = offer->payload == VFIOMIG_PAYLOAD_AEAD, ours = side->payload == VFIOMIG_PAYLOAD_AEAD;

	plan->payload = theirs || ours ? VFIOMIG_PAYLOAD_AEAD : VFIOMIG_PAYLOAD_CLEAR;
	if (!theirs && !ours)
		return 0;
	if (!side->keyed)
		return error_set(err, VFIOMIG_PREFLIGHT, EPROTO, "payload-conflict",
				 "the source wants its packets sealed, and without TLS there is no key to do it with");
	if ((theirs ? (uint8_t)side->payload : offer->payload) != VFIOMIG_PAYLOAD_CLEAR)
		return 0;
	return error_set(err, VFIOMIG_PREFLIGHT, EINVAL, "payload-conflict",
			 "the %s wants the packets sealed (payload aead), the %s wants them clear",
			 theirs ? "source" : "destination", theirs ? "destination" : "source");
}

/* A commit that one side leaves to its caller and the other awaits from its peer would never come. */
static int agree_commit(const struct plan_side *side, const struct message_offer *offer, struct vfiomig_error *err)
{
	if (offer->external_commit == side->external_commit)
		return 0;
	return error_set(err, VFIOMIG_PREFLIGHT, EINVAL, "commit-conflict",
			 "at the %s the program around the session commits the migration, at the %s the session does "
			 "(VFIOMIG_OWN_COMMIT): both sides have to leave it to the same",
			 offer->external_commit ? "source" : "destination",
			 offer->external_commit ? "destination" : "source");
}

int plan_agree(struct plan *plan, const struct plan_side *side, const struct message_offer *offer,
	       const struct message_device *devices, struct vfiomig_error *err)
{
	int rc;

	*plan = (struct plan){ .devices = offer->devices,
			       .lanes = offer->lanes,
			       .integrity = (enum vfiomig_integrity)offer->integrity };
	if (offer->devices > side->devices)
		return error_set(err, VFIOMIG_PREFLIGHT, E2BIG, "more-devices",
				 "the source has %u devices, the destination only %u", offer->devices, side->devices);
	if (offer->devices < side->devices)
		return error_set(
			err, VFIOMIG_PREFLIGHT, EINVAL, "fewer-devices",
			"the source has %u devices, the destination %u: one of them would run on nobody's state",
			offer->devices, side->devices);
	if (offer->arch != (uint8_t)side->arch)
		return error_set(err, VFIOMIG_PREFLIGHT, EINVAL, "manifest-mismatch",
				 "source and destination have different CPU architectures");
	rc = match(plan, side, devices, err);
	for (unsigned i = 0; i < plan->devices && !rc; i++) {
		rc = compare(&devices[i], side->device[plan->local[i]], err);
		rc = rc ? rc : agree_gate(plan, side, offer, &devices[i], err);
	}
	rc = rc ? rc : agree_commit(side, offer, err);
	rc = rc ? rc : agree_payload(plan, side, offer, err);
	rc = rc ? rc : agree_transport(plan, side, offer, err);
	return rc ? rc : agree_memory(plan, side, offer, err);
}
