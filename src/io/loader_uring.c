/* SPDX-License-Identifier: MIT */
/*
 * Loading by io_uring: a write that a driver sleeps in can be given up. One WRITE of contiguous pieces is in flight, which
 * measured within 2 % of bare write(2) for pieces of 1 MiB and within 8 % for 64 KiB (4 to 16 at once, on a file and on a
 * descriptor with .write only); chains of linked writes came to 3-17 % below, worst for small pieces, and one WRITEV to 1-6 %. A WRITEV's
 * short count also hides the error of the segment after it.
 * The ring may write to the one registered file and cancel, no more: io_uring bypasses seccomp.
 */
#include <assert.h>
#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"
#include "io/loader_kind.h"
#include "io/wait.h"

enum {
	RING_ENTRIES = 4,      /* one write and one cancel at a time */
	THE_FILE = 0,	       /* index of the data_fd in the ring's table */
	CANCEL_TAG = 0,	       /* user_data of cancels; writes count from 1 */
	CANCEL_AGAIN_MS = 100, /* a cancel can miss a write that is just changing hands between kernel threads */
};

struct uring_loader {
	struct loader loader;
	struct io_uring ring;
	off_t start;	 /* position of the file when the loader opened; -1: a stream, which has none */
	uint64_t writes; /* begun so far, and the user_data of the last */
	int broken;	 /* a write is stuck in the submission queue: nothing may be submitted after it */
};

/* Put what was prepared before the kernel, whole. */
static int submit(struct uring_loader *self)
{
	int rc;

	do
		rc = io_uring_submit(&self->ring);
	while (rc == -EINTR);
	if (rc == 1)
		return 0;
	self->broken = rc < 0 ? rc : -EAGAIN;
	return self->broken;
}

static int begin(struct uring_loader *self, const struct iovec *run)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&self->ring);

	assert(sqe && run->iov_len <= INT32_MAX);
	/* Offset -1: at the file's own position, as write(2); a driver's stream has no other. */
	io_uring_prep_write(sqe, THE_FILE, run->iov_base, (unsigned)run->iov_len, (uint64_t)-1);
	sqe->flags |= IOSQE_FIXED_FILE;
	sqe->user_data = ++self->writes;
	return submit(self);
}

/* Is the write done? Answers to cancels, which may come late, are passed over. */
static bool reap(struct uring_loader *self, ssize_t *result)
{
	struct io_uring_cqe *cqe;
	bool done = false;

	while (!io_uring_peek_cqe(&self->ring, &cqe)) {
		if (cqe->user_data == self->writes) {
			*result = cqe->res;
			done = true;
		}
		io_uring_cqe_seen(&self->ring, cqe);
	}
	return done;
}

static void cancel(struct uring_loader *self)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&self->ring);

	if (!sqe || self->broken)
		return;
	io_uring_prep_cancel64(sqe, self->writes, 0);
	sqe->flags |= IOSQE_FIXED_FILE; /* means nothing here, but the restrictions want it on every request */
	sqe->user_data = CANCEL_TAG;
	submit(self);
}

/* Returns @reason once the kernel has let go of our memory: a driver that cannot be interrupted is waited for. */
static int abandon(struct uring_loader *self, int reason)
{
	struct pollfd ring = { .fd = self->ring.ring_fd, .events = POLLIN };
	ssize_t ignored;

	for (;;) {
		cancel(self);
		/* Before the sleep, for the cancel's own answer would end it at once. */
		if (reap(self, &ignored))
			return reason;
		poll(&ring, 1, CANCEL_AGAIN_MS);
		if (reap(self, &ignored))
			return reason;
	}
}

/*
 * A write to a regular file that ended early because it met an error reports the bytes before it, and yet leaves the
 * file's position where it was (seen on 6.18): the rest would go to the wrong place. A driver's stream is not concerned.
 */
static void mend_position(const struct uring_loader *self, const struct iovec *run, ssize_t result)
{
	const struct loader *loader = &self->loader;

	if (self->start >= 0 && result > 0 && (size_t)result < run->iov_len)
		lseek(loader->config.fd, self->start + (off_t)loader->at + (off_t)result, SEEK_SET);
}

static int wait_for_write(struct uring_loader *self, ssize_t *result)
{
	while (!reap(self, result)) {
		int rc = wait_ready(self->ring.ring_fd, POLLIN, self->loader.config.cancel_fd);

		if (rc)
			return abandon(self, rc);
	}
	return 0;
}

static int uring_write(struct loader *loader, const struct iovec *run, ssize_t *result)
{
	struct uring_loader *self = (struct uring_loader *)loader;
	int rc = self->broken ? self->broken : begin(self, run);

	if (rc)
		return rc;
	/* From here on the kernel writes from our memory, and a cancel may be in vain. */
	call_begin(&loader->call);
	rc = wait_for_write(self, result);
	call_end(&loader->call);
	if (!rc)
		mend_position(self, run, *result);
	return rc;
}

/* By hand: liburing 2.3 declares its calls for these two, and forgot to export them. */
static int ring_register(struct io_uring *ring, unsigned opcode, void *argument, unsigned count)
{
	return syscall(__NR_io_uring_register, ring->ring_fd, opcode, argument, count) < 0 ? -errno : 0;
}

static int restrict_ring(struct io_uring *ring)
{
	struct io_uring_restriction rules[] = {
		{ .opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_WRITE },
		{ .opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_ASYNC_CANCEL },
		{ .opcode = IORING_RESTRICTION_SQE_FLAGS_REQUIRED, .sqe_flags = IOSQE_FIXED_FILE },
		{ .opcode = IORING_RESTRICTION_REGISTER_OP, .register_op = IORING_UNREGISTER_FILES },
	};
	int rc = ring_register(ring, IORING_REGISTER_RESTRICTIONS, rules, sizeof(rules) / sizeof(rules[0]));

	return rc ? rc : ring_register(ring, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
}

/* The kernel's workers, which do the writes, would run on any processor, whatever this thread is allowed. */
static void stay_with_thread(struct io_uring *ring)
{
	cpu_set_t cpus;

	if (!sched_getaffinity(0, sizeof(cpus), &cpus))
		(void)io_uring_register_iowq_aff(ring, sizeof(cpus), &cpus); /* since 5.14 */
}

static int ring_open(struct io_uring *ring, int fd, unsigned flags)
{
	int rc = io_uring_queue_init(RING_ENTRIES, ring, flags);

	if (rc)
		return rc;
	/* As old as the offset -1, and younger than everything else that is used here. */
	rc = ring->features & IORING_FEAT_RW_CUR_POS ? io_uring_register_files(ring, &fd, 1) : -ENOSYS;
	if (!rc)
		rc = io_uring_ring_dontfork(ring);
	stay_with_thread(ring);
	if (!rc && flags & IORING_SETUP_R_DISABLED)
		rc = restrict_ring(ring);
	if (rc)
		io_uring_queue_exit(ring);
	return rc;
}

static void uring_close(struct loader *loader)
{
	struct uring_loader *self = (struct uring_loader *)loader;

	/* A ring dies in the background; the device's file must not wait for that. */
	io_uring_unregister_files(&self->ring);
	io_uring_queue_exit(&self->ring);
	free(self);
}

const struct loader_kind loader_uring_kind = { .name = "uring", .write = uring_write, .close = uring_close };

static int refuse(int rc, struct vfiomig_error *err)
{
	if (rc == -ENOSYS)
		return error_set(err, VFIOMIG_PREFLIGHT, ENOSYS, "io-uring-absent",
				 "this kernel has no io_uring that would do: let the loader be auto or write");
	if (rc == -EPERM)
		return error_set(
			err, VFIOMIG_PREFLIGHT, EPERM, "io-uring-forbidden",
			"io_uring is forbidden here, by the sysctl kernel.io_uring_disabled or by a container's "
			"seccomp filter: allow it, or let the loader be auto or write");
	return error_set(err, VFIOMIG_PREFLIGHT, -rc, "io-uring", "an io_uring for the device cannot be had (errno %d)",
			 -rc);
}

int loader_uring_open(struct loader **out, int fd, struct vfiomig_error *err)
{
	struct uring_loader *self = calloc(1, sizeof(*self));
	int rc;

	if (!self)
		return error_set(err, VFIOMIG_INTERNAL, ENOMEM, NULL, "no memory for a loader");
	self->loader.kind = &loader_uring_kind;
	self->start = lseek(fd, 0, SEEK_CUR);
	rc = ring_open(&self->ring, fd, IORING_SETUP_R_DISABLED);
	if (rc == -EINVAL)
		rc = ring_open(&self->ring, fd, 0); /* before 5.10: no restrictions */
	if (!rc) {
		*out = &self->loader;
		return 0;
	}
	free(self);
	return refuse(rc, err);
}
