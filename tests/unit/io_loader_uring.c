/* SPDX-License-Identifier: MIT */
/* Which loader is taken where io_uring is absent or forbidden, and how little its ring can do where it is not. */
#include <criterion/criterion.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
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
