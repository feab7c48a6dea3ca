/* SPDX-License-Identifier: MIT */
/*
 * A recorded stream as a device that can only be a source: it walks the states that the recorded device had, and gives what
 * was recorded, so that a load can be repeated without the hardware that it came from.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "device/arcs.h"
#include "device/backend.h"
#include "device/data_pipe.h"
#include "device/recording_reader.h"

/* Used by one thread at a time; pipe has a thread of its own behind it, which plays. */
struct file {
	struct recording recording; /* verified */
	enum vfiomig_state state;
	struct data_pipe pipe;

	/* The thread's while it runs; kept from PRE_COPY to STOP_COPY. */
	struct recording_cursor cursor;
	bool in_packet;	      /* cursor is at a packet that has not been given yet, or not all of it */
	int failure;	      /* negative errno: nothing more is given */
	uint32_t digest;      /* of the heads so far */
	uint8_t *buffer;      /* owned, DATA_PIPE_PIECE_BYTES: a piece of the stream */
	uint64_t piece_at;    /* where in the stream it begins */
	uint64_t piece_bytes; /* 0: there is none */
};

static const uint8_t uses[VFIOMIG_STATE_COUNT] = {
	[VFIOMIG_STATE_STOP_COPY] = DATA_PIPE_SAVE,
	[VFIOMIG_STATE_PRE_COPY] = DATA_PIPE_PRECOPY,
	[VFIOMIG_STATE_PRE_COPY_P2P] = DATA_PIPE_PRECOPY,
};

static int step(struct file *file)
{
	int rc = recording_next(&file->cursor, NULL);

	if (rc <= 0)
		return rc ? rc : -EBADMSG; /* the config packet, at which it ends, was there */
	file->in_packet = true;
	file->digest = recording_crc(file->digest, file->cursor.head, sizeof(file->cursor.head));
	return 0;
}

/* Returns the bytes of the next piece, 0 at the stream's end, -ENOMSG at PRE_COPY's, -EBADMSG and others. */
static ssize_t next_piece(struct file *file)
{
	const struct recording_packet *packet = &file->cursor.packet;
	ssize_t got = 0;

	while (!got) {
		int rc = file->in_packet ? 0 : step(file);

		if (rc)
			return rc;
		if (file->pipe.use == DATA_PIPE_PRECOPY && packet->flags)
			return -ENOMSG;
		if (packet->flags & RECORDING_CONFIG_STATE) /* is it the file that was verified? */
			return file->digest == file->recording.tally.summary.digest ? 0 : -EBADMSG;
		got = recording_read(&file->cursor, file->buffer, DATA_PIPE_PIECE_BYTES, NULL);
		file->in_packet = got != 0;
	}
	return got;
}

/* The next piece into buffer. 0, or why there is none: -ENODATA at the stream's end, else as next_piece. */
static int fetch(struct file *file)
{
	ssize_t got = file->failure ? file->failure : next_piece(file);

	file->piece_at = file->pipe.bytes;
	file->piece_bytes = got > 0 ? (uint64_t)got : 0;
	if (got < 0 && got != -ENOMSG)
		file->failure = (int)got;
	if (got > 0)
		return 0;
	return got ? (int)got : -ENODATA;
}

/* From where the stream stands: PRE_COPY may have been left in the middle of a piece. */
static void *play(void *context)
{
	struct file *file = context;
	struct data_pipe *pipe = &file->pipe;
	int rc = 0;

	while (!rc) {
		uint64_t done = pipe->bytes - file->piece_at;

		if (!data_pipe_put(pipe, file->buffer + done, file->piece_bytes - done, DATA_PIPE_PIECE_BYTES, 0))
			return NULL;
		rc = fetch(file);
	}
	if (rc == -ENODATA)
		data_pipe_end(pipe, DATA_PIPE_COMPLETE, 0);
	else if (rc == -ENOMSG)
		data_pipe_end(pipe, DATA_PIPE_PAUSED, 0);
	else
		data_pipe_end(pipe, DATA_PIPE_FAILED, -rc);
	return NULL;
}

static int change_stream(struct file *file, enum vfiomig_state next, struct vfiomig_error *err)
{
	enum data_pipe_use has = file->pipe.use, wants = (enum data_pipe_use)uses[next];
	struct data_pipe_shape shape = { .capacity = 1 << 20 };

	if (has == wants)
		return 0;
	if (has == DATA_PIPE_PRECOPY && wants == DATA_PIPE_SAVE)
		return data_pipe_go_on(&file->pipe, err);
	data_pipe_close(&file->pipe);
	if (wants == DATA_PIPE_IDLE)
		return 0;
	recording_rewind(&file->cursor, &file->recording);
	file->in_packet = false;
	file->failure = 0;
	file->digest = 0;
	file->piece_at = file->piece_bytes = 0;
	return data_pipe_open(&file->pipe, wants, shape, err);
}

static int take_arc(void *dev, enum vfiomig_state next, struct vfiomig_error *err)
{
	struct file *file = dev;
	int rc = change_stream(file, next, err);

	if (rc)
		data_pipe_close(&file->pipe);
	file->state = rc ? VFIOMIG_STATE_ERROR : next;
	return rc;
}

static int source_only(struct vfiomig_error *err)
{
	return error_set(err, VFIOMIG_PREFLIGHT, ENOTSUP, "recording-source",
			 "a recording can be a source only: nothing can be loaded into it");
}

static int set_state(void *dev, enum vfiomig_state target, struct vfiomig_error *err)
{
	struct file *file = dev;

	if (target == VFIOMIG_STATE_RESUMING)
		return source_only(err);
	return arcs_walk(&file->state, target, file->recording.header.info.migration_flags, take_arc, file, err);
}

static enum vfiomig_state get_state(void *dev)
{
	struct file *file = dev;

	return file->state;
}

static int data_fd(void *dev)
{
	struct file *file = dev;

	return file->pipe.data_fd;
}

static int explain(void *dev, ssize_t result, uint64_t *at)
{
	struct file *file = dev;

	return data_pipe_explain(&file->pipe, result, at);
}

static ssize_t config_get(void *dev, void *blob, size_t bytes, struct vfiomig_error *err)
{
	struct file *file = dev;
	const struct recording_summary *summary = &file->recording.tally.summary;
	struct recording_cursor cursor;
	size_t done = 0;
	ssize_t got;
	int rc = recording_seek(&cursor, &file->recording, summary->packets - 1, err);

	if (!rc)
		rc = recording_next(&cursor, err);
	if (rc < 0)
		return rc;
	if (!rc || cursor.packet.bytes != summary->config_bytes)
		return error_set(err, VFIOMIG_DEVICE, EBADMSG, "recording-damaged",
				 "the recording %.200s has changed since it was opened", file->recording.path);
	if (cursor.packet.bytes > bytes)
		return error_set(err, VFIOMIG_DEVICE, ENOBUFS, "config-state",
				 "the recorded config state has %u bytes, and there is room for %zu",
				 (unsigned)cursor.packet.bytes, bytes);
	while ((got = recording_read(&cursor, (uint8_t *)blob + done, bytes - done, err)) > 0)
		done += (size_t)got;
	return got < 0 ? got : (ssize_t)done;
}

static int config_put(void *dev, const void *blob, size_t bytes, struct vfiomig_error *err)
{
	(void)dev;
	(void)blob;
	(void)bytes;
	return source_only(err);
}

/* Asked at the destination only, before anything is stopped: the earliest moment to say it. */
static int config_check(void *dev, const struct vfiomig_device_info *source, struct vfiomig_error *err)
{
	(void)dev;
	(void)source;
	return source_only(err);
}

/* As the recorded device, but for what belonged to its host, and for what is known better now. */
static int describe(void *dev, struct vfiomig_device_info *info, struct vfiomig_error *err)
{
	struct file *file = dev;

	(void)err;
	*info = file->recording.header.info;
	info->numa_node = -1;
	info->expected_bytes = file->recording.tally.summary.bytes;
	return 0;
}

static int reset(void *dev, struct vfiomig_error *err)
{
	struct file *file = dev;

	(void)err;
	data_pipe_close(&file->pipe);
	file->state = VFIOMIG_STATE_RUNNING;
	return 0;
}

static int pending(void *dev, struct vfiomig_pending *pending, struct vfiomig_error *err)
{
	struct file *file = dev;
	const struct recording_summary *summary = &file->recording.tally.summary;
	uint64_t read = data_pipe_moved(&file->pipe);

	(void)err;
	pending->stop_copy_known = true;
	pending->stop_copy_bytes = summary->bytes - read;
	pending->precopy_known = file->pipe.use == DATA_PIPE_PRECOPY;
	if (pending->precopy_known)
		pending->initial_bytes = summary->precopy_bytes - read;
	return 0;
}

static void file_close(void *dev)
{
	struct file *file = dev;

	data_pipe_fini(&file->pipe);
	recording_close(&file->recording);
	free(file->buffer);
	free(file);
}

static const struct vfiomig_device_ops file_ops = {
	.size = sizeof(struct vfiomig_device_ops),
	.describe = describe,
	.set_state = set_state,
	.get_state = get_state,
	.data_fd = data_fd,
	.explain = explain,
	.config_get = config_get,
	.config_put = config_put,
	.config_check = config_check,
	.reset = reset,
	.pending = pending,
	.close = file_close,
};

int file_open(struct vfiomig_device *device, const struct spec *spec, struct vfiomig_error *err)
{
	struct file *file;
	int rc = spec_apply(spec, NULL, 0, NULL, err);

	if (!rc && !spec->arg[0])
		rc = error_set(err, VFIOMIG_USAGE, EINVAL, "device-spec",
			       "device '%s': it takes the path of a recording", spec->text);
	if (rc)
		return rc;
	file = calloc(1, sizeof(*file));
	if (!file)
		return error_set(err, VFIOMIG_INTERNAL, ENOMEM, NULL, "no memory for a recording");
	data_pipe_init(&file->pipe, play, file);
	file->recording.fd = -1;
	file->state = VFIOMIG_STATE_RUNNING;
	file->buffer = malloc(DATA_PIPE_PIECE_BYTES);
	if (!file->buffer)
		rc = error_set(err, VFIOMIG_INTERNAL, ENOMEM, NULL, "no memory for a recording");
	if (!rc)
		rc = recording_open(&file->recording, spec->arg, err);
	if (!rc)
		rc = recording_verify(&file->recording, err);
	if (rc) {
		file_close(file);
		return rc;
	}
	device->ops = &file_ops;
	device->impl = file;
	device->warning = "";
	return 0;
}
