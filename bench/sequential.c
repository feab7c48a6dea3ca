/* SPDX-License-Identifier: MIT */
/* See sequential.h. */
#include "sequential.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "connection.h"
#include "parallel.h"

struct side {
	struct memory_device *devices;
	unsigned count;
	size_t piece_bytes;
	uint64_t bytes; /* of each device */
	char *buffer;	/* of one whole device; own */
	int socket;	/* the connection's */
};

static int walk_all(const struct side *side, enum vfiomig_state target)
{
	for (unsigned d = 0; d < side->count; d++) {
		int rc = memory_device_walk(&side->devices[d], target);

		if (rc)
			return rc;
	}
	return 0;
}

/* Without a P2P state there is one device only, which plan and VFIO both ask for. */
static int walk_all_p2p(const struct side *side)
{
	return side->devices[0].options.without_p2p ? 0 : walk_all(side, VFIOMIG_STATE_RUNNING_P2P);
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static int read_device(const struct side *side, int fd)
{
	char none;
	uint64_t at = 0;

	while (at < side->bytes) {
		ssize_t got = read_piece(fd, side->buffer + at, least(side->bytes - at, side->piece_bytes));

		if (got <= 0)
			return got ? (int)got : -EBADMSG;
		at += (uint64_t)got;
	}
	return read_piece(fd, &none, 1) ? -EBADMSG : 0;
}

static int load_device(const struct side *side, int fd)
{
	int rc = 0;

	for (uint64_t at = 0; !rc && at < side->bytes; at += side->piece_bytes)
		rc = write_all(fd, side->buffer + at, least(side->bytes - at, side->piece_bytes));
	return rc;
}

static int send_device(const struct side *side, struct memory_device *device)
{
	char loaded;
	int rc = memory_device_walk(device, VFIOMIG_STATE_STOP_COPY);

	if (!rc)
		rc = read_device(side, memory_device_data_fd(device));
	if (!rc)
		rc = write_all(side->socket, side->buffer, side->bytes);
	if (!rc && read_piece(side->socket, &loaded, 1) != 1)
		rc = -EPIPE;
	return rc;
}

static int receive_device(const struct side *side, struct memory_device *device)
{
	ssize_t got = read_piece(side->socket, side->buffer, side->bytes);
	int rc = got < 0 ? (int)got : 0;

	if (!rc && (uint64_t)got != side->bytes)
		rc = -EPIPE;
	if (!rc)
		rc = load_device(side, memory_device_data_fd(device));
	if (!rc)
		rc = memory_device_walk(device, VFIOMIG_STATE_STOP);
	return rc ? rc : write_all(side->socket, "", 1);
}

static int run_source(void *context)
{
	const struct side *side = context;
	int rc = walk_all_p2p(side);

	for (unsigned d = 0; !rc && d < side->count; d++)
		rc = send_device(side, &side->devices[d]);
	if (rc)
		shutdown(side->socket, SHUT_RDWR);
	return rc;
}

static int run_destination(void *context)
{
	const struct side *side = context;
	int rc = 0;

	for (unsigned d = 0; !rc && d < side->count; d++)
		rc = receive_device(side, &side->devices[d]);
	if (!rc)
		rc = walk_all_p2p(side);
	if (!rc)
		rc = walk_all(side, VFIOMIG_STATE_RUNNING);
	if (rc)
		shutdown(side->socket, SHUT_RDWR);
	return rc;
}

static int side_init(struct side *side)
{
	void *buffer;

	side->bytes = side->devices[0].bytes;
	if (posix_memalign(&buffer, 4096, side->bytes + 1))
		return -ENOMEM;
	side->buffer = buffer;
	memset(buffer, 1, side->bytes + 1); /* present before the clock runs */
	return 0;
}

static int enter_all(const struct side *side, enum vfiomig_state target)
{
	int rc = 0;

	for (unsigned d = 0; !rc && d < side->count; d++)
		rc = memory_device_enter(&side->devices[d], target);
	return rc;
}

int sequential_copy(struct memory_device *from, struct memory_device *to, unsigned devices, size_t piece_bytes,
		    struct moment *cost)
{
	struct connection connection;
	int rc = connection_open(&connection);
	struct side source = {
		.devices = from, .count = devices, .piece_bytes = piece_bytes, .socket = connection.near
	};
	struct side destination = {
		.devices = to, .count = devices, .piece_bytes = piece_bytes, .socket = connection.far
	};
	struct job jobs[] = { { .run = run_source, .context = &source },
			      { .run = run_destination, .context = &destination } };

	if (!rc)
		rc = side_init(&source);
	if (!rc)
		rc = side_init(&destination);
	if (!rc)
		rc = enter_all(&destination, VFIOMIG_STATE_RESUMING);
	if (!rc)
		rc = parallel_run(jobs, 2, cost);
	free(source.buffer);
	free(destination.buffer);
	connection_close(&connection);
	return rc ? rc : enter_all(&source, VFIOMIG_STATE_STOP);
}
