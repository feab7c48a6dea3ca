/* SPDX-License-Identifier: MIT */
/* Pre-shared keys from a file. A key that others could have read proves nothing, so such a file is not taken. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "control/credentials.h"

enum { PSK_FILE_BYTES_MAX = 65536 };

int secret_open(const char *path, const char *name, struct vfiomig_error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat stat;
	int errnum;

	if (fd < 0 || fstat(fd, &stat)) {
		errnum = errno;
		if (fd >= 0)
			close(fd);
		return error_set(err, VFIOMIG_PREFLIGHT, errnum, name, "'%s' cannot be read: %s", path,
				 strerror(errnum));
	}
	if (S_ISREG(stat.st_mode) && !(stat.st_mode & (S_IRWXG | S_IRWXO)))
		return fd;
	close(fd);
	if (!S_ISREG(stat.st_mode))
		return error_set(err, VFIOMIG_PREFLIGHT, EINVAL, name, "'%s' is no file with a key", path);
	return error_set(err, VFIOMIG_PREFLIGHT, EPERM, name,
			 "'%s' holds a secret, and others than its owner may use it (mode %04o): chmod 600 it", path,
			 (unsigned)(stat.st_mode & 07777));
}

static int psk_bad(const char *path, unsigned line, const char *why, struct vfiomig_error *err)
{
	return error_set(err, VFIOMIG_PREFLIGHT, EINVAL, "psk-file", "'%s', line %u: %s", path, line, why);
}

/* NULL, or what is wrong with it. */
static const char *psk_line(struct credentials *credentials, char *line)
{
	struct psk_entry *entry = &credentials->entry[credentials->entries];
	char *colon = strchr(line, ':');
	gnutls_datum_t hex;

	if (credentials->entries == PSK_ENTRIES_MAX)
		return "there are too many keys";
	if (!colon || colon == line)
		return "it is not IDENTITY:HEXKEY, as psktool writes it";
	if (colon - line >= PSK_IDENTITY_BYTES)
		return "the identity is too long";
	hex = (gnutls_datum_t){ (unsigned char *)colon + 1, (unsigned)strlen(colon + 1) };
	if (gnutls_hex_decode2(&hex, &entry->key))
		return "the key is not hexadecimal";
	memcpy(entry->identity, line, (size_t)(colon - line));
	credentials->entries++;
	return entry->key.size < PSK_BYTES_MIN ? "the key is shorter than 16 bytes" : NULL;
}

static int psk_lines(struct credentials *credentials, const char *path, char *text, struct vfiomig_error *err)
{
	char *rest = NULL;
	unsigned number = 0;

	for (char *line = text; line; line = rest) {
		const char *why;

		rest = strchr(line, '\n');
		if (rest)
			*rest++ = '\0';
		line[strcspn(line, "\r")] = '\0';
		number++;
		if (*line == '\0' || *line == '#')
			continue;
		why = psk_line(credentials, line);
		if (why)
			return psk_bad(path, number, why, err);
	}
	return credentials->entries ? 0 : psk_bad(path, number, "there is no key in it", err);
}

int psk_file_read(struct credentials *credentials, const char *path, struct vfiomig_error *err)
{
	int fd = secret_open(path, "psk-file", err), rc;
	size_t got_bytes = 0;
	ssize_t got = 1;
	char *text;

	if (fd < 0)
		return fd;
	text = calloc(1, PSK_FILE_BYTES_MAX + 1);
	while (text && got > 0 && got_bytes < PSK_FILE_BYTES_MAX) {
		got = read(fd, text + got_bytes, PSK_FILE_BYTES_MAX - got_bytes);
		got_bytes += got > 0 ? (size_t)got : 0;
	}
	rc = got < 0 ? -errno : 0;
	close(fd);
	if (!text)
		return error_set(err, VFIOMIG_INTERNAL, ENOMEM, NULL, "no memory for a key");
	if (rc)
		error_set(err, VFIOMIG_PREFLIGHT, -rc, "psk-file", "'%s' cannot be read: %s", path, strerror(-rc));
	else if (got_bytes == PSK_FILE_BYTES_MAX || strlen(text) != got_bytes)
		rc = error_set(err, VFIOMIG_PREFLIGHT, EINVAL, "psk-file", "'%s' is not a file of psktool", path);
	else
		rc = psk_lines(credentials, path, text, err);
	explicit_bzero(text, got_bytes);
	free(text);
	return rc;
}
