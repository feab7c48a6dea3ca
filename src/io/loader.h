/* SPDX-License-Identifier: MIT */
/*
 * Writes a device's stream into its resuming data_fd, in order. The kernel punts each io_uring write on such a
 * descriptor to unordered workers, so one write is in flight per device, of as many neighbouring pieces as lie
 * contiguous in memory; a short write is continued where it stopped. Owned by the device's thread, which has SIGPIPE
 * blocked or ignored; one ring per loader.
 */
#ifndef IO_LOADER_H
#define IO_LOADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include <vfiomig/session.h>

#include "io/call.h"
#include "io/explain.h"

struct loader;

struct loader_config {
	enum vfiomig_loader kind; /* AUTO: io_uring where the kernel has it and allows it, else write(2) */
	int fd;			  /* resuming data_fd; the device's, its position the loader's until close */
	int cancel_fd;		  /* readable: give up; the session's */
	struct explain explain;
	bool split; /* may a piece be split over several writes? false for devices of a few hundred bytes */
};

/*
 * Returns 0 and sets *@out, the caller's to close, or
 *   -ENOSYS, -EPERM (VFIOMIG_PREFLIGHT)  URING was asked for and is absent or forbidden
 *   any other (VFIOMIG_PREFLIGHT)        URING was asked for and a limit (memory, descriptors) was met
 *   -ENOMEM (VFIOMIG_INTERNAL)
 * Nothing is allocated later.
 */
int loader_open(struct loader **out, const struct loader_config *config, struct vfiomig_error *err);

/* From now on @call is told of each write. Its context must outlive the loader. */
void loader_watch(struct loader *loader, struct call_watch call);

/* "uring" or "write". */
const char *loader_name(const struct loader *loader);

/*
 * Write all of @pieces, in order; returns when the device has taken every byte. @count <= LOADER_PIECES_MAX.
 *   -ECANCELED  cancel_fd became readable; how much was taken is unknown: the device must be reset
 *   -EIO        the device took 0 bytes of a write that was not empty
 *   any other   the device's own error, loader_at tells at which byte
 */
enum { LOADER_PIECES_MAX = 16 };
int loader_write(struct loader *loader, const struct iovec *pieces, unsigned count);

/* Bytes of the stream that the device has taken; after a failure, where it failed. */
uint64_t loader_at(const struct loader *loader);

/* NULL is fine. The descriptor stays open. */
void loader_close(struct loader *loader);

#endif
