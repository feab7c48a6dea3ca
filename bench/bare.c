/* SPDX-License-Identifier: MIT */
/* See bare.h. */
#include "bare.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "connection.h"
#include "parallel.h"

struct bare_end {
	struct memory_device *device;
	int socket;   /* the connection's */
	void *buffer; /* of piece_bytes, own */
	size_t piece_bytes;
};

/* One device's way. */
struct bare_way {
	struct connection connection;
	struct bare_end sender, receiver;
};

static int carry(const struct bare_end *end, int from, int to)
{
	ssize_t got;

	while ((got = read_piece(from, end->buffer, end->piece_bytes)) > 0) {
		int rc = write_all(to, end->buffer, (size_t)got);

		if (rc)
			return rc;
	}
	return (int)got;
}

/* The device gives from here on, since one with a rate would otherwise be ahead of the clock. */
static int send_all(void *context)
{
	const struct bare_end *end = context;
	int rc = memory_device_enter(end->device, VFIOMIG_STATE_STOP_COPY);

	if (!rc)
		rc = carry(end, memory_device_data_fd(end->device), end->socket);
	shutdown(end->socket, SHUT_WR);
	return rc;
}

static int receive_all(void *context)
{
	const struct bare_end *end = context;
	int rc = carry(end, end->socket, memory_device_data_fd(end->device));

	if (rc)
		shutdown(end->socket, SHUT_RD);
	else
		rc = memory_device_enter(end->device, VFIOMIG_STATE_STOP);
	return rc;
}

static int end_init(struct bare_end *end, struct memory_device *device, int socket, size_t piece_bytes)
{
	*end = (struct bare_end){ .device = device, .socket = socket, .piece_bytes = piece_bytes };
	if (posix_memalign(&end->buffer, 4096, piece_bytes)) {
		end->buffer = NULL;
		return -ENOMEM;
	}
	memset(end->buffer, 1, piece_bytes); /* present before the clock runs */
	return 0;
}

static int way_open(struct bare_way *way, struct memory_device *from, struct memory_device *to, size_t piece_bytes)
{
	int rc = connection_open(&way->connection);

	if (!rc)
		rc = end_init(&way->sender, from, way->connection.near, piece_bytes);
	if (!rc)
		rc = end_init(&way->receiver, to, way->connection.far, piece_bytes);
	return rc ? rc : memory_device_enter(to, VFIOMIG_STATE_RESUMING);
}

static void way_close(struct bare_way *way)
{
	connection_close(&way->connection);
	free(way->sender.buffer);
	free(way->receiver.buffer);
}

int bare_copy(struct memory_device *from, struct memory_device *to, unsigned devices, size_t piece_bytes,
	      struct moment *cost)
{
	struct bare_way *ways = calloc(devices, sizeof(*ways));
	struct job jobs[2 * VFIOMIG_DEVICES_MAX] = { 0 };
	unsigned open = 0;
	int rc = ways ? 0 : -ENOMEM;

	while (!rc && open < devices) {
		struct bare_way *way = &ways[open];

		rc = way_open(way, &from[open], &to[open], piece_bytes);
		jobs[2 * open] = (struct job){ .run = send_all, .context = &way->sender };
		jobs[2 * open + 1] = (struct job){ .run = receive_all, .context = &way->receiver };
		open++;
	}
	if (!rc)
		rc = parallel_run(jobs, 2 * devices, cost);
	while (open)
		way_close(&ways[--open]);
	free(ways);
	return rc;
}
