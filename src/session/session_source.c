/* SPDX-License-Identifier: MIT */
/*
 * The stream out: data_fd into slots, slots onto lanes, on the device's own thread. There is no hand-over between the read
 * and the wire. The last packet bears the config state.
 */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/probe.h"
#include "session/session_seal.h"

/*
 * How much is read into a slot. The last packet of a slow device must still be carried and loaded when it is full, and nothing of a
 * small state would travel before all of it is read: so packets are as long as a device fills in 10 to 40 ms, up to the
 * slot. What is tiny stays whole: such devices may mishandle a split.
 */
enum { FIRST_BYTES = 256 << 10, LEAST_BYTES = 64 << 10, QUICK_US = 10000, SLOW_US = 40000 };

static size_t first_packet_bytes(const struct session_device *device, uint64_t left_bytes)
{
	size_t slot_bytes = device->session->plan.slot_bytes;

	return slot_bytes <= FIRST_BYTES || (left_bytes > 0 && left_bytes <= LEAST_BYTES) ? slot_bytes : FIRST_BYTES;
}

/* The last one took @read_us to fill. */
static size_t next_packet_bytes(const struct session_device *device, uint64_t read_us)
{
	size_t bytes = device->packet_bytes, slot_bytes = device->session->plan.slot_bytes;

	/* Never so long that the state was read in less than four of them. */
	if (read_us < QUICK_US && device->reader.at < 4 * bytes)
		return bytes;
	if (read_us < QUICK_US)
		return bytes * 2 < slot_bytes ? bytes * 2 : slot_bytes;
	if (read_us > SLOW_US && bytes / 2 >= LEAST_BYTES)
		return bytes / 2;
	return bytes;
}

/* A slot to fill, waiting for one if need be. */
static int take_slot(struct session_device *device, unsigned *slot, uint64_t *index)
{
	struct vfiomig_session *session = device->session;
	uint64_t began_ns = 0;

	device->slot_wait_us = 0;
	*slot = 0;
	*index = device->counts.packets;
	if (session->record)
		return 0; /* what is in it is in the file before it is taken again */
	for (;;) {
		bool taken;
		int rc;

		pthread_mutex_lock(&session->flow_lock);
		taken = flow_take(&session->flow, device->number, slot, index);
		pthread_mutex_unlock(&session->flow_lock);
		if (taken && began_ns)
			device->slot_wait_us = (clock_now_ns() - began_ns) / NS_PER_US;
		if (taken)
			return 0;
		if (!began_ns) {
			began_ns = clock_now_ns();
			session_await(device, AWAIT_SLOT, began_ns);
		}
		rc = session_device_wait(device);
		if (rc)
			return rc;
	}
}

static uint32_t narrow(uint64_t us)
{
	return us > UINT32_MAX ? UINT32_MAX : (uint32_t)us;
}

/* @began_ns: when it began to be filled. Checksum or seal count as reading: they are what the reader's thread does meanwhile. */
static int send_packet(struct session_device *device, unsigned slot, uint64_t index, uint32_t bytes, uint32_t flags,
		       uint64_t began_ns, struct vfiomig_error *err)
{
	struct vfiomig_session *session = device->session;
	void *payload = arena_payload(&session->arena, device->number, slot);
	struct packet_header header = { .device = (uint16_t)device->number,
					.flags = flags,
					.index = index,
					.bytes = bytes,
					.wait_us = narrow(device->slot_wait_us) };
	struct flow_actions actions;
	uint64_t ready_ns;
	uint32_t sum;

	memcpy(header.session, session->id, sizeof(header.session));
	if (session_seal_payload(device, &header, payload, &sum, err))
		return -EIO;
	header.ready_ns = ready_ns = clock_now_ns();
	header.read_us = narrow((ready_ns - began_ns) / NS_PER_US);
	if (session_seal_header(device, &header, payload, err))
		return -EIO;
	header.crc = packet_encode(arena_header(&session->arena, device->number, slot), &header, sum);
	device->counts.digest = packet_digest(device->counts.digest, &header);
	device->counts.packets++;
	device->counts.bytes += bytes;
	if (flags & PACKET_STOP_COPY && !device->first_packet_ns)
		device->first_packet_ns = ready_ns;
	if (!atomic_load_explicit(&session->first_packet_ns, memory_order_relaxed))
		atomic_store_explicit(&session->first_packet_ns, ready_ns, memory_order_relaxed);
	if (flags & PACKET_CONFIG_STATE)
		PROBE1(vfio_save_device_config_state, session_device_label(device));
	else
		PROBE2(vfio_save_block, session_device_label(device), bytes);
	if (session->record)
		return session_record_put(device, &header, payload, err);
	pthread_mutex_lock(&session->flow_lock);
	flow_filled(&session->flow, device->number, bytes, flags & PACKET_CONFIG_STATE, &actions);
	pthread_mutex_unlock(&session->flow_lock);
	session_perform(session, &actions);
	return 0;
}

static int read_error(struct session_device *device, uint32_t flags, int rc, struct vfiomig_error *err)
{
	enum device_request request = flags & PACKET_STOP_COPY ? REQUEST_READ : REQUEST_PRECOPY;
	struct vfiomig_error cause = { 0 };

	if (rc == -ECANCELED)
		return error_set(err, VFIOMIG_CANCELLED, ECANCELED, NULL, "the read was stopped");
	error_set(&cause, VFIOMIG_DEVICE, -rc, NULL, "at byte %llu: %s", (unsigned long long)device->reader.at,
		  strerror(-rc));
	return session_device_error(device, request, &cause, -rc, err);
}

int session_read_packet(struct session_device *device, uint32_t flags, enum reader_stop *stop,
			struct vfiomig_error *err)
{
	struct vfiomig_session *session = device->session;
	uint64_t index, began_ns;
	unsigned slot;
	size_t got;
	int rc = take_slot(device, &slot, &index);

	if (rc)
		return read_error(device, flags, rc, err);
	began_ns = clock_now_ns();
	session_await(device, AWAIT_DEVICE, began_ns);
	rc = reader_fill(&device->reader, arena_payload(&session->arena, device->number, slot), device->packet_bytes,
			 &got, stop);
	session_await(device, AWAIT_NOTHING, 0);
	if (rc)
		return read_error(device, flags, rc, err);
	if (*stop == READER_NOTHING && flags & PACKET_STOP_COPY)
		return read_error(device, flags, -ENOMSG, err); /* legal in PRE_COPY only */
	if (*stop == READER_FULL)
		device->packet_bytes = next_packet_bytes(device, (clock_now_ns() - began_ns) / NS_PER_US);
	return got > 0 ? send_packet(device, slot, index, (uint32_t)got, flags, began_ns, err) : 0;
}

static int send_config(struct session_device *device, struct vfiomig_error *err)
{
	const uint32_t flags = PACKET_CONFIG_STATE | PACKET_STOP_COPY;
	struct vfiomig_session *session = device->session;
	struct vfiomig_error cause = { 0 };
	uint64_t index, began_ns;
	ssize_t bytes;
	unsigned slot;

	if (take_slot(device, &slot, &index))
		return read_error(device, flags, -ECANCELED, err);
	began_ns = clock_now_ns();
	session_await(device, AWAIT_NOTHING, 0);
	session_call_begin(device);
	bytes = device_config_get(device->device, arena_payload(&session->arena, device->number, slot),
				  CONFIG_BLOB_BYTES_MAX, &cause);
	session_call_end(device);
	if (bytes < 0)
		return session_device_error(device, REQUEST_READ, &cause, (int)-bytes, err);
	if (bytes > CONFIG_BLOB_BYTES_MAX) {
		error_set(&cause, VFIOMIG_DEVICE, EOVERFLOW, "config-too-long",
			  "it claims %zd bytes of config state, and had room for %d", bytes, CONFIG_BLOB_BYTES_MAX);
		return session_device_error(device, REQUEST_READ, &cause, EOVERFLOW, err);
	}
	device->counts.config_bytes = (uint64_t)bytes;
	return send_packet(device, slot, index, (uint32_t)bytes, flags, began_ns, err);
}

void session_begin_reading(struct session_device *device)
{
	const struct vfiomig_device_ops *ops = device->device->ops;

	device->reader = (struct reader){ .fd = ops->data_fd(device->device->impl),
					  .cancel_fd = device->session->stop_fd,
					  .call = session_call_watch(device),
					  .explain = { ops->explain, device->device->impl } };
	device->packet_bytes = first_packet_bytes(device, 0);
}

/* By the device's own estimate of before the stop: to ask it now would be a call more while it stands still. */
static uint64_t left_bytes(const struct session_device *device)
{
	const struct vfiomig_pending *pending = &device->precopy.pending;

	if (device->precopy_done)
		return pending->stop_copy_known ? pending->stop_copy_bytes : 0;
	return device->device->info.expected_bytes;
}

int session_read_stream(struct session_device *device, struct vfiomig_error *err)
{
	enum reader_stop stop = READER_FULL;
	int rc = 0;

	/* After PRE_COPY the same data_fd goes on, and with it the numbering. */
	if (!device->precopy_done)
		session_begin_reading(device);
	device->packet_bytes = first_packet_bytes(device, left_bytes(device));
	PROBE1(vfio_save_complete_precopy_start, session_device_label(device));
	while (!rc && stop == READER_FULL)
		rc = session_read_packet(device, PACKET_STOP_COPY, &stop, err);
	rc = rc ? rc : send_config(device, err);
	PROBE2(vfio_save_complete_precopy, session_device_label(device), rc);
	return rc;
}
