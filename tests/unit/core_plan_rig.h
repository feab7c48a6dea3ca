/* SPDX-License-Identifier: MIT */
/* Two sides that are to agree: the destination is here, the source there and speaks through its messages. */
#ifndef UNIT_SESSION_PLAN_RIG_H
#define UNIT_SESSION_PLAN_RIG_H

#include <criterion/criterion.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/plan.h"

enum { DEVICES = 3, RDMA = 1 << VFIOMIG_TRANSPORT_RDMA, TCP = 1 << VFIOMIG_TRANSPORT_TCP };

struct end {
	struct plan_side side;
	struct vfiomig_device device[DEVICES];
	struct vfiomig_device *handle[DEVICES];
};

static struct end here, there; /* destination, source */
static struct message_offer offer;
static struct message_device manifest[DEVICES];
static struct plan plan;
static struct vfiomig_error err;

static inline void make_end(struct end *end, unsigned devices)
{
	*end = (struct end){ 0 };
	end->side = (struct plan_side){ .lanes = 4,
					.slots = 16,
					.slot_bytes = 1 << 20,
					.transports = TCP,
					.receives_max = 1000,
					.arch = ARCH_X86_64,
					.devices = devices,
					.device = end->handle };
	snprintf(end->side.transport_reason, sizeof(end->side.transport_reason), "as it is here");
	for (unsigned d = 0; d < DEVICES; d++) {
		struct vfiomig_device *device = end->handle[d] = &end->device[d];

		snprintf(device->spec, sizeof(device->spec), "vfio:%u", d);
		device->info = (struct vfiomig_device_info){ .driver = "mlx5_vfio_pci",
							     .vendor = 0x15b3,
							     .device = 0x101e,
							     .subsystem_vendor = 0x15b3,
							     .subsystem_device = 8,
							     .migration_flags = VFIOMIG_MIGRATION_STOP_COPY |
										VFIOMIG_MIGRATION_P2P,
							     .firmware = "22.39.1002",
							     .psid = "MT_0000000359",
							     .config_bytes = 256 };
	}
}

/* Two sides that fit, of as many devices. */
static inline void start(unsigned devices)
{
	make_end(&here, devices);
	make_end(&there, devices);
	err = (struct vfiomig_error){ 0 };
}

static inline void name(struct end *end, unsigned d, const char *word)
{
	snprintf(end->device[d].name, sizeof(end->device[d].name), "%s", word);
}

static inline int agree(void)
{
	err = (struct vfiomig_error){ 0 };
	plan_offer(&there.side, &offer);
	offer.gate_default = false; /* as on x86, whatever runs this */
	for (unsigned d = 0; d < there.side.devices; d++)
		plan_device(&there.side, d, &manifest[d]);
	return plan_agree(&plan, &here.side, &offer, manifest, &err);
}

static inline void agreed(void)
{
	cr_assert_eq(agree(), 0, "%s", err.text);
}

static inline void refused(int rc, const char *word, const char *said)
{
	cr_assert_eq(agree(), rc, "%s", err.text);
	cr_assert_eq(err.code, VFIOMIG_PREFLIGHT);
	cr_assert_str_eq(err.name, word, "%s", err.text);
	cr_assert(strstr(err.text, said), "'%s' is not in: %s", said, err.text);
}

#endif
