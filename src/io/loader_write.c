/* SPDX-License-Identifier: MIT */
/*
 * Loading by write(2), for hosts without io_uring. A driver that sleeps inside its write ends by itself only: nothing but
 * a signal could wake it, and a library has none to spare. Pipes and sockets, behind which simulated devices live,
 * would sleep there too when a reader is slow; they can be asked not to, so that poll(2) does the waiting.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "io/loader_kind.h"
#include "io/wait.h"

typedef ssize_t (*write_call)(int fd, const struct iovec *run);

struct write_loader {
	struct loader loader;
	write_call call;
};

static ssize_t call_write(int fd, const struct iovec *run)
{
	return write(fd, run->iov_base, run->iov_len);
}

static ssize_t call_send(int fd, const struct iovec *run)
{
	return send(fd, run->iov_base, run->iov_len, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static ssize_t call_pipe(int fd, const struct iovec *run)
{
	return pwritev2(fd, run, 1, -1, RWF_NOWAIT);
}

/* What poll(2) promises of a pipe: this much goes in without sleeping. */
static ssize_t call_pipe_buf(int fd, const struct iovec *run)
{
	return write(fd, run->iov_base, run->iov_len < PIPE_BUF ? run->iov_len : PIPE_BUF);
}

static write_call call_for(int fd)
{
	struct stat stat;

	if (fstat(fd, &stat))
		return call_write;
	if (S_ISSOCK(stat.st_mode))
		return call_send;
	return S_ISFIFO(stat.st_mode) ? call_pipe : call_write;
}

static int write_wait(struct loader *loader, const struct iovec *run, ssize_t *result)
{
	struct write_loader *self = (struct write_loader *)loader;

	for (;;) {
		int rc = wait_ready(loader->config.fd, POLLOUT, loader->config.cancel_fd);

		if (rc)
			return rc;
		call_begin(&loader->call);
		*result = self->call(loader->config.fd, run);
		if (*result < 0)
			*result = -errno;
		call_end(&loader->call);
		if (*result == -EOPNOTSUPP && self->call == call_pipe)
			self->call = call_pipe_buf; /* a kernel before 6.4 */
		else if (*result != -EAGAIN || self->call == call_write)
			return 0;
	}
}

static void write_close(struct loader *loader)
{
	free(loader);
}

const struct loader_kind loader_write_kind = { .name = "write", .write = write_wait, .close = write_close };

int loader_write_open(struct loader **out, int fd, struct vfiomig_error *err)
{
	struct write_loader *self = calloc(1, sizeof(*self));

	if (!self)
		return error_set(err, VFIOMIG_INTERNAL, ENOMEM, NULL, "no memory for a loader");
	self->loader.kind = &loader_write_kind;
	self->call = call_for(fd);
	*out = &self->loader;
	return 0;
}
