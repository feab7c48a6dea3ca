/* SPDX-License-Identifier: MIT */
/*
 * Reads straight into slots, so that a byte of device state is copied once between the driver and the wire. What a read
 * of nothing or a failure means differs between drivers and is the device's own word (explain).
 */
#include "io/reader.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "io/wait.h"

static int stop_or_fail(struct reader *reader, ssize_t result, enum reader_stop *stop)
{
	uint64_t at = reader->at;
	int meaning = explain_result(&reader->explain, result, &at);

	if (meaning == 0 || meaning == -ENOMSG) {
		*stop = meaning ? READER_NOTHING : READER_END;
		return 0;
	}
	reader->at = at;
	/* ECANCELED is the session's word; a number above 0 is nobody's. */
	return meaning > 0 || meaning == -ECANCELED ? -EIO : meaning;
}

/* The device's answer to one call, once it gives one: not EINTR, and EAGAIN only where it cannot be waited for. */
static int read_once(const struct reader *reader, void *to, size_t bytes, ssize_t *result)
{
	for (;;) {
		int rc = wait_ready(reader->fd, POLLIN, reader->cancel_fd);

		if (rc)
			return rc;
		call_begin(&reader->call);
		*result = read(reader->fd, to, bytes);
		if (*result < 0)
			*result = -errno;
		call_end(&reader->call);
		if (*result == -EINTR || (*result == -EAGAIN && wait_may_block(reader->fd)))
			continue;
		return 0;
	}
}

int reader_fill(struct reader *reader, void *buffer, size_t bytes, size_t *got, enum reader_stop *stop)
{
	*got = 0;
	*stop = READER_FULL;
	while (*got < bytes) {
		ssize_t result;
		int rc = read_once(reader, (char *)buffer + *got, bytes - *got, &result);

		if (rc)
			return rc;
		if (result <= 0)
			return stop_or_fail(reader, result, stop);
		*got += (size_t)result;
		reader->at += (size_t)result;
	}
	return 0;
}
