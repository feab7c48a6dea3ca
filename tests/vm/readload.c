/* SPDX-License-Identifier: MIT */
/*
 * readload SOURCE DESTINATION...: reads the whole state of each device and loads it into another, through one buffer and by
 * nothing but read() and write(). The processor time that this takes is the floor which no migration can be below; it is
 * printed as {"cpu_us": N}, and a line a device to stderr if a state was not loaded. Arguments are UUIDs, in pairs.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "mdev.h"

enum { CHUNK = 1 << 20 };

static uint64_t cpu_ns(void)
{
	struct timespec now;

	if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now))
		die("CLOCK_PROCESS_CPUTIME_ID");
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void write_all(int fd, const uint8_t *data, size_t bytes)
{
	while (bytes) {
		ssize_t n = write(fd, data, bytes);

		if (n <= 0)
			die("write");
		data += n;
		bytes -= (size_t)n;
	}
}

/* The processor time of the two loops: state changes and config are no part of the data's way. */
static uint64_t stream(int from, int to, uint8_t *buffer)
{
	uint64_t begin = cpu_ns();
	ssize_t n;

	while ((n = read(from, buffer, CHUNK)) > 0)
		write_all(to, buffer, (size_t)n);
	if (n < 0)
		die("read");
	return cpu_ns() - begin;
}

static uint64_t carry(const char *from, const char *to, uint8_t *buffer)
{
	struct mdev source, destination;
	uint8_t config[CONFIG_BYTES];
	int saving, loading, error;
	uint64_t ns;

	mdev_open(&source, from);
	mdev_open(&destination, to);
	saving = mdev_must_set_state(&source, VFIO_DEVICE_STATE_STOP_COPY);
	loading = mdev_must_set_state(&destination, VFIO_DEVICE_STATE_RESUMING);
	ns = stream(saving, loading, buffer);
	mdev_config_get(&source, config);
	error = mdev_config_put(&destination, config, 0);
	if (error) {
		errno = -error;
		die("config of %s", to);
	}
	mdev_must_set_state(&source, VFIO_DEVICE_STATE_STOP);
	mdev_must_set_state(&destination, VFIO_DEVICE_STATE_RUNNING);
	close(saving);
	close(loading);
	mdev_close(&source);
	mdev_close(&destination);
	return ns;
}

int main(int argc, char **argv)
{
	uint8_t *buffer = calloc(1, CHUNK);
	uint64_t ns = 0;

	if (argc < 3 || argc % 2 == 0) {
		fprintf(stderr, "usage: readload SOURCE DESTINATION...\n");
		return 2;
	}
	if (!buffer)
		die("calloc");
	for (int i = 1; i < argc; i += 2)
		ns += carry(argv[i], argv[i + 1], buffer);
	free(buffer);
	printf("{\"cpu_us\": %llu}\n", (unsigned long long)(ns / 1000));
	return 0;
}
