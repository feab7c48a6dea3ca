/* SPDX-License-Identifier: MIT */
/* The reader: slots are filled whatever the reads bring, and every end has the device's own word. */
#include <criterion/criterion.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/reader.h"
#include "support/random.h"

/* A device whose word on results <= 0 is fixed beforehand. */
struct said {
	int meaning;
	uint64_t at;
	unsigned calls;
	ssize_t result;
};

static int say(void *dev, ssize_t result, uint64_t *at)
{
	struct said *said = dev;

	said->calls++;
	said->result = result;
	if (said->at)
		*at = said->at;
	return said->meaning;
}

/* Writes its bytes in pieces of irregular size, then closes. */
struct source {
	int fd;
	const uint8_t *from;
	size_t bytes, bite;
	pthread_t thread;
};

static void *source_run(void *argument)
{
	struct source *source = argument;
	struct random random = { .state = 99 };

	for (size_t at = 0; at < source->bytes;) {
		size_t rest = source->bytes - at, bite = 1 + random_below(&random, source->bite);
		ssize_t n = write(source->fd, source->from + at, bite < rest ? bite : rest);

		if (n <= 0)
			break;
		at += (size_t)n;
	}
	close(source->fd);
	return NULL;
}

Test(reader, fills_a_slot_from_many_short_reads)
{
	static uint8_t want[300000], got[300000];
	struct random random = { .state = 1 };
	struct source source = { .from = want, .bytes = sizeof(want), .bite = 700 };
	struct reader reader = { .cancel_fd = -1 };
	enum reader_stop stop;
	int fds[2];
	size_t n;

	random_fill(&random, want, sizeof(want));
	cr_assert_eq(pipe2(fds, 0), 0);
	reader.fd = fds[0];
	source.fd = fds[1];
	pthread_create(&source.thread, NULL, source_run, &source);
	for (size_t at = 0; at + 65536 <= sizeof(want); at += 65536) {
		cr_assert_eq(reader_fill(&reader, got + at, 65536, &n, &stop), 0);
		cr_assert_eq(n, 65536);
		cr_assert_eq(stop, READER_FULL);
	}
	cr_assert_eq(reader_fill(&reader, got + 4 * 65536, 65536, &n, &stop), 0);
	cr_assert_eq(n, sizeof(want) - 4 * 65536);
	cr_assert_eq(stop, READER_END);
	cr_assert_eq(reader.at, sizeof(want));
	cr_assert_eq(memcmp(got, want, sizeof(want)), 0);
	pthread_join(source.thread, NULL);
}

Test(reader, a_stream_that_fills_the_slot_exactly_ends_with_the_next_fill)
{
	int fd = memfd_create("stream", 0);
	struct reader reader = { .fd = fd, .cancel_fd = -1 };
	enum reader_stop stop;
	char buffer[8];
	size_t n;

	cr_assert_eq(pwrite(fd, "12345678", 8, 0), 8);
	cr_assert_eq(reader_fill(&reader, buffer, 8, &n, &stop), 0);
	cr_assert_eq(stop, READER_FULL);
	cr_assert_eq(reader_fill(&reader, buffer, 8, &n, &stop), 0);
	cr_assert_eq(n, 0);
	cr_assert_eq(stop, READER_END);
}

/* A pipe whose stream of @bytes has ended. */
static struct reader ended(size_t bytes, struct said *said)
{
	struct reader reader = { .cancel_fd = -1, .explain = { .call = say, .dev = said } };
	char data[64] = { 0 };
	int fds[2];

	cr_assert_eq(pipe2(fds, 0), 0);
	cr_assert_eq(write(fds[1], data, bytes), (ssize_t)bytes);
	close(fds[1]);
	reader.fd = fds[0];
	return reader;
}

Test(reader, nothing_for_now_is_not_the_end)
{
	struct said said = { .meaning = -ENOMSG };
	struct reader reader = ended(3, &said);
	enum reader_stop stop;
	char buffer[8];
	size_t n;

	cr_assert_eq(reader_fill(&reader, buffer, 8, &n, &stop), 0);
	cr_assert_eq(n, 3);
	cr_assert_eq(stop, READER_NOTHING);
	cr_assert_eq(reader.at, 3);
	cr_assert_eq(said.calls, 1);
}

Test(reader, a_failure_carries_the_devices_errno_and_byte)
{
	struct said said = { .meaning = -EIO, .at = 1000 };
	struct reader reader = ended(5, &said);
	enum reader_stop stop;
	char buffer[8];
	size_t n;

	cr_assert_eq(reader_fill(&reader, buffer, 8, &n, &stop), -EIO);
	cr_assert_eq(n, 5);
	cr_assert_eq(reader.at, 1000);
	cr_assert_eq(said.result, 0);
}

Test(reader, an_end_does_not_move_the_position)
{
	struct said said = { .meaning = 0, .at = 1000 };
	struct reader reader = ended(5, &said);
	enum reader_stop stop;
	char buffer[8];
	size_t n;

	cr_assert_eq(reader_fill(&reader, buffer, 8, &n, &stop), 0);
	cr_assert_eq(reader.at, 5);
}

Test(reader, a_device_cannot_pose_as_a_cancel_or_talk_nonsense)
{
	const int meanings[] = { -ECANCELED, 7 };

	for (int i = 0; i < 2; i++) {
		struct said said = { .meaning = meanings[i] };
		struct reader reader = ended(0, &said);
		enum reader_stop stop;
		char buffer[8];
		size_t n;

		cr_assert_eq(reader_fill(&reader, buffer, 8, &n, &stop), -EIO);
	}
}

Test(reader, without_an_explanation_the_errno_stands)
{
	struct reader reader = { .fd = -1, .cancel_fd = -1 };
	enum reader_stop stop;
	char buffer[8];
	size_t n;

	reader.fd = open("/proc/self/mem", O_RDONLY); /* address 0 is not mapped */
	cr_assert_geq(reader.fd, 0);
	cr_assert_eq(reader_fill(&reader, buffer, 8, &n, &stop), -EIO);
	cr_assert_eq(reader.at, 0);
}

Test(reader, an_empty_nonblocking_descriptor_is_waited_for)
{
	struct reader reader = { .cancel_fd = -1 };
	struct source source = { .from = (const uint8_t *)"abcdefgh", .bytes = 8, .bite = 1 };
	enum reader_stop stop;
	char buffer[9] = { 0 };
	int fds[2];
	size_t n;

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	reader.fd = fds[0];
	source.fd = fds[1];
	pthread_create(&source.thread, NULL, source_run, &source);
	cr_assert_eq(reader_fill(&reader, buffer, 8, &n, &stop), 0);
	cr_assert_str_eq(buffer, "abcdefgh");
	pthread_join(source.thread, NULL);
}

static void *cancel_run(void *argument)
{
	eventfd_write(*(int *)argument, 1);
	return NULL;
}

Test(reader, a_cancel_ends_the_wait_for_a_silent_device)
{
	struct reader reader = { .cancel_fd = eventfd(0, 0) };
	enum reader_stop stop;
	pthread_t thread;
	char buffer[8];
	int fds[2];
	size_t n;

	cr_assert_eq(pipe2(fds, 0), 0);
	reader.fd = fds[0];
	pthread_create(&thread, NULL, cancel_run, &reader.cancel_fd);
	cr_assert_eq(reader_fill(&reader, buffer, 8, &n, &stop), -ECANCELED);
	cr_assert_eq(n, 0);
	pthread_join(thread, NULL);
}

Test(reader, a_cancel_wins_over_data)
{
	struct reader reader = { .fd = memfd_create("stream", 0), .cancel_fd = eventfd(1, 0) };
	enum reader_stop stop;
	char buffer[8];
	size_t n;

	cr_assert_eq(pwrite(reader.fd, "12345678", 8, 0), 8);
	cr_assert_eq(reader_fill(&reader, buffer, 8, &n, &stop), -ECANCELED);
	cr_assert_eq(reader.at, 0);
}

static void ignore_signal(int number)
{
	(void)number;
}

/* Interrupts the reading thread until the data has come through. */
struct nuisance {
	pthread_t victim;
	int fd, stop_fd;
};

static void *nuisance_run(void *argument)
{
	struct nuisance *nuisance = argument;
	eventfd_t ended;

	for (int i = 0; i < 64; i++) {
		for (int k = 0; k < 20; k++)
			pthread_kill(nuisance->victim, SIGUSR1);
		if (write(nuisance->fd, "x", 1) != 1)
			break;
	}
	eventfd_read(nuisance->stop_fd, &ended);
	return NULL;
}

Test(reader, signals_do_not_disturb)
{
	struct sigaction action = { .sa_handler = ignore_signal };
	struct nuisance nuisance = { .victim = pthread_self(), .stop_fd = eventfd(0, 0) };
	struct reader reader = { .cancel_fd = -1 };
	enum reader_stop stop;
	char buffer[64];
	pthread_t thread;
	int fds[2];
	size_t n;

	sigaction(SIGUSR1, &action, NULL);
	cr_assert_eq(pipe2(fds, 0), 0);
	reader.fd = fds[0];
	nuisance.fd = fds[1];
	pthread_create(&thread, NULL, nuisance_run, &nuisance);
	cr_assert_eq(reader_fill(&reader, buffer, sizeof(buffer), &n, &stop), 0);
	cr_assert_eq(n, sizeof(buffer));
	eventfd_write(nuisance.stop_fd, 1);
	pthread_join(thread, NULL);
}
