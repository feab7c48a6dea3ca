/* SPDX-License-Identifier: MIT */
/* See baseline.h: the parts of the way, each by itself, for all devices at once. */
#include "baseline.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bare.h"
#include "connection.h"
#include "parallel.h"
#include "sequential.h"

/* One device's work. */
struct part {
	struct memory_device *from, *to;
	void *from_memory, *to_memory; /* of the two, where the part wants them */
	void *buffer;		       /* of piece_bytes, where it reads */
	size_t piece_bytes;
};

static int read_part(void *context)
{
	const struct part *part = context;
	int rc = memory_device_enter(part->from, VFIOMIG_STATE_STOP_COPY);
	ssize_t got = 1;
	uint64_t bytes = 0;

	while (!rc && got > 0) {
		got = read_piece(memory_device_data_fd(part->from), part->buffer, part->piece_bytes);
		rc = got < 0 ? (int)got : 0;
		bytes += got < 0 ? 0 : (uint64_t)got;
	}
	if (rc)
		return rc;
	return bytes == part->from->bytes ? 0 : -EBADMSG;
}

static int load_part(void *context)
{
	const struct part *part = context;
	const char *memory = part->from_memory;
	int rc = 0;

	for (uint64_t at = 0; !rc && at < part->to->bytes; at += part->piece_bytes) {
		uint64_t left = part->to->bytes - at;

		rc = write_all(memory_device_data_fd(part->to), memory + at,
			       left < part->piece_bytes ? left : part->piece_bytes);
	}
	return rc ? rc : memory_device_enter(part->to, VFIOMIG_STATE_STOP);
}

static int memcpy_part(void *context)
{
	const struct part *part = context;

	if (part->from->bytes)
		memcpy(part->to_memory, part->from_memory, part->from->bytes);
	return 0;
}

static int part_open(struct part *part)
{
	int rc = memory_device_map(part->from, &part->from_memory);

	if (!rc)
		rc = memory_device_map(part->to, &part->to_memory);
	if (!rc && posix_memalign(&part->buffer, 4096, part->piece_bytes)) {
		part->buffer = NULL;
		rc = -ENOMEM;
	}
	if (!rc)
		memset(part->buffer, 1, part->piece_bytes); /* present before the clock runs */
	return rc ? rc : memory_device_enter(part->to, VFIOMIG_STATE_RESUMING);
}

static void part_close(struct part *part)
{
	memory_device_unmap(part->from, part->from_memory);
	memory_device_unmap(part->to, part->to_memory);
	free(part->buffer);
}

static int run_parts(int (*run)(void *), struct memory_device *from, struct memory_device *to, unsigned devices,
		     size_t piece_bytes, struct moment *cost)
{
	struct part parts[VFIOMIG_DEVICES_MAX];
	struct job jobs[VFIOMIG_DEVICES_MAX] = { 0 };
	unsigned open = 0;
	int rc = 0;

	while (!rc && open < devices) {
		parts[open] = (struct part){ .from = &from[open], .to = &to[open], .piece_bytes = piece_bytes };
		rc = part_open(&parts[open]);
		jobs[open] = (struct job){ .run = run, .context = &parts[open] };
		open++;
	}
	if (!rc)
		rc = parallel_run(jobs, devices, cost);
	while (open)
		part_close(&parts[--open]);
	return rc;
}

static int run_read(struct memory_device *from, struct memory_device *to, unsigned devices, size_t piece_bytes,
		    struct moment *cost)
{
	return run_parts(read_part, from, to, devices, piece_bytes, cost);
}

static int run_load(struct memory_device *from, struct memory_device *to, unsigned devices, size_t piece_bytes,
		    struct moment *cost)
{
	return run_parts(load_part, from, to, devices, piece_bytes, cost);
}

static int run_memcpy(struct memory_device *from, struct memory_device *to, unsigned devices, size_t piece_bytes,
		      struct moment *cost)
{
	return run_parts(memcpy_part, from, to, devices, piece_bytes, cost);
}

const struct baseline_kind baseline_kinds[BASELINES] = {
	[BASELINE_READ] = { "read",
			    "all devices read at once into a buffer, from the first read to the last; no transition",
			    false, run_read },
	[BASELINE_LOAD] = { "load",
			    "all devices loaded at once from memory, until the last byte is taken; no transition", true,
			    run_load },
	[BASELINE_MEMCPY] = { "memcpy", "the same bytes from memory to memory, a thread per device; no device", true,
			      run_memcpy },
	[BASELINE_BARE] = { "bare",
			    "read, send, receive, write in a bare loop, a TCP connection per device; no transition",
			    true, bare_copy },
	[BASELINE_SEQUENTIAL] = { "sequential",
				  "stop all; per device read all, send all, load all, nothing overlapping; run all; "
				  "transitions one after another, no config state",
				  true, sequential_copy },
};
