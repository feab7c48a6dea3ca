/* SPDX-License-Identifier: MIT */
/* The journal's folder, by the library's own rules (journal.h), but without making it: whoever may write to it decides which side runs. */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "doctor.h"

struct folder {
	char path[PATH_MAX];
	bool fallback; /* in /tmp, for want of a better one */
};

static bool is_writable(const char *path)
{
	return !faccessat(AT_FDCWD, path, W_OK | X_OK, AT_EACCESS);
}

static bool is_there(const char *path)
{
	struct stat status;

	return !lstat(path, &status);
}

static struct folder find_folder(const struct doctor *doctor)
{
	const char *dir = doctor->source.transfer.journal_dir, *xdg = getenv("XDG_RUNTIME_DIR");
	const char *runtime = getenv("RUNTIME_DIRECTORY");
	struct folder folder = { .fallback = false };
	char run[PATH_MAX];

	if (dir || (runtime && runtime[0] == '/')) {
		snprintf(folder.path, sizeof(folder.path), "%.*s", dir ? PATH_MAX - 1 : (int)strcspn(runtime, ":"),
			 dir ? dir : runtime);
		return folder;
	}
	snprintf(run, sizeof(run), "%.4000s/run", doctor->sysroot);
	snprintf(folder.path, sizeof(folder.path), "%.4000s/run/rdma-vfiomig", doctor->sysroot);
	if (is_there(folder.path) ? is_writable(folder.path) : is_writable(run))
		return folder;
	if (xdg && xdg[0] == '/' && is_writable(xdg)) {
		snprintf(folder.path, sizeof(folder.path), "%.4000s/rdma-vfiomig", xdg);
		return folder;
	}
	snprintf(folder.path, sizeof(folder.path), "%.4000s/tmp/rdma-vfiomig-%u", doctor->sysroot, (unsigned)geteuid());
	folder.fallback = true;
	return folder;
}

/* A session makes it, if the folder above allows. */
static bool found_unmakable(struct doctor *doctor, const char *path)
{
	char parent[PATH_MAX], *slash;

	if (is_there(path))
		return false;
	snprintf(parent, sizeof(parent), "%s", path);
	slash = strrchr(parent, '/');
	if (slash)
		slash[slash == parent] = '\0';
	if (is_writable(slash ? parent : "."))
		return false;
	doctor_find(doctor, DOCTOR_FAIL, "the journal's folder %s is not there, and cannot be made by this user", path);
	doctor_mend(doctor, "install -d -m 700 -o %u %s   # by root; or another one: --journal-dir DIR",
		    (unsigned)geteuid(), doctor_quote(path).text);
	return true;
}

static bool found_foreign(struct doctor *doctor, const char *path)
{
	struct doctor_quoted quoted = doctor_quote(path);
	struct stat status;

	if (lstat(path, &status))
		return false;
	if (!S_ISDIR(status.st_mode)) {
		doctor_find(doctor, DOCTOR_FAIL, "%s, the journal's place, is no folder", path);
		doctor_mend(doctor, "ls -l %s   # what it is; another place: --journal-dir DIR", quoted.text);
	} else if (status.st_uid != geteuid()) {
		doctor_find(doctor, DOCTOR_FAIL, "the journal's folder %s belongs to user %u, not to this one (%u)",
			    path, (unsigned)status.st_uid, (unsigned)geteuid());
		doctor_mend(doctor, "chown %u %s   # by root; or another one: --journal-dir DIR", (unsigned)geteuid(),
			    quoted.text);
	} else if (status.st_mode & (S_IWGRP | S_IWOTH)) {
		doctor_find(doctor, DOCTOR_FAIL, "others may write to the journal's folder %s (mode %04o)", path,
			    (unsigned)(status.st_mode & 07777));
		doctor_mend(doctor, "chmod 700 %s", quoted.text);
	} else {
		return false;
	}
	return true;
}

static bool found_full(struct doctor *doctor, const char *path, struct statfs *system)
{
	if (statfs(path, system))
		memset(system, 0, sizeof(*system)); /* not made yet */
	else if (!is_writable(path) || !system->f_bavail || (system->f_files && !system->f_ffree)) {
		doctor_find(doctor, DOCTOR_FAIL, "nothing can be written to the journal's folder %s", path);
		doctor_mend(doctor, "findmnt -T %s; df -h %s   # read-only, or full; or another one: --journal-dir DIR",
			    doctor_quote(path).text, doctor_quote(path).text);
		return true;
	}
	return false;
}

static void count_record(void *context, const struct vfiomig_journal *journal)
{
	unsigned *records = context;

	(void)journal;
	(*records)++;
}

static void count_broken(void *context, const char *file)
{
	unsigned *records = context;

	(void)file;
	(*records)++;
}

void doctor_check_journal(struct doctor *doctor)
{
	struct folder folder = find_folder(doctor);
	const char *path = folder.path;
	struct statfs system;
	unsigned records = 0;
	bool remote;

	if (found_unmakable(doctor, path) || found_foreign(doctor, path) || found_full(doctor, path, &system))
		return;
	remote = system.f_type == NFS_SUPER_MAGIC || system.f_type == (long)SMB2_SUPER_MAGIC ||
		 system.f_type == (long)CIFS_SUPER_MAGIC;
	if (is_there(path))
		vfiomig_journal_list(path, count_record, count_broken, &records, NULL);
	if (records) {
		doctor_find(doctor, DOCTOR_WARN, "the journal in %s has %u session%s that ha%s not ended on both sides",
			    path, records, records == 1 ? "" : "s", records == 1 ? "s" : "ve");
		doctor_mend(doctor, "rdma-vfiomig status --journal-dir %s", doctor_quote(path).text);
	} else if (remote || folder.fallback) {
		doctor_find(doctor, DOCTOR_WARN, "the journal is kept in %s, %s", path,
			    remote ? "on another machine, which a session would wait for"
				   : "which is swept now and then, and not where other users look for it");
		doctor_mend(doctor, "install -d -m 700 -o %u /run/rdma-vfiomig   # by root; or --journal-dir DIR",
			    (unsigned)geteuid());
	} else {
		doctor_find(doctor, DOCTOR_PASS, "the journal is kept in %s%s%s", path,
			    is_there(path) ? "" : " (made when it is needed)",
			    system.f_type == TMPFS_MAGIC ? ", in memory: a restart of the machine forgets it" : "");
	}
}
