/* SPDX-License-Identifier: MIT */
/* Which loader is taken where io_uring is absent or forbidden, and how little its ring can do where it is not. */
#include <criterion/criterion.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "io/loader.h"
#include "support/loaders.h"
#include "support/seccomp.h"

/* Opens @kind over a file, loads a little, and sees whether it came. */
static void check_loads(enum vfiomig_loader kind, const char *name)
{
	int fd = memfd_create("stream", 0);
	struct loader *loader = loader_here(&(struct loader_config){ kind, fd, -1, { 0 }, true });
	char got[5] = "";

	cr_assert_str_eq(loader_name(loader), name);
	cr_assert_eq(loader_write(loader, &(struct iovec){ (void *)"load", 4 }, 1), 0);
	cr_assert_eq(loader_at(loader), 4);
	loader_close(loader);
	cr_assert_eq(pread(fd, got, 4, 0), 4);
	cr_assert_str_eq(got, "load");
}

static void check_refused(int errnum, const char *name)
{
	struct loader_config config = { .kind = VFIOMIG_LOADER_URING,
					.fd = memfd_create("stream", 0),
					.cancel_fd = -1 };
	struct loader *loader = (struct loader *)&config;
	struct vfiomig_error err = { 0 };

	cr_assert_eq(loader_open(&loader, &config, &err), -errnum);
	cr_assert_null(loader);
	cr_assert_eq(err.code, VFIOMIG_PREFLIGHT);
	cr_assert_eq(err.errnum, errnum);
	cr_assert_str_eq(err.name, name);
	cr_assert(strlen(err.text) > 20);
}

Test(loader_uring, auto_takes_it_where_it_is_allowed)
{
	loaders_need_uring();
	check_loads(VFIOMIG_LOADER_AUTO, "uring");
}

Test(loader_uring, write_is_taken_when_it_is_asked_for)
{
	check_loads(VFIOMIG_LOADER_WRITE, "write");
}

Test(loader_uring, auto_writes_where_it_is_forbidden)
{
	cr_assert(seccomp_refuse(SYS_io_uring_setup, EPERM));
	check_loads(VFIOMIG_LOADER_AUTO, "write");
}

Test(loader_uring, auto_writes_where_it_is_absent)
{
	cr_assert(seccomp_refuse(SYS_io_uring_setup, ENOSYS));
	check_loads(VFIOMIG_LOADER_AUTO, "write");
}

Test(loader_uring, auto_writes_where_half_of_it_is_forbidden)
{
	cr_assert(seccomp_refuse(SYS_io_uring_register, EPERM));
	check_loads(VFIOMIG_LOADER_AUTO, "write");
}

Test(loader_uring, is_refused_by_name_where_it_is_forbidden)
{
	cr_assert(seccomp_refuse(SYS_io_uring_setup, EPERM));
	check_refused(EPERM, "io-uring-forbidden");
}

Test(loader_uring, is_refused_by_name_where_it_is_absent)
{
	cr_assert(seccomp_refuse(SYS_io_uring_setup, ENOSYS));
	check_refused(ENOSYS, "io-uring-absent");
}

Test(loader_uring, does_without_restrictions_where_the_kernel_has_none)
{
	loaders_need_uring();
	cr_assert(seccomp_refuse_bits(SYS_io_uring_register, 1, IORING_REGISTER_RESTRICTIONS, EINVAL));
	check_loads(VFIOMIG_LOADER_URING, "uring");
}

/* The descriptors of io_urings that this process has open; the last one in @fd. */
static unsigned rings(int *fd)
{
	DIR *fds = opendir("/proc/self/fd");
	struct dirent *entry;
	unsigned count = 0;

	while ((entry = readdir(fds))) {
		char target[64] = "";

		if (readlinkat(dirfd(fds), entry->d_name, target, sizeof(target) - 1) < 0 ||
		    !strstr(target, "[io_uring]"))
			continue;
		*fd = atoi(entry->d_name);
		count++;
	}
	closedir(fds);
	return count;
}

Test(loader_uring, its_ring_takes_no_other_file_or_memory)
{
	struct loader_config config = { VFIOMIG_LOADER_URING, memfd_create("stream", 0), -1, { 0 }, true };
	struct loader *loader;
	int ring = -1, other = eventfd(0, 0);

	loaders_need_uring();
	loader = loader_here(&config);
	cr_assert_eq(rings(&ring), 1);
	cr_assert_eq(syscall(SYS_io_uring_register, ring, IORING_REGISTER_EVENTFD, &other, 1), -1);
	cr_assert_eq(errno, EACCES);
	loader_close(loader);
}

/* Room for as many requests as the ring of @fd has; the kernel says it of every ring. */
static unsigned ring_entries(int fd)
{
	char path[64], line[64];
	unsigned mask = 0;
	FILE *info;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	info = fopen(path, "r");
	while (info && fgets(line, sizeof(line), info))
		if (sscanf(line, "SqMask: %x", &mask) == 1)
			break;
	cr_assert(info && mask > 0);
	fclose(info);
	return mask + 1;
}

/* Maps the ring of @fd, as whoever has taken the process over could: where its parts are is told by a twin. */
static void ring_take(int fd, struct io_uring *taken)
{
	struct io_uring_params params = { 0 };
	struct io_uring twin;

	cr_assert_eq(io_uring_queue_init_params(ring_entries(fd), &twin, &params), 0);
	io_uring_queue_exit(&twin);
	memset(taken, 0, sizeof(*taken));
	cr_assert_eq(io_uring_queue_mmap(fd, &params, taken), 0);
}

/* What becomes of one request: it is prepared as @like, with @flags. */
static int ring_ask(struct io_uring *ring, const struct io_uring_sqe *like, unsigned char flags)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
	struct io_uring_cqe *cqe;
	int result;

	cr_assert_not_null(sqe);
	*sqe = *like;
	sqe->flags = flags;
	cr_assert_eq(io_uring_submit_and_wait(ring, 1), 1);
	cr_assert_eq(io_uring_peek_cqe(ring, &cqe), 0);
	result = cqe->res;
	io_uring_cqe_seen(ring, cqe);
	return result;
}

Test(loader_uring, its_ring_writes_to_its_one_file_and_does_nothing_else)
{
	struct loader_config config = { VFIOMIG_LOADER_URING, memfd_create("stream", 0), -1, { 0 }, true };
	int ring = -1, other = memfd_create("other", 0);
	struct io_uring_sqe request = { 0 };
	struct loader *loader;
	struct io_uring taken;
	char byte = 'x';

	loaders_need_uring();
	loader = loader_here(&config);
	cr_assert_eq(rings(&ring), 1);
	ring_take(ring, &taken);
	io_uring_prep_write(&request, 0, &byte, 1, 0);
	cr_assert_eq(ring_ask(&taken, &request, IOSQE_FIXED_FILE), 1, "what it is for");
	io_uring_prep_write(&request, other, &byte, 1, 0);
	cr_assert_eq(ring_ask(&taken, &request, 0), -EACCES);
	io_uring_prep_read(&request, 0, &byte, 1, 0);
	cr_assert_eq(ring_ask(&taken, &request, IOSQE_FIXED_FILE), -EACCES);
	io_uring_prep_openat(&request, AT_FDCWD, "/etc/passwd", O_RDONLY, 0);
	cr_assert_eq(ring_ask(&taken, &request, 0), -EACCES);
	io_uring_prep_socket(&request, AF_INET, SOCK_STREAM, 0, 0);
	cr_assert_eq(ring_ask(&taken, &request, IOSQE_FIXED_FILE), -EACCES);
	io_uring_prep_write(&request, 0, &byte, 1, 0);
	cr_assert_eq(ring_ask(&taken, &request, IOSQE_FIXED_FILE | IOSQE_IO_LINK), -EACCES);
	loader_close(loader);
}

Test(loader_uring, leaves_no_descriptor_behind)
{
	struct loader_config config = { VFIOMIG_LOADER_URING, memfd_create("stream", 0), -1, { 0 }, true };
	int ring;

	loaders_need_uring();
	loader_close(loader_here(&config));
	cr_assert_eq(rings(&ring), 0);
	cr_assert(seccomp_refuse_bits(SYS_io_uring_register, 1, IORING_REGISTER_FILES, ENOMEM));
	check_refused(ENOMEM, "io-uring");
	cr_assert_eq(rings(&ring), 0);
}
