/* SPDX-License-Identifier: MIT */
/*
 * A source without a peer: its devices go the whole way up to the end of their streams, into a file each, and then run on. What
 * a destination would say is said here, so that core need not know; there are no lanes, no credits and no window.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "device/recording.h"
#include "session/session.h"

enum { RECORD_SLOTS = VFIOMIG_SLOTS_MIN, PATH_BYTES_MAX = 4096, RECORD_PATH_BYTES = PATH_BYTES_MAX + 64 };

struct session_record {
	char path[PATH_BYTES_MAX];
	unsigned ended;					/* devices whose stream is complete; control thread */
	struct recorder *recorder[VFIOMIG_DEVICES_MAX]; /* the device's thread's, until its stream is complete */
};

/* One device has the path for itself; several get theirs by name, or by number. */
static void path_of(const struct vfiomig_session *session, unsigned d, char *out, size_t bytes)
{
	const char *name = session->device[d].device->name, *path = session->record->path;

	if (session->devices == 1)
		snprintf(out, bytes, "%s", path);
	else if (name[0])
		snprintf(out, bytes, "%s.%s", path, name);
	else
		snprintf(out, bytes, "%s.%u", path, d);
}

int session_record_init(struct vfiomig_session *session, const char *path, struct vfiomig_error *err)
{
	if (!path[0])
		return error_set(err, VFIOMIG_USAGE, EINVAL, NULL, "the path to record into is empty");
	if (strlen(path) + sizeof(session->device[0].device->name) + 1 >= PATH_BYTES_MAX)
		return error_set(err, VFIOMIG_USAGE, ENAMETOOLONG, NULL, "the path to record into is too long");
	session->record = calloc(1, sizeof(*session->record));
	if (!session->record)
		return error_set(err, VFIOMIG_INTERNAL, ENOMEM, NULL, "no memory for a recording");
	snprintf(session->record->path, sizeof(session->record->path), "%s", path);
	return 0;
}

/* A device's name may be another one's number. */
static int refuse_same_path(const struct vfiomig_session *session, unsigned d, const char *path,
			    struct vfiomig_error *err)
{
	char other[RECORD_PATH_BYTES];

	for (unsigned i = 0; i < d; i++) {
		path_of(session, i, other, sizeof(other));
		if (strcmp(other, path) == 0)
			return error_set(err, VFIOMIG_USAGE, EINVAL, "same-name",
					 "devices %u and %u would both be recorded into %.300s", i, d, path);
	}
	return 0;
}

int session_record_open(struct vfiomig_session *session, struct vfiomig_error *err)
{
	struct recorder **recorder = session->record->recorder;
	char path[RECORD_PATH_BYTES];
	int rc = 0;

	for (unsigned d = 0; d < session->devices && !rc; d++) {
		const struct vfiomig_device *device = session->device[d].device;

		path_of(session, d, path, sizeof(path));
		rc = refuse_same_path(session, d, path, err);
		rc = rc ? rc : recorder_open(&recorder[d], path, &device->info, device->name, err);
		if (!rc)
			recorder_cancel_by(recorder[d], session->stop_fd);
	}
	return rc;
}

int session_record_put(struct session_device *device, const struct packet_header *header, const void *payload,
		       struct vfiomig_error *err)
{
	struct recording_packet packet = { .index = header->index, .flags = header->flags, .bytes = header->bytes };
	int rc = recorder_put(device->session->record->recorder[device->number], &packet, payload, err);

	if (rc)
		return rc;
	atomic_store_explicit(&device->recorded_packets, device->counts.packets, memory_order_relaxed);
	atomic_store_explicit(&device->loaded_bytes, device->counts.bytes, memory_order_relaxed);
	return 0;
}

static void say(struct vfiomig_session *session, enum message_type message)
{
	session_post(session, &(struct core_event){ .kind = CORE_MESSAGE, .message = message }, NULL);
}

static void agree(struct vfiomig_session *session)
{
	pthread_mutex_lock(&session->snapshot_lock);
	session->plan = (struct plan){ .devices = session->devices,
				       .lanes = 1,
				       .slots = RECORD_SLOTS,
				       .slot_bytes = session->side.slot_bytes,
				       .integrity = session->side.integrity,
				       .payload = VFIOMIG_PAYLOAD_CLEAR,
				       .transport = VFIOMIG_TRANSPORT_AUTO };
	snprintf(session->plan.reason, sizeof(session->plan.reason), "recorded into %.140s", session->record->path);
	pthread_mutex_unlock(&session->snapshot_lock);
	say(session, MESSAGE_AGREED);
	say(session, MESSAGE_READY);
}

/* The streams are complete: index, digests and names; only then may the devices forget that they were read. */
static void finish(struct vfiomig_session *session)
{
	struct vfiomig_error err = { 0 };

	for (unsigned d = 0; d < session->devices; d++) {
		/* This is the control thread: it would not come to stop itself. */
		recorder_cancel_by(session->record->recorder[d], session->cancel_fd);
		if (recorder_finish(session->record->recorder[d], &err)) {
			session_post_failure(session, &err);
			return;
		}
	}
	say(session, MESSAGE_PREPARED);
}

void session_record_hear(struct vfiomig_session *session, enum message_type message, unsigned device)
{
	if (message == MESSAGE_DEVICE && device + 1 == session->devices)
		agree(session);
	if (message == MESSAGE_STREAM_END && ++session->record->ended == session->devices)
		finish(session);
}

void session_record_lanes(struct vfiomig_session *session)
{
	session_post_fact(session, FACT_LANES_UP);
	session_post_fact(session, FACT_MEASURED);
	say(session, MESSAGE_LANES_READY);
}

void session_record_close(struct vfiomig_session *session)
{
	for (unsigned d = 0; session->record && d < session->devices; d++)
		recorder_close(session->record->recorder[d]);
	free(session->record);
	session->record = NULL;
}
