/* SPDX-License-Identifier: MIT */
/* See pace.h. */
#include "pace.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "moment.h"

enum { PIPE_BYTES_MIN = 4096, PIPE_BYTES_MAX = 1 << 20, PIECE_BYTES_MAX = 256 << 10, HIDES_PER_S = 50 };

/* Delay that a rate makes up for; a device that had nothing to do for longer does not save its time up. */
#define CATCH_UP_NS ((uint64_t)5 * NS_PER_MS)

static int pipe_bytes(uint64_t rate)
{
	int bytes = PIPE_BYTES_MIN;

	while (bytes < PIPE_BYTES_MAX && (uint64_t)bytes * 2 <= rate / HIDES_PER_S)
		bytes *= 2;
	return bytes;
}

/* Write all of it where @at is none (-1), or there. */
static int put_all(int fd, const char *data, size_t bytes, off_t at)
{
	while (bytes) {
		ssize_t put = at < 0 ? write(fd, data, bytes) : pwrite(fd, data, bytes, at);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return -errno;
		data += put;
		bytes -= (size_t)put;
		at += at < 0 ? 0 : put;
	}
	return 0;
}

static ssize_t get(const struct pace *pace, char *piece, size_t bytes)
{
	ssize_t got;

	do
		got = pace->gives ? pread(pace->file, piece, bytes, (off_t)pace->bytes)
				  : read(pace->own_fd, piece, bytes);
	while (got < 0 && errno == EINTR);
	return got < 0 ? -errno : got;
}

/* Its one end is the user's: a pipe that is closed there ends a giving stream without error. */
static int put(const struct pace *pace, const char *piece, size_t bytes)
{
	return pace->gives ? put_all(pace->own_fd, piece, bytes, -1)
			   : put_all(pace->file, piece, bytes, (off_t)pace->bytes);
}

static void *run(void *context)
{
	struct pace *pace = context;
	size_t most = (size_t)pipe_bytes(pace->rate);
	uint64_t due_ns = 0;
	static _Thread_local char piece[PIECE_BYTES_MAX];
	ssize_t got;

	if (most > sizeof(piece))
		most = sizeof(piece);
	while ((got = get(pace, piece, most)) > 0) {
		uint64_t now_ns = moment_now().wall_ns;

		pace->error = put(pace, piece, (size_t)got);
		if (pace->error)
			break;
		pace->bytes += (uint64_t)got;
		if (due_ns + CATCH_UP_NS < now_ns)
			due_ns = now_ns - (due_ns ? CATCH_UP_NS : 0);
		due_ns += (uint64_t)((double)got / (double)pace->rate * NS_PER_S);
		moment_sleep_until(due_ns);
	}
	if (got < 0)
		pace->error = (int)got;
	if (pace->error == -EPIPE)
		pace->error = 0;
	close(pace->own_fd);
	return NULL;
}

int pace_begin(struct pace *pace, int file, bool gives, uint64_t rate)
{
	int ends[2], rc;

	*pace = (struct pace){ .gives = gives, .file = file, .rate = rate };
	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	(void)fcntl(ends[1], F_SETPIPE_SZ, pipe_bytes(rate)); /* refused beyond a limit: then it hides a little less */
	pace->data_fd = gives ? ends[0] : ends[1];
	pace->own_fd = gives ? ends[1] : ends[0];
	rc = pthread_create(&pace->thread, NULL, run, pace);
	if (rc) {
		close(ends[0]);
		close(ends[1]);
		return -rc;
	}
	pace->runs = true;
	return 0;
}

int pace_end(struct pace *pace)
{
	if (!pace->runs)
		return 0;
	close(pace->data_fd);
	pthread_join(pace->thread, NULL);
	pace->runs = false;
	return pace->error;
}
