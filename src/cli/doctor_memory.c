/* SPDX-License-Identifier: MIT */
/* Memory for the slots: is it there, may it be pinned, is it huge. See doctor.h. */
#include <inttypes.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "doctor.h"
#include "units.h"

enum { HUGE_BYTES = 2 << 20, HEADER_BYTES = 64 };

static uint64_t slots_each(const struct doctor *doctor)
{
	unsigned slots = doctor->source.transfer.slots;

	return slots ? slots : VFIOMIG_SLOTS_DEFAULT;
}

static uint64_t slot_bytes(const struct doctor *doctor)
{
	size_t bytes = doctor->source.transfer.slot_bytes;

	return bytes ? bytes : VFIOMIG_SLOT_BYTES_DEFAULT;
}

/* One huge page more, for the token and for what is rounded up. */
uint64_t doctor_slots_bytes(const struct doctor *doctor)
{
	return doctor->devices * slots_each(doctor) * (slot_bytes(doctor) + HEADER_BYTES) + HUGE_BYTES;
}

/* "1 device x 16 slots of 1.00 MiB" */
struct shape {
	char text[96];
};
static struct shape shape_of(const struct doctor *doctor)
{
	struct units each = units_bytes(slot_bytes(doctor));
	struct shape shape;

	snprintf(shape.text, sizeof(shape.text), "%u device%s, %" PRIu64 " slots of %s each", doctor->devices,
		 doctor->devices == 1 ? "" : "s", slots_each(doctor), each.text);
	return shape;
}

#define HUGE_FOLDER "/sys/kernel/mm/hugepages/hugepages-2048kB"

/* Explicit huge pages are taken first, or else memory that is available without them: never both. */
static uint64_t available_bytes(const struct doctor *doctor)
{
	char line[128];
	long long huge = doctor_read_number(doctor, 0, HUGE_FOLDER "/free_hugepages");
	uint64_t kib = 0, huge_bytes = huge > 0 ? (uint64_t)huge * HUGE_BYTES : 0;
	FILE *file = doctor_open(doctor, "/proc/meminfo");

	while (file && fgets(line, sizeof(line), file) && sscanf(line, "MemAvailable: %" SCNu64, &kib) != 1)
		;
	if (file)
		fclose(file);
	return kib * 1024 > huge_bytes ? kib * 1024 : huge_bytes;
}

void doctor_check_memory(struct doctor *doctor)
{
	uint64_t wanted = doctor_slots_bytes(doctor), there = available_bytes(doctor), few;
	struct units needs = units_bytes(wanted), has = units_bytes(there);

	if (!there) {
		doctor_find(doctor, DOCTOR_WARN, "/proc/meminfo does not tell how much memory is available");
		doctor_mend(doctor, "mount -t proc proc /proc");
		return;
	}
	if (wanted <= there) {
		doctor_find(doctor, DOCTOR_PASS, "%s for the slots (%s), %s is available", needs.text,
			    shape_of(doctor).text, has.text);
		return;
	}
	few = there / 2 / doctor->devices / slot_bytes(doctor);
	doctor_find(doctor, DOCTOR_FAIL, "the slots (%s) need %s, and only %s is available", shape_of(doctor).text,
		    needs.text, has.text);
	doctor_mend(doctor, "rdma-vfiomig recv --slots %" PRIu64 " ...   # fewer or smaller slots, at either side",
		    few < VFIOMIG_SLOTS_MIN ? VFIOMIG_SLOTS_MIN : few);
}

static void memlock_too_small(struct doctor *doctor, const struct rlimit *limit, uint64_t wanted)
{
	struct units may = units_bytes(limit->rlim_cur), needs = units_bytes(wanted);
	bool rdma = doctor_each(doctor, "/sys/class/infiniband", NULL, NULL);

	doctor_find(doctor, rdma ? DOCTOR_FAIL : DOCTOR_WARN, "this process may pin %s, and RDMA would pin %s (%s)%s",
		    may.text, needs.text, shape_of(doctor).text,
		    rdma ? "" : "; TCP pins nothing, and there is no RDMA device");
	if (limit->rlim_max == RLIM_INFINITY || limit->rlim_max >= wanted)
		doctor_mend(doctor, "ulimit -l %" PRIu64, (wanted + 1023) / 1024);
	else
		doctor_mend(doctor,
			    "sudo prlimit --pid $$ --memlock=%" PRIu64 "   # in a systemd unit: LimitMEMLOCK=%" PRIu64,
			    wanted, wanted);
}

void doctor_check_memlock(struct doctor *doctor)
{
	uint64_t wanted = doctor_slots_bytes(doctor);
	struct units needs = units_bytes(wanted), may;
	struct rlimit limit = { 0, 0 };

	getrlimit(RLIMIT_MEMLOCK, &limit);
	may = units_bytes(limit.rlim_cur);
	if (doctor->source.transfer.transport == VFIOMIG_TRANSPORT_TCP)
		doctor_find(doctor, DOCTOR_PASS, "nothing is pinned for TCP");
	else if (doctor_has_capability(CAP_IPC_LOCK))
		doctor_find(doctor, DOCTOR_PASS, "%s to pin for RDMA, and no limit (CAP_IPC_LOCK)", needs.text);
	else if (limit.rlim_cur == RLIM_INFINITY)
		doctor_find(doctor, DOCTOR_PASS, "%s to pin for RDMA, and no limit", needs.text);
	else if (limit.rlim_cur >= wanted)
		doctor_find(doctor, DOCTOR_PASS, "%s to pin for RDMA, %s is allowed", needs.text, may.text);
	else
		memlock_too_small(doctor, &limit, wanted);
}

void doctor_check_hugepages(struct doctor *doctor)
{
	uint64_t wanted = (doctor_slots_bytes(doctor) + HUGE_BYTES - 1) / HUGE_BYTES;
	long long there = doctor_read_number(doctor, 0, HUGE_FOLDER "/free_hugepages");
	long long all = doctor_read_number(doctor, 0, HUGE_FOLDER "/nr_hugepages");
	char transparent[64];

	doctor_read(doctor, transparent, sizeof(transparent), "/sys/kernel/mm/transparent_hugepage/enabled");
	if (there >= 0 && (uint64_t)there >= wanted) {
		doctor_find(doctor, DOCTOR_PASS, "%lld huge pages of 2 MiB are free, the slots take %" PRIu64, there,
			    wanted);
	} else if (strstr(transparent, "[always]") || strstr(transparent, "[madvise]")) {
		doctor_find(doctor, DOCTOR_PASS,
			    "%lld huge pages of 2 MiB are free, the slots would take %" PRIu64
			    ": transparent ones are used, where the kernel finds any",
			    there, wanted);
	} else {
		doctor_find(doctor, DOCTOR_WARN,
			    "%lld huge pages of 2 MiB are free, the slots would take %" PRIu64
			    ", and transparent ones are off: registering memory takes longer",
			    there, wanted);
		doctor_mend(doctor, "sysctl vm.nr_hugepages=%" PRIu64,
			    (all > there && there >= 0 ? (uint64_t)(all - there) : 0) + wanted);
	}
}
