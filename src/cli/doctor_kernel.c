/* SPDX-License-Identifier: MIT */
/* Kernel, clock, processor and io_uring: what the machine brings whatever is plugged into it. See doctor.h. */
#include <errno.h>
#include <linux/capability.h>
#include <linux/io_uring.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "doctor.h"

#define NEWER_KERNEL                                                                                    \
	"boot Linux 6.2 or later (Debian 12: apt-get install -t bookworm-backports linux-image-$(dpkg " \
	"--print-architecture))"

static bool wants_vfio(const struct doctor *doctor)
{
	for (unsigned i = 0; i < doctor->source.transfer.devices; i++)
		if (transfer_spec_is_vfio(doctor->source.transfer.specs[i]))
			return true;
	return false;
}

void doctor_check_kernel(struct doctor *doctor)
{
	unsigned major = 0, minor = 0;
	char release[128];

	doctor_read(doctor, release, sizeof(release), "/proc/sys/kernel/osrelease");
	if (sscanf(release, "%u.%u", &major, &minor) != 2) {
		doctor_find(doctor, DOCTOR_WARN, "/proc/sys/kernel/osrelease does not tell which kernel this is");
		doctor_mend(doctor, "mount -t proc proc /proc");
	} else if (major < 5 || (major == 5 && minor < 18)) {
		doctor_find(doctor, wants_vfio(doctor) ? DOCTOR_FAIL : DOCTOR_WARN,
			    "Linux %s has no VFIO migration (version 2 of its protocol came with 5.18)", release);
		doctor_mend(doctor, NEWER_KERNEL);
	} else if (major < 6 || (major == 6 && minor < 2)) {
		doctor_find(doctor, DOCTOR_WARN, "Linux %s has VFIO migration, but no pre-copy (6.2)", release);
		doctor_mend(doctor, NEWER_KERNEL);
	} else {
		doctor_find(doctor, DOCTOR_PASS, "Linux %s has VFIO migration with pre-copy", release);
	}
}

/* Is @word one of the words of @line? */
static bool has_word(const char *line, const char *word)
{
	size_t length = strlen(word);

	for (const char *at = strstr(line, word); at; at = strstr(at + 1, word))
		if ((at == line || at[-1] == ' ' || at[-1] == '\t') && strchr(" \n", at[length]))
			return true;
	return false;
}

#define CLOCKSOURCE "/sys/devices/system/clocksource/clocksource0"

void doctor_check_clock(struct doctor *doctor)
{
	/* Read without leaving user space, or in one instruction; others cost a microsecond each time. */
	static const char *const fast[] = { "tsc", "kvm-clock", "arch_sys_counter", "hyperv_clocksource_tsc_page" };
	char current[64], available[256];

	doctor_read(doctor, current, sizeof(current), CLOCKSOURCE "/current_clocksource");
	doctor_read(doctor, available, sizeof(available), CLOCKSOURCE "/available_clocksource");
	current[strcspn(current, " ")] = '\0';
	for (size_t i = 0; i < sizeof(fast) / sizeof(*fast); i++)
		if (!strcmp(current, fast[i])) {
			doctor_find(doctor, DOCTOR_PASS, "time is told by %s, which is fast to read", current);
			return;
		}
	doctor_find(doctor, DOCTOR_WARN, "time is told by '%s', which is slow to read: every packet is timed", current);
	for (size_t i = 0; i < sizeof(fast) / sizeof(*fast); i++)
		if (has_word(available, fast[i])) {
			doctor_mend(doctor, "echo %s >" CLOCKSOURCE "/current_clocksource", fast[i]);
			return;
		}
	doctor_mend(doctor, "dmesg | grep -i clocksource   # why the kernel does not trust the processor's counter");
}

/* The first processor's features as /proc/cpuinfo has them; "" if there are none. */
static void read_features(const struct doctor *doctor, char *line, int bytes)
{
	FILE *file = doctor_open(doctor, "/proc/cpuinfo");
	bool found = false;

	while (!found && file && fgets(line, bytes, file))
		found = !strncmp(line, "flags", 5) || !strncmp(line, "Features", 8);
	if (!found)
		line[0] = '\0';
	if (file)
		fclose(file);
}

void doctor_check_cpu(struct doctor *doctor)
{
	char line[16384];
	bool arm, crc, pclmul, aes;

	read_features(doctor, line, sizeof(line));
	arm = !strncmp(line, "Features", 8);
	crc = has_word(line, arm ? "crc32" : "sse4_2");
	pclmul = has_word(line, arm ? "pmull" : "pclmulqdq");
	aes = has_word(line, "aes");
	if (!line[0])
		doctor_find(doctor, DOCTOR_WARN, "/proc/cpuinfo does not tell what the processor can do");
	else if (!crc || !pclmul)
		doctor_find(doctor, DOCTOR_WARN,
			    "the processor has no %s: checksums (CRC32C) are slow; --integrity none goes without",
			    crc ? (arm ? "PMULL" : "PCLMULQDQ") : (arm ? "CRC32" : "SSE4.2"));
	else if (!aes)
		doctor_find(doctor, DOCTOR_WARN, "the processor has no AES instructions: --payload aead is slow");
	else
		doctor_find(doctor, DOCTOR_PASS, "the processor has instructions for CRC32C (%s) and AES-GCM",
			    arm ? "CRC32, PMULL" : "SSE4.2, PCLMULQDQ");
	if (!crc || !pclmul || !aes)
		doctor_mend(doctor, "lscpu   # in a virtual machine: give it the host's processor (-cpu host)");
}

#define FALLS_BACK "the loader falls back to write(2), and a device that sleeps in it is heard of later"

static void uring_forbidden(struct doctor *doctor, long long disabled)
{
	if (disabled >= 2)
		doctor_find(doctor, DOCTOR_WARN, "io_uring is off for all (kernel.io_uring_disabled = 2): " FALLS_BACK);
	else
		doctor_find(
			doctor, DOCTOR_WARN,
			"io_uring is for CAP_SYS_ADMIN and one group only (kernel.io_uring_disabled = 1): " FALLS_BACK);
	doctor_mend(doctor, "sysctl kernel.io_uring_disabled=0");
}

static bool in_uring_group(const struct doctor *doctor)
{
	long long wanted = doctor_read_number(doctor, -1, "/proc/sys/kernel/io_uring_group");
	gid_t groups[256];
	int count = getgroups((int)(sizeof(groups) / sizeof(*groups)), groups);

	if (wanted < 0)
		return false;
	for (int i = 0; i < count; i++)
		if (groups[i] == (gid_t)wanted)
			return true;
	return getegid() == (gid_t)wanted;
}

/* The only sure way to know what a filter says. */
static int try_uring(void)
{
	struct io_uring_params params;
	long fd;

	memset(&params, 0, sizeof(params));
	fd = syscall(SYS_io_uring_setup, 1, &params);
	if (fd < 0)
		return errno;
	close((int)fd);
	return params.features & IORING_FEAT_RW_CUR_POS ? 0 : ENOSYS;
}

void doctor_check_uring(struct doctor *doctor)
{
	long long disabled = doctor_read_number(doctor, 0, "/proc/sys/kernel/io_uring_disabled");
	int errnum;

	if (disabled >= 2 || (disabled == 1 && !doctor_has_capability(CAP_SYS_ADMIN) && !in_uring_group(doctor))) {
		uring_forbidden(doctor, disabled);
		return;
	}
	errnum = doctor_is_live(doctor) ? try_uring() : 0;
	if (!errnum) {
		doctor_find(doctor, DOCTOR_PASS, "io_uring is allowed: a load that a driver sleeps in can be given up");
	} else if (errnum == ENOSYS) {
		doctor_find(doctor, DOCTOR_WARN, "this kernel has no io_uring that would do: " FALLS_BACK);
		doctor_mend(doctor, NEWER_KERNEL);
	} else {
		doctor_find(doctor, DOCTOR_WARN,
			    "io_uring is refused (%s), as by a container's seccomp filter: " FALLS_BACK,
			    strerror(errnum));
		doctor_mend(doctor, "podman run --security-opt seccomp=PROFILE   # one that allows io_uring_setup, "
				    "io_uring_enter and io_uring_register");
	}
}
