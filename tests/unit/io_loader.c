/* SPDX-License-Identifier: MIT */
/* What both kinds of loader owe: every byte once, in order, in few or many writes; and a cause for every failure. */
#include <criterion/criterion.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "io/loader.h"
#include "support/drain.h"
#include "support/loaders.h"
#include "support/random.h"
#include "support/seccomp.h"

enum { STREAM_BYTES = 3 << 20, STREAM_PIECES = 3000 };

static uint8_t want[STREAM_BYTES], got[STREAM_BYTES + 4096];

/*
 * Write the whole of @want, in pieces of random size that are partly neighbours in memory and partly not (the odd ones are
 * written from a copy elsewhere), up to LOADER_PIECES_MAX at once.
 */
static void write_stream(struct loader *loader, struct random *random)
{
	static uint8_t elsewhere[STREAM_BYTES];
	struct iovec list[LOADER_PIECES_MAX];
	size_t at = 0;

	memcpy(elsewhere, want, sizeof(want));
	while (at < sizeof(want)) {
		unsigned count = 1 + (unsigned)random_below(random, LOADER_PIECES_MAX);

		for (unsigned i = 0; i < count; i++) {
			size_t rest = sizeof(want) - at;
			size_t bytes = random_below(random, 2 * STREAM_BYTES / STREAM_PIECES);

			list[i].iov_len = bytes < rest ? bytes : rest;
			list[i].iov_base = (random_below(random, 4) ? want : elsewhere) + at;
			at += list[i].iov_len;
		}
		cr_assert_eq(loader_write(loader, list, count), 0);
		cr_assert_eq(loader_at(loader), at);
	}
}

/* @to_fd is written and closed; what comes out at @from_fd is compared. */
static void check_stream(struct loader_config config, int from_fd, unsigned yields)
{
	struct random random = { .state = 1234567 };
	struct drain drain = { .fd = from_fd, .bite = 5000, .to = got, .bytes = sizeof(got), .yields = yields };
	struct loader *loader = loader_here(&config);

	random_fill(&random, want, sizeof(want));
	drain_start(&drain);
	write_stream(loader, &random);
	loader_close(loader);
	close(config.fd);
	drain_join(&drain);
	cr_assert_eq(drain.got, sizeof(want));
	cr_assert_eq(memcmp(got, want, sizeof(want)), 0);
}

Test(loader, keeps_order_through_a_small_pipe)
{
	for (enum vfiomig_loader kind = loaders_first(); kind <= VFIOMIG_LOADER_WRITE; kind++) {
		for (int split = 0; split < 2; split++) {
			int fds[2];

			cr_assert_eq(pipe2(fds, 0), 0);
			cr_assert_geq(fcntl(fds[1], F_SETPIPE_SZ, 4096), 4096);
			check_stream((struct loader_config){ kind, fds[1], -1, { 0 }, split }, fds[0], 0);
			close(fds[0]);
		}
	}
}

Test(loader, keeps_order_into_a_slow_reader)
{
	for (enum vfiomig_loader kind = loaders_first(); kind <= VFIOMIG_LOADER_WRITE; kind++) {
		int fds[2];

		cr_assert_eq(pipe2(fds, 0), 0);
		check_stream((struct loader_config){ kind, fds[1], -1, { 0 }, true }, fds[0], 20);
	}
}

Test(loader, keeps_order_through_a_socket)
{
	for (enum vfiomig_loader kind = loaders_first(); kind <= VFIOMIG_LOADER_WRITE; kind++) {
		int fds[2], bytes = 4096;

		cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
		setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
		check_stream((struct loader_config){ kind, fds[1], -1, { 0 }, true }, fds[0], 0);
	}
}

Test(loader, waits_for_a_nonblocking_descriptor)
{
	for (enum vfiomig_loader kind = loaders_first(); kind <= VFIOMIG_LOADER_WRITE; kind++) {
		int fds[2];

		cr_assert_eq(pipe2(fds, 0), 0);
		cr_assert_eq(fcntl(fds[1], F_SETFL, O_NONBLOCK), 0);
		check_stream((struct loader_config){ kind, fds[1], -1, { 0 }, true }, fds[0], 0);
	}
}

Test(loader, needs_no_pwritev2_for_a_pipe)
{
	int fds[2];

	cr_assert(seccomp_refuse(SYS_pwritev2, EOPNOTSUPP));
	cr_assert_eq(pipe2(fds, 0), 0);
	check_stream((struct loader_config){ VFIOMIG_LOADER_WRITE, fds[1], -1, { 0 }, true }, fds[0], 0);
}

Test(loader, writes_a_file_at_its_own_position)
{
	for (enum vfiomig_loader kind = loaders_first(); kind <= VFIOMIG_LOADER_WRITE; kind++) {
		struct random random = { .state = 5 };
		struct loader_config config = { kind, memfd_create("stream", 0), -1, { 0 }, true };
		struct loader *loader;

		random_fill(&random, want, sizeof(want));
		cr_assert_eq(write(config.fd, "head", 4), 4);
		loader = loader_here(&config);
		write_stream(loader, &random);
		loader_close(loader);
		cr_assert_eq(pread(config.fd, got, sizeof(got), 4), (ssize_t)sizeof(want));
		cr_assert_eq(memcmp(got, want, sizeof(want)), 0);
	}
}

/* Like a driver's, this descriptor has .write and nothing else: io_uring hands every write to a worker. */
Test(loader, keeps_order_into_a_descriptor_that_has_write_only)
{
	for (enum vfiomig_loader kind = loaders_first(); kind <= VFIOMIG_LOADER_WRITE; kind++) {
		struct random random = { .state = 6 };
		struct loader_config config = { kind, open("/proc/self/mem", O_RDWR), -1, { 0 }, true };
		struct loader *loader;

		random_fill(&random, want, sizeof(want));
		memset(got, 0, sizeof(got));
		cr_assert_eq(lseek(config.fd, (off_t)(uintptr_t)got, SEEK_SET), (off_t)(uintptr_t)got);
		loader = loader_here(&config);
		write_stream(loader, &random);
		loader_close(loader);
		cr_assert_eq(memcmp(got, want, sizeof(want)), 0);
	}
}

Test(loader, makes_one_write_of_each_piece_that_may_not_be_split)
{
	for (enum vfiomig_loader kind = loaders_first(); kind <= VFIOMIG_LOADER_WRITE; kind++) {
		struct iovec list[] = { { want, 100 }, { want + 100, 0 }, { want + 100, 7 }, { want + 107, 300 } };
		int fds[2];

		cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), 0);
		struct loader *loader = loader_here(&(struct loader_config){ kind, fds[1], -1, { 0 }, false });
		cr_assert_eq(loader_write(loader, list, 4), 0);
		cr_assert_eq(read(fds[0], got, sizeof(got)), 100);
		cr_assert_eq(read(fds[0], got, sizeof(got)), 7);
		cr_assert_eq(read(fds[0], got, sizeof(got)), 300);
		loader_close(loader);
	}
}

Test(loader, makes_one_write_of_neighbours)
{
	for (enum vfiomig_loader kind = loaders_first(); kind <= VFIOMIG_LOADER_WRITE; kind++) {
		struct iovec list[] = { { want, 100 }, { want + 100, 7 }, { want + 200, 300 } };
		int fds[2];

		cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), 0);
		struct loader *loader = loader_here(&(struct loader_config){ kind, fds[1], -1, { 0 }, true });
		cr_assert_eq(loader_write(loader, list, 3), 0);
		cr_assert_eq(read(fds[0], got, sizeof(got)), 107);
		cr_assert_eq(read(fds[0], got, sizeof(got)), 300);
		loader_close(loader);
	}
}

/* A file of @bytes that cannot grow: everything beyond fails with EPERM. */
static int full_after(size_t bytes)
{
	int fd = memfd_create("full", MFD_ALLOW_SEALING);

	cr_assert_eq(ftruncate(fd, (off_t)bytes), 0);
	cr_assert_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW), 0);
	return fd;
}

Test(loader, a_failure_has_the_devices_errno_and_byte)
{
	for (enum vfiomig_loader kind = loaders_first(); kind <= VFIOMIG_LOADER_WRITE; kind++) {
		struct loader *loader =
			loader_here(&(struct loader_config){ kind, full_after(3 * 4096), -1, { 0 }, true });
		struct iovec list[] = { { want, 8192 }, { want + 8192, 65536 } };

		cr_assert_eq(loader_write(loader, list, 2), -EPERM);
		cr_assert_eq(loader_at(loader), 3 * 4096);
		loader_close(loader);
	}
}

struct said {
	int meaning;
	ssize_t result;
	uint64_t at;
};

static int say(void *dev, ssize_t result, uint64_t *at)
{
	struct said *said = dev;

	said->result = result;
	said->at = *at;
	*at = 77;
	return said->meaning;
}

Test(loader, a_device_explains_its_failure)
{
	/* What it says, and what comes of it: an end is no answer to a write, and ECANCELED is the session's word. */
	static const int meanings[][2] = { { -ENODEV, -ENODEV }, { 0, -EIO }, { 9, -EIO }, { -ECANCELED, -EIO } };

	for (enum vfiomig_loader kind = loaders_first(); kind <= VFIOMIG_LOADER_WRITE; kind++) {
		for (int i = 0; i < 4; i++) {
			struct said said = { .meaning = meanings[i][0] };
			struct loader_config config = { kind, full_after(4096), -1, { say, &said }, true };
			struct loader *loader = loader_here(&config);

			cr_assert_eq(loader_write(loader, &(struct iovec){ want, 8192 }, 1), meanings[i][1]);
			cr_assert_eq(said.result, -EPERM);
			cr_assert_eq(said.at, 4096);
			cr_assert_eq(loader_at(loader), 77);
			loader_close(loader);
		}
	}
}

Test(loader, a_write_of_nothing_is_an_error_and_no_endless_loop)
{
	const int fd = dup2(memfd_create("stream", 0), 512);
	struct loader *loader = loader_here(&(struct loader_config){ VFIOMIG_LOADER_WRITE, fd, -1, { 0 }, true });

	cr_assert(seccomp_refuse_bits(SYS_write, 0, 512, 0)); /* "fails" with errno 0: returns 0 */
	cr_assert_eq(loader_write(loader, &(struct iovec){ want, 10 }, 1), -EIO);
	cr_assert_eq(loader_at(loader), 0);
	loader_close(loader);
}

Test(loader, a_broken_pipe_is_an_errno)
{
	signal(SIGPIPE, SIG_IGN);
	for (enum vfiomig_loader kind = loaders_first(); kind <= VFIOMIG_LOADER_WRITE; kind++) {
		int fds[2];

		cr_assert_eq(pipe2(fds, 0), 0);
		close(fds[0]);
		struct loader *loader = loader_here(&(struct loader_config){ kind, fds[1], -1, { 0 }, true });
		cr_assert_eq(loader_write(loader, &(struct iovec){ want, 10 }, 1), -EPIPE);
		loader_close(loader);
	}
}

Test(loader, empty_pieces_are_no_writes)
{
	for (enum vfiomig_loader kind = loaders_first(); kind <= VFIOMIG_LOADER_WRITE; kind++) {
		struct loader *loader = loader_here(&(struct loader_config){ kind, full_after(0), -1, { 0 }, false });

		cr_assert_eq(loader_write(loader, (struct iovec[]){ { NULL, 0 }, { want, 0 } }, 2), 0);
		cr_assert_eq(loader_write(loader, NULL, 0), 0);
		cr_assert_eq(loader_at(loader), 0);
		loader_close(loader);
	}
}

static void ignore_signal(int number)
{
	(void)number;
}

struct nuisance {
	pthread_t victim, thread;
	_Atomic bool stop;
};

static void *nuisance_run(void *argument)
{
	struct nuisance *nuisance = argument;

	while (!nuisance->stop) {
		pthread_kill(nuisance->victim, SIGUSR1);
		sched_yield();
	}
	return NULL;
}

Test(loader, signals_do_not_disturb)
{
	struct sigaction action = { .sa_handler = ignore_signal };
	struct nuisance nuisance = { .victim = pthread_self() };

	sigaction(SIGUSR1, &action, NULL);
	pthread_create(&nuisance.thread, NULL, nuisance_run, &nuisance);
	for (enum vfiomig_loader kind = loaders_first(); kind <= VFIOMIG_LOADER_WRITE; kind++) {
		int fds[2];

		cr_assert_eq(pipe2(fds, 0), 0);
		check_stream((struct loader_config){ kind, fds[1], -1, { 0 }, true }, fds[0], 0);
	}
	nuisance.stop = true;
	pthread_join(nuisance.thread, NULL);
}

Test(loader, lets_go_of_the_descriptor_when_it_closes)
{
	for (enum vfiomig_loader kind = loaders_first(); kind <= VFIOMIG_LOADER_WRITE; kind++) {
		int fds[2];

		cr_assert_eq(pipe2(fds, 0), 0);
		struct loader *loader = loader_here(&(struct loader_config){ kind, fds[1], -1, { 0 }, true });
		cr_assert_eq(loader_write(loader, &(struct iovec){ want, 10 }, 1), 0);
		loader_close(loader);
		cr_assert_eq(fcntl(fds[1], F_GETFD), 0); /* the caller's is open still */
		close(fds[1]);
		cr_assert_eq(read(fds[0], got, sizeof(got)), 10);
		cr_assert_eq(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
		cr_assert_eq(read(fds[0], got, sizeof(got)), 0); /* and was the last, at once */
	}
}

Test(loader, closes_null)
{
	loader_close(NULL);
}
