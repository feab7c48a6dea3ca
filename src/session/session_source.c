/* SPDX-License-Identifier: MIT */
/*
 * The stream out: data_fd into slots, slots onto lanes, on the device's own thread. There is no hand-over between the read
 * and the wire. The last packet bears the config state.
 */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "session/session.h"

/* A slot to fill, waiting for one if need be. */
static int take_slot(struct session_device *device, unsigned *slot, uint64_t *index)
{
	struct vfiomig_session *session = device->session;
	int rc = 0;

	for (;;) {
		bool taken;

		pthread_mutex_lock(&session->flow_lock);
		taken = flow_take(&session->flow, device->number, slot, index);
		pthread_mutex_unlock(&session->flow_lock);
		if (taken)
			return 0;
		rc = session_device_wait(device);
		if (rc)
			return rc;
	}
}

static void send_packet(struct session_device *device, unsigned slot, uint64_t index, uint32_t bytes, uint32_t flags,
			struct stream_counts *counts)
{
	struct vfiomig_session *session = device->session;
	bool whole = session->plan.integrity == VFIOMIG_INTEGRITY_CRC32C;
	void *payload = arena_payload(&session->arena, device->number, slot);
	struct packet_header header = {
		.device = (uint16_t)device->number, .flags = flags, .index = index, .bytes = bytes
	};
	struct flow_actions actions;

	memcpy(header.session, session->id, sizeof(header.session));
	header.crc =
		packet_encode(arena_header(&session->arena, device->number, slot), &header, whole ? payload : NULL);
	counts->digest = packet_digest(counts->digest, &header);
	counts->packets++;
	counts->bytes += bytes;
	if (!atomic_load_explicit(&session->first_packet_ns, memory_order_relaxed))
		atomic_store_explicit(&session->first_packet_ns, clock_now_ns(), memory_order_relaxed);
	pthread_mutex_lock(&session->flow_lock);
	flow_filled(&session->flow, device->number, bytes, flags & PACKET_CONFIG_STATE, &actions);
	pthread_mutex_unlock(&session->flow_lock);
	session_perform(session, &actions);
}

static int read_error(struct session_device *device, const struct reader *reader, int rc, struct vfiomig_error *err)
{
	struct vfiomig_error cause = { 0 };

	if (rc == -ECANCELED)
		return error_set(err, VFIOMIG_CANCELLED, ECANCELED, NULL, "the read was stopped");
	error_set(&cause, VFIOMIG_DEVICE, -rc, NULL, "at byte %llu: %s", (unsigned long long)reader->at, strerror(-rc));
	return session_device_error(device, REQUEST_READ, &cause, -rc, err);
}

static int send_config(struct session_device *device, struct stream_counts *counts, struct vfiomig_error *err)
{
	struct vfiomig_session *session = device->session;
	const struct vfiomig_device_ops *ops = device->device->ops;
	struct vfiomig_error cause = { 0 };
	ssize_t bytes = 0;
	unsigned slot;
	uint64_t index;

	if (take_slot(device, &slot, &index))
		return error_set(err, VFIOMIG_CANCELLED, ECANCELED, NULL, "the read was stopped");
	if (ops->config_get)
		bytes = ops->config_get(device->device->impl, arena_payload(&session->arena, device->number, slot),
					CONFIG_BLOB_BYTES_MAX, &cause);
	if (bytes < 0)
		return session_device_error(device, REQUEST_READ, &cause, (int)-bytes, err);
	counts->config_bytes = (uint64_t)bytes;
	send_packet(device, slot, index, (uint32_t)bytes, PACKET_CONFIG_STATE | PACKET_STOP_COPY, counts);
	return 0;
}

int session_read_stream(struct session_device *device, struct stream_counts *counts, struct vfiomig_error *err)
{
	struct vfiomig_session *session = device->session;
	const struct vfiomig_device_ops *ops = device->device->ops;
	struct reader reader = { .fd = ops->data_fd(device->device->impl),
				 .cancel_fd = session->stop_fd,
				 .explain = { ops->explain, device->device->impl } };
	enum reader_stop stop = READER_FULL;

	while (stop == READER_FULL) {
		uint64_t index;
		unsigned slot;
		size_t got;
		int rc = take_slot(device, &slot, &index);

		rc = rc ? rc
			: reader_fill(&reader, arena_payload(&session->arena, device->number, slot),
				      session->plan.slot_bytes, &got, &stop);
		if (rc)
			return read_error(device, &reader, rc, err);
		if (stop == READER_NOTHING)
			return read_error(device, &reader, -ENOMSG, err); /* legal in PRE_COPY only */
		if (got > 0)
			send_packet(device, slot, index, (uint32_t)got, PACKET_STOP_COPY, counts);
	}
	return send_config(device, counts, err);
}
