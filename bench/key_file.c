/* SPDX-License-Identifier: MIT */
/* See key_file.h. */
#include "key_file.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

enum { KEY_BYTES = 32 };

int key_file_make(char path[KEY_FILE_PATH_BYTES], struct vfiomig_error *err)
{
	char line[2 * KEY_BYTES + 16] = "bench:";
	const char *folder = getenv("TMPDIR");
	size_t length = strlen(line);
	uint8_t key[KEY_BYTES];
	int fd, rc = 0;

	snprintf(path, KEY_FILE_PATH_BYTES, "%s/vfiomig-bench-key-XXXXXX", folder ? folder : "/tmp");
	fd = mkstemp(path); /* readable for its owner only, which the library asks for */
	if (fd < 0 || getrandom(key, sizeof(key), 0) != (ssize_t)sizeof(key))
		rc = -errno;
	for (size_t i = 0; i < sizeof(key) && !rc; i++)
		length += (size_t)snprintf(line + length, sizeof(line) - length, "%02x", key[i]);
	line[length++] = '\n';
	if (!rc && write(fd, line, length) != (ssize_t)length)
		rc = -EIO;
	if (rc)
		snprintf(err->text, sizeof(err->text), "no key for sealed packets could be written: %s", strerror(-rc));
	if (rc && fd >= 0)
		unlink(path);
	if (fd >= 0)
		close(fd);
	return rc;
}
