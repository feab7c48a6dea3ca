/* SPDX-License-Identifier: MIT */
/*
 * The stream in: packets in order out of their slots into the data_fd, on the device's own thread, up to the config packet,
 * which is copied aside until the gate lets it be loaded.
 */
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/probe.h"
#include "session/session_seal.h"

/*
 * What goes to the loader at once: small packets together, to save calls; not more bytes than a core's cache holds, as they
 * have just been checked; and not more packets than that their slots' credit may wait for each other.
 */
enum { BATCH_PACKETS_MAX = 8, BATCH_BYTES_MAX = 1 << 20, IDLE_LOOKS_MAX = 4 };

_Static_assert((int)BATCH_PACKETS_MAX <= (int)LOADER_PIECES_MAX, "a batch is one call of the loader");

/* A device of a few hundred bytes may mishandle a split write: what fits in a packet is then written whole. */
enum { WHOLE_BYTES_MAX = 65536 };

void session_open_loader(struct session_device *device, struct vfiomig_error *err)
{
	const struct vfiomig_device_ops *ops = device->device->ops;
	struct loader_config config = { .kind = device->session->options.loader,
					.fd = ops->data_fd(device->device->impl),
					.cancel_fd = device->session->stop_fd,
					.explain = { ops->explain, device->device->impl },
					.split = device->source_info->expected_bytes > WHOLE_BYTES_MAX };

	if (device->loader || loader_open(&device->loader, &config, err))
		return;
	loader_watch(device->loader, session_call_watch(device));
	atomic_store(&device->session->loader_used, loader_name(device->loader));
}

struct batch {
	unsigned count;
	struct iovec piece[BATCH_PACKETS_MAX];
	struct packet_header header[BATCH_PACKETS_MAX];
	struct session_arrival arrival[BATCH_PACKETS_MAX];
	uint64_t begin_ns; /* when it began to be checked and written */
};

static int damaged(struct session_device *device, const struct packet_header *header, struct vfiomig_error *err)
{
	return error_set(err, VFIOMIG_PROTOCOL, EBADMSG, "packet-damaged",
			 "device '%s' (destination): packet %llu came damaged: its CRC does not hold",
			 device->device->spec, (unsigned long long)header->index);
}

unsigned session_batch_packets_max(const struct vfiomig_session *session)
{
	size_t fit = BATCH_BYTES_MAX / session->plan.slot_bytes;

	fit = fit < BATCH_PACKETS_MAX ? fit : BATCH_PACKETS_MAX;
	fit = fit < session->plan.slots ? fit : session->plan.slots;
	return fit < 1 ? 1 : (unsigned)fit;
}

/*
 * Poll the lanes oneself as long as that brings something; then, or when somebody else polls, sleep until woken. @idle
 * counts looks that brought nothing, and tells flow_ready whether this thread wants to be woken.
 */
static int wait_for_packets(struct session_device *device, unsigned *idle)
{
	int rc;

	if (*idle >= IDLE_LOOKS_MAX)
		return session_device_wait(device);
	rc = session_poll_for(device);
	if (rc == -ECANCELED)
		return rc;
	*idle = rc == 1 ? 0 : rc == -EAGAIN ? IDLE_LOOKS_MAX : *idle + 1;
	return 0;
}

/*
 * The @i-th of the batch, at @payload in its slot: its header again as it came, and either its CRC, or a copy that is opened and
 * then the packet. Copies follow each other without a gap, as slots do, so that they too are written at once.
 */
static int check_packet(struct session_device *device, struct batch *batch, unsigned i, void *payload,
			struct vfiomig_error *err)
{
	const struct vfiomig_session *session = device->session;
	bool whole = session->plan.integrity == VFIOMIG_INTEGRITY_CRC32C && !session_is_sealed(session);
	struct session_arrival *arrival = &batch->arrival[i];
	struct packet_header *header = &batch->header[i];

	memcpy(header->session, arrival->session, sizeof(header->session));
	header->ready_ns = arrival->ready_ns;
	header->read_us = arrival->read_us;
	header->wait_us = arrival->wait_us;
	batch->piece[i] = (struct iovec){ payload, header->bytes };
	if (packet_verify(header, whole ? payload : NULL))
		return damaged(device, header, err);
	if (!session_is_sealed(session))
		return 0;
	batch->piece[i].iov_base =
		i ? (uint8_t *)batch->piece[i - 1].iov_base + batch->piece[i - 1].iov_len : session_private(device);
	if (session_open_packet(device, header, payload, batch->piece[i].iov_base, err))
		return -EBADMSG;
	arrival->ready_ns = header->ready_ns;
	arrival->read_us = header->read_us;
	arrival->wait_us = header->wait_us;
	return 0;
}

/* Wait for packets, and check each one just before it is loaded, when it is about to be read anyway. */
static int next_batch(struct session_device *device, struct batch *batch, struct vfiomig_error *err)
{
	struct vfiomig_session *session = device->session;
	unsigned max = session_batch_packets_max(session);
	unsigned idle = 0;

	for (;;) {
		unsigned slot[BATCH_PACKETS_MAX];

		pthread_mutex_lock(&session->flow_lock);
		batch->count = flow_ready(&session->flow, device->number, max, idle >= IDLE_LOOKS_MAX);
		for (unsigned i = 0; i < batch->count; i++) {
			slot[i] = flow_peek(&session->flow, device->number, i, &batch->header[i]);
			batch->arrival[i] = device->arrival[slot[i]];
		}
		pthread_mutex_unlock(&session->flow_lock);
		batch->begin_ns = clock_now_ns();
		for (unsigned i = 0; i < batch->count; i++) {
			void *payload = arena_payload(&session->arena, device->number, slot[i]);

			if (check_packet(device, batch, i, payload, err))
				return -EBADMSG;
		}
		if (batch->count > 0)
			return 0;
		if (idle == 0)
			session_await(device, AWAIT_PACKETS, batch->begin_ns);
		if (idle == 0)
			PROBE2(vfio_load_state_device_buffer_starved, session_device_label(device),
			       device->counts.packets);
		if (wait_for_packets(device, &idle))
			return error_set(err, VFIOMIG_CANCELLED, ECANCELED, NULL, "the load was stopped");
	}
}

static void release_batch(struct session_device *device, const struct batch *batch)
{
	struct vfiomig_session *session = device->session;
	struct stream_counts *counts = &device->counts;
	bool stop_copy[BATCH_PACKETS_MAX];
	uint64_t now = clock_now_ns();
	struct flow_actions actions;

	for (unsigned i = 0; i < batch->count; i++) {
		counts->digest = packet_digest(counts->digest, &batch->header[i]);
		counts->packets++;
		counts->bytes += batch->header[i].bytes;
		stop_copy[i] = batch->header[i].flags & PACKET_STOP_COPY;
	}
	session_account(device, batch->arrival, stop_copy, batch->count, batch->begin_ns, now);
	atomic_fetch_add_explicit(&device->load_ns, now - batch->begin_ns, memory_order_relaxed);
	atomic_store_explicit(&device->loaded_bytes, counts->bytes, memory_order_relaxed);
	atomic_store_explicit(&session->last_packet_ns, now, memory_order_relaxed);
	pthread_mutex_lock(&session->flow_lock);
	flow_loaded(&session->flow, device->number, batch->count, &actions);
	pthread_mutex_unlock(&session->flow_lock);
	session_perform(session, &actions);
}

static int load_batch(struct session_device *device, const struct batch *batch, struct vfiomig_error *err)
{
	const char *label = session_device_label(device);
	struct vfiomig_error cause = { 0 };
	int rc;

	PROBE2(vfio_load_state_device_buffer_load_start, label, batch->header[0].index);
	session_await(device, AWAIT_DEVICE, batch->begin_ns);
	rc = loader_write(device->loader, batch->piece, batch->count);
	session_await(device, AWAIT_NOTHING, 0);
	PROBE2(vfio_load_state_device_buffer_load_end, label, batch->header[batch->count - 1].index);
	if (!rc)
		return 0;
	if (rc == -ECANCELED)
		return error_set(err, VFIOMIG_CANCELLED, ECANCELED, NULL, "the load was stopped");
	error_set(&cause, VFIOMIG_DEVICE, -rc, NULL, "at byte %llu: %s", (unsigned long long)loader_at(device->loader),
		  strerror(-rc));
	return session_device_error(device, REQUEST_LOAD, &cause, -rc, err);
}

static int keep_config(struct session_device *device, const struct batch *batch, struct vfiomig_error *err)
{
	uint32_t bytes = batch->header[0].bytes;

	if (bytes > CONFIG_BLOB_BYTES_MAX)
		return error_set(err, VFIOMIG_PROTOCOL, EPROTO, "config-too-long",
				 "device '%s': the source sent %u bytes of config state, at most %d are legal",
				 device->device->spec, bytes, CONFIG_BLOB_BYTES_MAX);
	memcpy(device->blob, batch->piece[0].iov_base, bytes);
	device->blob_bytes = bytes;
	device->counts.config_bytes = bytes;
	release_batch(device, batch);
	device->stream_end_ns = clock_now_ns();
	return 0;
}

int session_load_stream(struct session_device *device, struct vfiomig_error *err)
{
	for (;;) {
		struct batch batch;
		int rc = next_batch(device, &batch, err);

		if (!rc && batch.header[0].flags & PACKET_CONFIG_STATE)
			return keep_config(device, &batch, err);
		rc = rc ? rc : load_batch(device, &batch, err);
		if (rc)
			return rc;
		release_batch(device, &batch);
	}
}
