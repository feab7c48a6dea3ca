/* SPDX-License-Identifier: MIT */
/* A cancel ends any wait, and when the loader has returned nobody writes from the caller's memory any more. */
#include <criterion/criterion.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "io/loader.h"
#include "support/loaders.h"
#include "support/seccomp.h"

static uint8_t data[1 << 20], out[1 << 20];

/* Signals cancel_fd once the pipe or socket is as full as it gets. */
struct canceller {
	int pipe_fd; /* read end */
	int full;    /* bytes */
	int cancel_fd;
	pthread_t thread;
};

static void *cancel_when_full(void *argument)
{
	struct canceller *canceller = argument;
	int bytes = 0;

	while (bytes < canceller->full) {
		ioctl(canceller->pipe_fd, FIONREAD, &bytes);
		sched_yield();
	}
	eventfd_write(canceller->cancel_fd, 1);
	return NULL;
}

/* What is in the pipe now; it stays open. */
static size_t empty_pipe(int fd)
{
	ssize_t n;
	size_t total = 0;

	cr_assert_eq(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	while ((n = read(fd, out, sizeof(out))) > 0)
		total += (size_t)n;
	cr_assert_eq(errno, EAGAIN);
	return total;
}

static void check_full(enum vfiomig_loader kind, int fds[2], int full)
{
	struct canceller canceller = { .pipe_fd = fds[0], .full = full, .cancel_fd = eventfd(0, 0) };
	struct loader *loader;

	loader = loader_here(&(struct loader_config){ kind, fds[1], canceller.cancel_fd, { 0 }, true });
	pthread_create(&canceller.thread, NULL, cancel_when_full, &canceller);
	cr_assert_eq(loader_write(loader, &(struct iovec){ data, sizeof(data) }, 1), -ECANCELED);
	pthread_join(canceller.thread, NULL);
	cr_assert_geq(empty_pipe(fds[0]), (size_t)canceller.full);
	/* There is room now: a write that was left behind would use it. */
	cr_assert_eq(empty_pipe(fds[0]), 0);
	loader_close(loader);
	cr_assert_eq(empty_pipe(fds[0]), 0);
	close(fds[0]);
	close(fds[1]);
}

static void check_full_pipe(enum vfiomig_loader kind, int flags)
{
	int fds[2];

	cr_assert_eq(pipe2(fds, flags), 0);
	check_full(kind, fds, fcntl(fds[1], F_GETPIPE_SZ));
}

/* One test each, for a ring's end in the background kicks its process out of any sleep, and hides one that would last. */
Test(loader_cancel, ends_the_wait_for_a_full_pipe_by_uring, .timeout = 60)
{
	loaders_need_uring();
	check_full_pipe(VFIOMIG_LOADER_URING, 0);
	check_full_pipe(VFIOMIG_LOADER_URING, O_NONBLOCK);
}

Test(loader_cancel, ends_the_wait_for_a_full_pipe_by_write, .timeout = 60)
{
	check_full_pipe(VFIOMIG_LOADER_WRITE, 0);
	check_full_pipe(VFIOMIG_LOADER_WRITE, O_NONBLOCK);
}

Test(loader_cancel, ends_the_wait_for_a_full_pipe_of_an_old_kernel, .timeout = 60)
{
	cr_assert(seccomp_refuse(SYS_pwritev2, EOPNOTSUPP));
	check_full_pipe(VFIOMIG_LOADER_WRITE, 0);
}

Test(loader_cancel, ends_the_wait_for_a_full_socket_by_write, .timeout = 60)
{
	int fds[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	check_full(VFIOMIG_LOADER_WRITE, fds, 65536);
}

Test(loader_cancel, wins_before_the_first_byte, .timeout = 60)
{
	for (enum vfiomig_loader kind = loaders_first(); kind <= VFIOMIG_LOADER_WRITE; kind++) {
		int fd = memfd_create("stream", 0);
		struct loader *loader = loader_here(&(struct loader_config){ kind, fd, eventfd(1, 0), { 0 }, true });

		cr_assert_eq(loader_write(loader, &(struct iovec){ data, 100 }, 1), -ECANCELED);
		cr_assert_eq(lseek(fd, 0, SEEK_END), 0);
		cr_assert_eq(loader_at(loader), 0);
		loader_close(loader);
	}
}

Test(loader_cancel, a_cancel_that_is_never_given_disturbs_nothing, .timeout = 60)
{
	for (enum vfiomig_loader kind = loaders_first(); kind <= VFIOMIG_LOADER_WRITE; kind++) {
		int fd = memfd_create("stream", 0);
		struct loader *loader = loader_here(&(struct loader_config){ kind, fd, eventfd(0, 0), { 0 }, true });

		cr_assert_eq(loader_write(loader, &(struct iovec){ data, sizeof(data) }, 1), 0);
		cr_assert_eq(lseek(fd, 0, SEEK_END), sizeof(data));
		loader_close(loader);
	}
}

/* Is a worker of io_uring asleep in this process? */
static bool worker_sleeps(void)
{
	DIR *tasks = opendir("/proc/self/task");
	struct dirent *task;
	bool found = false;

	while (tasks && !found && (task = readdir(tasks))) {
		char path[300], name[64], state = 0;
		FILE *stat;

		snprintf(path, sizeof(path), "/proc/self/task/%s/stat", task->d_name);
		stat = fopen(path, "r");
		if (!stat)
			continue;
		found = fscanf(stat, "%*d (%63[^)]) %c", name, &state) == 2 && !strncmp(name, "iou-wrk", 7) &&
			state == 'S';
		fclose(stat);
	}
	closedir(tasks);
	return found;
}

static void *cancel_when_asleep(void *argument)
{
	while (!worker_sleeps())
		sched_yield();
	eventfd_write(*(int *)argument, 1);
	return NULL;
}

/*
 * An eventfd is a driver in small: it has .write only, says that it is ready while it has room for 1, and then sleeps
 * inside the write of more.
 */
Test(loader_cancel, wakes_a_driver_that_sleeps_in_write, .timeout = 60)
{
	const uint64_t almost_full = UINT64_MAX - 2, more = 5;
	int fd = eventfd(0, 0), cancel_fd = eventfd(0, 0);
	struct loader *loader;
	pthread_t thread;
	uint64_t count;

	loaders_need_uring();
	cr_assert_eq(write(fd, &almost_full, 8), 8);
	loader = loader_here(&(struct loader_config){ VFIOMIG_LOADER_URING, fd, cancel_fd, { 0 }, true });
	pthread_create(&thread, NULL, cancel_when_asleep, &cancel_fd);
	cr_assert_eq(loader_write(loader, &(struct iovec){ (void *)&more, 8 }, 1), -ECANCELED);
	pthread_join(thread, NULL);
	cr_assert_eq(read(fd, &count, 8), 8);
	cr_assert_eq(count, almost_full);
	loader_close(loader);
	cr_assert_eq(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	cr_assert_eq(read(fd, &count, 8), -1); /* the 5 never came */
}

/* Memory whose second page is missing until somebody provides it: until then the kernel is stuck in it, cancel or not. */
struct hole {
	uint8_t *memory;
	int fault_fd, cancel_fd, returned_fd;
	bool returned_early;
	pthread_t thread;
};

static bool hole_open(struct hole *hole)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = { .mode = UFFDIO_REGISTER_MODE_MISSING };

	hole->memory = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(hole->memory, 1, 4096);
	hole->cancel_fd = eventfd(0, 0);
	hole->returned_fd = eventfd(0, 0);
	hole->fault_fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
	if (hole->fault_fd < 0 || ioctl(hole->fault_fd, UFFDIO_API, &api))
		return false;
	range.range.start = (uintptr_t)hole->memory + 4096;
	range.range.len = 4096;
	return !ioctl(hole->fault_fd, UFFDIO_REGISTER, &range);
}

/* Cancels when the kernel has met the hole, sees whether the loader returns all the same, and only then fills the hole. */
static void *hole_run(void *argument)
{
	struct hole *hole = argument;
	struct pollfd returned = { .fd = hole->returned_fd, .events = POLLIN };
	struct uffdio_zeropage zero = { 0 };
	struct uffd_msg fault;

	if (read(hole->fault_fd, &fault, sizeof(fault)) != sizeof(fault))
		return NULL;
	eventfd_write(hole->cancel_fd, 1);
	/* A right loader never returns here, however long this takes; a wrong one has this long to be caught. */
	hole->returned_early = poll(&returned, 1, 300) > 0;
	zero.range.start = (uintptr_t)hole->memory + 4096;
	zero.range.len = 4096;
	ioctl(hole->fault_fd, UFFDIO_ZEROPAGE, &zero);
	return NULL;
}

Test(loader_cancel, waits_for_a_write_that_cannot_be_interrupted, .timeout = 60)
{
	int fd = open("/proc/self/mem", O_RDWR);
	struct hole hole = { 0 };
	struct loader *loader;

	loaders_need_uring();
	if (!hole_open(&hole))
		cr_skip_test("no userfaultfd for the kernel's faults; root, or sysctl vm.unprivileged_userfaultfd=1");
	lseek(fd, (off_t)(uintptr_t)out, SEEK_SET);
	loader = loader_here(&(struct loader_config){ VFIOMIG_LOADER_URING, fd, hole.cancel_fd, { 0 }, true });
	pthread_create(&hole.thread, NULL, hole_run, &hole);
	cr_assert_eq(loader_write(loader, &(struct iovec){ hole.memory, 8192 }, 1), -ECANCELED);
	eventfd_write(hole.returned_fd, 1);
	pthread_join(hole.thread, NULL);
	cr_assert_not(hole.returned_early);
	loader_close(loader);
}
