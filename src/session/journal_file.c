/* SPDX-License-Identifier: MIT */
#include "session/journal_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "session/journal_file_parts.h"
#include "wire/journal.h"

int journal_file_refuse(struct vfiomig_error *err, const char *dir, int errnum)
{
	return error_set(err, VFIOMIG_PREFLIGHT, errnum, "journal",
			 "the journal cannot be kept in %s: %s (another folder: journal_dir, --journal-dir DIR)", dir,
			 errnum == EPERM ? "others may write to it, or it is not ours" : strerror(errnum));
}

/* Who may write to it decides which side runs. */
static int open_dir(const char *dir)
{
	struct stat status;
	int fd;

	if (mkdir(dir, 0700) && errno != EEXIST)
		return -errno;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &status) || status.st_uid != geteuid() || status.st_mode & (S_IWGRP | S_IWOTH)) {
		close(fd);
		return -EPERM;
	}
	return fd;
}

static int open_default(char *dir, size_t bytes)
{
	const char *runtime = getenv("RUNTIME_DIRECTORY"), *xdg = getenv("XDG_RUNTIME_DIR");
	int fd;

	if (runtime && runtime[0] == '/') {
		snprintf(dir, bytes, "%.*s", (int)strcspn(runtime, ":"), runtime); /* systemd may name several */
		return open_dir(dir);
	}
	snprintf(dir, bytes, "/run/rdma-vfiomig");
	fd = open_dir(dir);
	if (fd < 0 && xdg && xdg[0] == '/') {
		snprintf(dir, bytes, "%s/rdma-vfiomig", xdg);
		fd = open_dir(dir);
	}
	if (fd < 0) {
		snprintf(dir, bytes, "/tmp/rdma-vfiomig-%u", (unsigned)geteuid());
		fd = open_dir(dir);
	}
	return fd;
}

int journal_file_dir(const char *dir, struct vfiomig_error *err)
{
	char path[4096];
	int fd;

	if (dir) {
		fd = open_dir(dir);
		return fd < 0 ? journal_file_refuse(err, dir, -fd) : fd;
	}
	fd = open_default(path, sizeof(path));
	return fd < 0 ? journal_file_refuse(err, path, -fd) : fd;
}

static void name_of(char out[JOURNAL_NAME_BYTES], const uint8_t session[16], enum vfiomig_role role)
{
	char *at = out;

	for (unsigned i = 0; i < 16; i++)
		at += sprintf(at, "%02x", session[i]);
	sprintf(at, role == VFIOMIG_SOURCE ? ".source" : ".destination");
}

void journal_file_name(char out[JOURNAL_NAME_BYTES], const struct vfiomig_journal *journal)
{
	name_of(out, journal->session, journal->role);
}

void journal_file_temporary(char out[JOURNAL_TEMPORARY_BYTES], const char *name)
{
	snprintf(out, JOURNAL_TEMPORARY_BYTES, "%s.%d.tmp", name, (int)getpid());
}

int journal_file_fill(int fd, const uint8_t *from, size_t bytes)
{
	off_t at = 0;

	while (bytes) {
		ssize_t done = pwrite(fd, from + at, bytes, at);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return done < 0 ? -errno : -EIO;
		at += done;
		bytes -= (size_t)done;
	}
	return 0;
}

static int write_temporary(int dir_fd, const char *name, const uint8_t *bytes, size_t count)
{
	int rc, fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return -errno;
	rc = journal_file_fill(fd, bytes, count);
	close(fd);
	return rc;
}

int journal_file_try(int dir_fd, struct vfiomig_error *err)
{
	static const uint8_t something[JOURNAL_HEAD_BYTES];
	char name[JOURNAL_TEMPORARY_BYTES];
	int rc;

	journal_file_temporary(name, "try");
	rc = write_temporary(dir_fd, name, something, sizeof(something));
	unlinkat(dir_fd, name, 0);
	return rc ? journal_file_refuse(err, "its folder", -rc) : 0;
}

/* A file system that has no locks has to do without. */
void journal_file_lock(int dir_fd)
{
	while (flock(dir_fd, LOCK_EX) && errno == EINTR)
		;
}

void journal_file_unlock(int dir_fd)
{
	flock(dir_fd, LOCK_UN);
}

/* When process @pid began, in ticks since boot. -ESRCH: it has ended; another errno: it cannot be looked at. */
static int look_at(uint32_t pid, uint64_t *start)
{
	unsigned long long ticks = 0;
	char path[32], text[1024];
	const char *after;
	ssize_t bytes;
	int fd;

	snprintf(path, sizeof(path), "/proc/%u/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	bytes = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[bytes > 0 ? bytes : 0] = '\0';
	after = strrchr(text, ')'); /* the program's name may hold anything */
	if (!after || after[1] != ' ' || strchr("ZX", after[2]) ||
	    sscanf(after + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
		   &ticks) != 1)
		return -ESRCH;
	*start = ticks;
	return 0;
}

/*
 * Does process @pid live, which began at @start (0: that is not known)? Who is taken for dead is buried, while it may yet run its
 * devices: so one that cannot be looked at (no /proc, or one that hides it) lives as long as the kernel knows its number.
 */
static bool lives(uint32_t pid, uint64_t start)
{
	uint64_t began;
	int rc;

	if (!pid || pid > INT32_MAX)
		return false;
	rc = look_at(pid, &began);
	if (!rc)
		return !start || began == start;
	return rc != -ESRCH && (!kill((pid_t)pid, 0) || errno != ESRCH);
}

static uint64_t wall_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

void journal_file_hold(struct vfiomig_journal *journal)
{
	journal->pid = (uint32_t)getpid();
	journal->pid_start = 0;
	(void)look_at(journal->pid, &journal->pid_start);
}

size_t journal_file_encode(uint8_t *out, struct vfiomig_journal *journal)
{
	journal->time_ns = wall_ns();
	return journal_encode(out, journal);
}

int journal_file_write(int dir_fd, struct vfiomig_journal *journal, struct vfiomig_error *err)
{
	char name[JOURNAL_NAME_BYTES], temporary[JOURNAL_TEMPORARY_BYTES];
	uint8_t bytes[JOURNAL_BYTES_MAX];
	int rc;

	journal_file_name(name, journal);
	journal_file_temporary(temporary, name);
	rc = write_temporary(dir_fd, temporary, bytes, journal_file_encode(bytes, journal));
	if (!rc && renameat(dir_fd, temporary, dir_fd, name))
		rc = -errno;
	if (!rc)
		return 0;
	unlinkat(dir_fd, temporary, 0);
	return error_set(err, VFIOMIG_INTERNAL, -rc, "journal", "%s cannot be written to the journal: %s",
			 journal_state_name(journal->state), strerror(-rc));
}

/* ->held is not looked at: that takes longer than the reading, and the devices may stand still. */
static int read_record(int dir_fd, const char *name, struct vfiomig_journal *journal)
{
	uint8_t bytes[JOURNAL_BYTES_MAX + 1];
	ssize_t count;
	int rc, fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	if (fd < 0)
		return -errno;
	count = read(fd, bytes, sizeof(bytes));
	rc = count < 0 ? -errno : journal_decode(journal, bytes, (size_t)count);
	close(fd);
	return rc;
}

static int read_name(int dir_fd, const char *name, struct vfiomig_journal *journal)
{
	int rc = read_record(dir_fd, name, journal);

	if (!rc)
		journal->held = lives(journal->pid, journal->pid_start);
	return rc;
}

static int read_of(int dir_fd, const uint8_t session[16], enum vfiomig_role role, struct vfiomig_journal *journal)
{
	char name[JOURNAL_NAME_BYTES];
	int rc;

	name_of(name, session, role);
	rc = read_record(dir_fd, name, journal);
	if (!rc && (journal->role != role || memcmp(journal->session, session, 16)))
		return -EPROTO; /* it was given another's name */
	return rc;
}

int journal_file_read(int dir_fd, const uint8_t session[16], enum vfiomig_role role, struct vfiomig_journal *journal)
{
	int rc = read_of(dir_fd, session, role, journal);

	if (!rc)
		journal->held = lives(journal->pid, journal->pid_start);
	return rc;
}

int journal_file_expect(int dir_fd, enum vfiomig_journal_state expected, const struct vfiomig_journal *journal,
			struct vfiomig_error *err)
{
	struct vfiomig_journal found = { 0 };
	int rc = read_of(dir_fd, journal->session, journal->role, &found);

	if (rc)
		return error_set(err, VFIOMIG_INTERNAL, -rc, "journal",
				 "%s cannot be written to the journal: %s in it cannot be read: %s",
				 journal_state_name(journal->state), journal_state_name(expected), strerror(-rc));
	if (found.state != expected)
		return error_set(err, VFIOMIG_INTERNAL, EALREADY, "journal",
				 "%s is not written to the journal: somebody else has written %s there",
				 journal_state_name(journal->state), journal_state_name(found.state));
	return 0;
}

void journal_file_remove(int dir_fd, const uint8_t session[16], enum vfiomig_role role)
{
	char name[JOURNAL_NAME_BYTES];

	name_of(name, session, role);
	unlinkat(dir_fd, name, 0);
}

static bool ends_with(const char *text, const char *end)
{
	size_t length = strlen(text), tail = strlen(end);

	return length > tail && !strcmp(text + length - tail, end);
}

static bool is_record(const char *name)
{
	return ends_with(name, ".source") || ends_with(name, ".destination");
}

/* A second descriptor, because reading a folder moves its place. */
static DIR *read_dir(int dir_fd)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *folder = fd < 0 ? NULL : fdopendir(fd);

	if (!folder && fd >= 0)
		close(fd);
	return folder;
}

int journal_file_list(int dir_fd, void (*each)(void *context, const struct vfiomig_journal *journal),
		      void (*broken)(void *context, const char *file), void *context, struct vfiomig_error *err)
{
	DIR *folder = read_dir(dir_fd);
	struct vfiomig_journal journal;
	const struct dirent *entry;
	int rc, count = 0;

	if (!folder)
		return journal_file_refuse(err, "its folder", errno);
	while ((entry = readdir(folder))) {
		if (!is_record(entry->d_name))
			continue;
		rc = read_name(dir_fd, entry->d_name, &journal);
		if (!rc) {
			count++;
			each(context, &journal);
		} else if (rc != -ENOENT) {
			broken(context, entry->d_name);
		}
	}
	closedir(folder);
	return count;
}

/* Of a writer that has died: "NAME.PID.tmp". */
static bool is_left(const char *name)
{
	char *end;
	long pid;

	if (!ends_with(name, ".tmp"))
		return false;
	end = strrchr(name, '.');
	while (end > name && end[-1] >= '0' && end[-1] <= '9')
		end--;
	pid = strtol(end, NULL, 10);
	return pid > 0 && pid <= INT32_MAX && !lives((uint32_t)pid, 0);
}

static bool is_over(const struct vfiomig_journal *journal)
{
	uint64_t now = wall_ns(), patience_ns = 2 * (journal->hold_ms * NS_PER_MS);
	bool tombstone = journal->role == VFIOMIG_DESTINATION && journal->state == VFIOMIG_JOURNAL_ABORTED;

	if (journal->state == VFIOMIG_JOURNAL_COMMITTED || (journal->held && !tombstone))
		return false; /* a doubt is a person's to end; and of whoever lives, his caller may not have heard of it yet */
	if (journal->role == VFIOMIG_SOURCE && journal->state == VFIOMIG_JOURNAL_RETIRED)
		return false; /* to who holds its devices, no record would mean "never committed" */
	return now > journal->time_ns && now - journal->time_ns > patience_ns;
}

void journal_file_sweep(int dir_fd)
{
	DIR *folder = read_dir(dir_fd);
	struct vfiomig_journal journal;
	const struct dirent *entry;

	if (!folder)
		return;
	journal_file_lock(dir_fd);
	while ((entry = readdir(folder))) {
		bool gone = is_left(entry->d_name);

		if (is_record(entry->d_name) && !read_name(dir_fd, entry->d_name, &journal))
			gone = is_over(&journal);
		if (gone)
			unlinkat(dir_fd, entry->d_name, 0);
	}
	journal_file_unlock(dir_fd);
	closedir(folder);
}
