/* SPDX-License-Identifier: MIT */
#include "session/journal_spare.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/error.h"
#include "session/journal_file_parts.h"
#include "wire/journal.h"

/*
 * Its blocks are taken here and not when the kernel writes back: ext4 otherwise does both at the very rename that puts one file in
 * another's place. A file system that cannot do that has to do without.
 */
static int lay_out(int fd, const uint8_t *content, size_t bytes)
{
	if (fallocate(fd, 0, 0, (off_t)bytes) && errno != EOPNOTSUPP && errno != ENOSYS)
		return -errno;
	return journal_file_fill(fd, content, bytes);
}

/* By session, role and number: two spares are never one file, even of processes that have the same number in two containers. */
static int make_one(struct journal_spares *spares, int dir_fd, const char *record, const uint8_t *content)
{
	char name[JOURNAL_NAME_BYTES + 12], *temporary = spares->name[spares->made];
	int fd;

	snprintf(name, sizeof(name), "%s.%u", record, spares->made);
	journal_file_temporary(temporary, name);
	fd = openat(dir_fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	spares->fd[spares->made++] = fd;
	return lay_out(fd, content, spares->bytes);
}

int journal_spares_make(struct journal_spares *spares, int dir_fd, struct vfiomig_journal *journal, unsigned count,
			struct vfiomig_error *err)
{
	uint8_t bytes[JOURNAL_BYTES_MAX];
	char record[JOURNAL_NAME_BYTES];
	int rc = 0;

	*spares = (struct journal_spares){ .bytes = journal_file_encode(bytes, journal) };
	journal_file_name(record, journal);
	while (!rc && spares->made < count)
		rc = make_one(spares, dir_fd, record, bytes);
	if (!rc)
		return 0;
	journal_spares_drop(spares, dir_fd);
	return journal_file_refuse(err, "its folder", -rc);
}

void journal_spares_fill(struct journal_spares *spares, struct vfiomig_journal *journal)
{
	uint8_t bytes[JOURNAL_BYTES_MAX];

	spares->filled = spares->used < spares->made && journal_file_encode(bytes, journal) == spares->bytes &&
			 !journal_file_fill(spares->fd[spares->used], bytes, spares->bytes);
}

int journal_spares_publish(struct journal_spares *spares, int dir_fd, const struct vfiomig_journal *journal)
{
	const char *spare = spares->name[spares->used];
	char record[JOURNAL_NAME_BYTES];
	int rc = 0;

	if (!spares->filled)
		return -ENOENT;
	journal_file_name(record, journal);
	if (renameat(dir_fd, spare, dir_fd, record)) {
		rc = -errno;
		unlinkat(dir_fd, spare, 0);
	}
	spares->used++;
	spares->filled = false;
	return rc;
}

void journal_spares_drop(struct journal_spares *spares, int dir_fd)
{
	while (spares->made > spares->used) {
		spares->made--;
		close(spares->fd[spares->made]);
		unlinkat(dir_fd, spares->name[spares->made], 0);
	}
	spares->filled = false;
}

void journal_spares_close(struct journal_spares *spares, int dir_fd)
{
	journal_spares_drop(spares, dir_fd);
	for (unsigned i = 0; i < spares->used; i++)
		close(spares->fd[i]);
	*spares = (struct journal_spares){ 0 };
}
