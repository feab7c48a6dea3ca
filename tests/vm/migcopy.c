/* SPDX-License-Identifier: MIT */
/*
 * migcopy: one migration between two VFIO devices through memory, wrong on purpose where asked. It shows that the kernel
 * test device notices what a broken migration program would do; it shares no code with rdma-vfiomig.
 *
 * Exit status: 0 the destination runs; 1 the destination refused, its errno's name is on stdout; 2 usage; 3 anything else.
 */
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "mdev.h"

enum { THREADS_MAX = 16 };

static const char usage[] =
	"usage: migcopy SOURCE DESTINATION [OPTION...]    (UUIDs of mediated devices)\n"
	"  chunk=N      bytes of each read() and write() (1048576)\n"
	"  precopy      read in PRE_COPY first\n"
	"  cut=N        drop the last N bytes        extra=N  append N bytes\n"
	"  flip=N       invert byte N                swap=N   exchange 16 bytes at N with the next 16\n"
	"  threads=N    N threads write one chunk each, at the same time and in no order\n"
	"  config=none|early|twice|command-first    instead of once, after all data, BARs before command\n";

struct options {
	size_t chunk;
	size_t cut;
	size_t extra;
	long flip;
	long swap;
	unsigned int threads;
	int precopy;
	const char *config;
};

static size_t read_all(int fd, uint8_t **stream, size_t *room, size_t bytes, size_t chunk)
{
	ssize_t n;

	do {
		if (*room - bytes < chunk) {
			*room = 2 * *room + chunk;
			*stream = realloc(*stream, *room);
			if (!*stream)
				die("%zu bytes", *room);
		}
		n = read(fd, *stream + bytes, chunk);
		bytes += n > 0 ? (size_t)n : 0;
	} while (n > 0);
	if (n < 0 && errno != ENOMSG)
		die("read at %zu", bytes);
	return bytes;
}

/* The whole stream of a device that goes RUNNING -> STOP; with 1 KiB of room after it. */
static uint8_t *save(const struct mdev *source, const struct options *options, size_t *bytes)
{
	size_t room = options->chunk + 1024;
	uint8_t *stream = malloc(room);
	int fd = -1, next;

	*bytes = 0;
	if (options->precopy) {
		fd = mdev_must_set_state(source, VFIO_DEVICE_STATE_PRE_COPY);
		*bytes = read_all(fd, &stream, &room, 0, options->chunk);
	}
	next = mdev_must_set_state(source, VFIO_DEVICE_STATE_STOP_COPY);
	fd = next >= 0 ? next : fd;
	*bytes = read_all(fd, &stream, &room, *bytes, options->chunk);
	close(fd);
	mdev_must_set_state(source, VFIO_DEVICE_STATE_STOP);
	stream = realloc(stream, *bytes + 1024);
	if (!stream)
		die("%zu bytes", *bytes);
	memset(stream + *bytes, 0, 1024);
	return stream;
}

static void spoil(uint8_t *stream, size_t *bytes, const struct options *options)
{
	if (options->flip >= 0)
		stream[options->flip] ^= 0xff;
	if (options->swap >= 0) {
		uint8_t sixteen[16], *at = stream + options->swap;

		memcpy(sixteen, at, 16);
		memcpy(at, at + 16, 16);
		memcpy(at + 16, sixteen, 16);
	}
	*bytes += options->extra;
	*bytes -= options->cut;
}

struct piece {
	pthread_t thread;
	int fd;
	const uint8_t *data;
	size_t bytes;
};

static void *write_piece(void *arg)
{
	struct piece *piece = arg;

	while (piece->bytes) {
		ssize_t n = write(piece->fd, piece->data, piece->bytes);

		if (n <= 0)
			die("write");
		piece->data += n;
		piece->bytes -= (size_t)n;
	}
	return NULL;
}

static void load(int fd, const uint8_t *stream, size_t bytes, const struct options *options)
{
	struct piece pieces[THREADS_MAX];
	size_t at = 0;
	unsigned int i, n;

	while (at < bytes) {
		for (n = 0; n < options->threads && at < bytes; n++) {
			pieces[n] = (struct piece){ .fd = fd, .data = stream + at, .bytes = options->chunk };
			if (pieces[n].bytes > bytes - at)
				pieces[n].bytes = bytes - at;
			at += pieces[n].bytes;
			if (options->threads == 1)
				write_piece(&pieces[n]);
			else if (pthread_create(&pieces[n].thread, NULL, write_piece, &pieces[n]))
				die("pthread_create");
		}
		for (i = 0; i < n && options->threads > 1; i++)
			pthread_join(pieces[i].thread, NULL);
	}
}

static int refused(const char *what, int error)
{
	printf("%s: %s\n", what, strerrorname_np(error));
	return 1;
}

static int copy(const struct mdev *source, const struct mdev *destination, const struct options *options)
{
	uint8_t config[CONFIG_BYTES], *stream;
	int fd, error, result = 0;
	size_t bytes;

	stream = save(source, options, &bytes);
	mdev_config_get(source, config);
	spoil(stream, &bytes, options);
	fd = mdev_must_set_state(destination, VFIO_DEVICE_STATE_RESUMING);
	if (!strcmp(options->config, "early")) {
		error = mdev_config_put(destination, config, 0);
		if (error)
			result = refused("early config", -error);
	}
	load(fd, stream, bytes, options);
	free(stream);
	if (strcmp(options->config, "none") && strcmp(options->config, "early")) {
		error = mdev_config_put(destination, config, !strcmp(options->config, "command-first"));
		if (!error && !strcmp(options->config, "twice"))
			error = mdev_config_put(destination, config, 0);
		if (error)
			result = refused("config", -error);
	}
	error = mdev_set_state(destination, VFIO_DEVICE_STATE_RUNNING);
	if (error < -1)
		result = refused("RESUMING -> RUNNING", -error - 1);
	close(fd);
	if (result && ioctl(destination->fd, VFIO_DEVICE_RESET))
		die("VFIO_DEVICE_RESET");
	return result;
}

static int parse(struct options *options, int argc, char **argv)
{
	for (int i = 0; i < argc; i++) {
		char *value = strchr(argv[i], '=');
		size_t name = value ? (size_t)(value - argv[i]) : strlen(argv[i]);
		unsigned long number = value ? strtoul(++value, NULL, 0) : 0;

		if (!strncmp(argv[i], "chunk", name))
			options->chunk = number;
		else if (!strncmp(argv[i], "precopy", name))
			options->precopy = 1;
		else if (!strncmp(argv[i], "cut", name))
			options->cut = number;
		else if (!strncmp(argv[i], "extra", name))
			options->extra = number > 1024 ? 1024 : number;
		else if (!strncmp(argv[i], "flip", name))
			options->flip = (long)number;
		else if (!strncmp(argv[i], "swap", name))
			options->swap = (long)number;
		else if (!strncmp(argv[i], "threads", name))
			options->threads = (unsigned int)number;
		else if (!strncmp(argv[i], "config", name) && value)
			options->config = value;
		else
			return -1;
	}
	return options->chunk && options->threads && options->threads <= THREADS_MAX ? 0 : -1;
}

int main(int argc, char **argv)
{
	struct options options = { .chunk = 1 << 20, .flip = -1, .swap = -1, .threads = 1, .config = "once" };
	struct mdev source, destination;
	int result;

	if (argc < 3 || parse(&options, argc - 3, argv + 3)) {
		fputs(usage, stderr);
		return 2;
	}
	mdev_open(&source, argv[1]);
	mdev_open(&destination, argv[2]);
	result = copy(&source, &destination, &options);
	mdev_close(&source);
	mdev_close(&destination);
	return result;
}
