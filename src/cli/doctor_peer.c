/* SPDX-License-Identifier: MIT */
/* The peer, as a source meets it: by a probe, which stops nothing and after which the receiver waits on. See doctor.h. */
#include <stdio.h>
#include <string.h>

#include "doctor.h"
#include "migration.h"

/* What there is to do, by the outcome's code: the sentence has the rest. */
static void mend_peer(struct doctor *doctor, const struct vfiomig_error *err)
{
	const char *to = doctor->source.to;

	if (!strcmp(err->name, "insecure"))
		doctor_mend(doctor,
			    "(umask 077; psktool -u migration -p key.psk)   # and --psk-file key.psk on both sides");
	else if (err->code == VFIOMIG_AUTH)
		doctor_mend(
			doctor,
			"scp KEYFILE HOST:   # both sides need the same --psk-file, or certificates of one authority");
	else if (err->code == VFIOMIG_PROTOCOL)
		doctor_mend(doctor, "rdma-vfiomig --version   # on both sides: here it is %s", vfiomig_version());
	else if (err->code == VFIOMIG_FABRIC || err->code == VFIOMIG_TIMEOUT)
		doctor_mend(doctor, "rdma-vfiomig recv --listen %s ...   # there; and no firewall between", to);
	else
		doctor_mend(doctor, "rdma-vfiomig probe --to %s ...   # the same as a command of its own", to);
}

/* The estimate's word on the way to and fro, as it was measured. */
static const char *round_trips(const struct vfiomig_estimate *estimate)
{
	for (unsigned i = 0; i < estimate->terms; i++)
		if (!strcmp(estimate->term[i].name, "commit"))
			return estimate->term[i].basis;
	return "round trip not measured";
}

static void judge(struct doctor *doctor, const struct migration *migration)
{
	const struct vfiomig_error *err = &migration->result.error;
	const struct vfiomig_stats *stats = &migration->stats;
	bool rdma;

	if (err->code != VFIOMIG_OK) {
		doctor_find(doctor, DOCTOR_FAIL, "%s", err->text);
		mend_peer(doctor, err);
		return;
	}
	doctor_find(doctor, DOCTOR_PASS, "%s answers in our version of the protocol (program %s here); commit: %s",
		    doctor->source.to, vfiomig_version(), round_trips(&migration->estimate));
	rdma = stats->transport && !strcmp(stats->transport, "rdma");
	doctor_find(doctor,
		    rdma || doctor->source.transfer.transport == VFIOMIG_TRANSPORT_TCP ? DOCTOR_PASS : DOCTOR_WARN,
		    "%u lanes by %s%s%s", stats->lanes, stats->transport ? stats->transport : "?",
		    stats->transport_reason[0] ? ": " : "", stats->transport_reason);
	if (!rdma && doctor->source.transfer.transport != VFIOMIG_TRANSPORT_TCP)
		doctor_mend(doctor, "rdma-vfiomig doctor   # at the other side as well: what keeps its RDMA device "
				    "from being used");
}

void doctor_check_peer(struct doctor *doctor)
{
	struct source_options *source = &doctor->source;
	struct vfiomig_options session;
	struct vfiomig_error err = { 0 };
	struct migration migration;

	if (!source->to)
		return;
	/* It ends before a VMM would have anything to say, so a VMM's devices can be probed with the gate on. */
	source->transfer.vmm = (struct vmm){ .there = true, .fd = -1 };
	migration_init(&migration, VFIOMIG_SOURCE, &source->transfer);
	session = source_session_options(source);
	session.flags |= VFIOMIG_PROBE;
	if (source_check(source, &err))
		migration_refuse(&migration, &err);
	else
		migration_run(&migration, session, doctor->signals);
	judge(doctor, &migration);
	migration_close(&migration);
}
