/* SPDX-License-Identifier: MIT */
/* The destination's account of a device's stream, on the device's own thread: what headers and clocks say, into account.h. */
#include "base/clock.h"
#include "session/session.h"

/* The source's clock here: its time as this host's. */
static uint64_t from_peer(const struct vfiomig_session *session, uint64_t peer_ns)
{
	return peer_ns + (uint64_t)atomic_load_explicit(&session->peer_offset_ns, memory_order_relaxed);
}

static struct account_packet packet_of(const struct session_device *device, const struct session_arrival *arrival)
{
	return (struct account_packet){ .ready_ns = from_peer(device->session, arrival->ready_ns),
					.arrived_ns = arrival->arrived_ns,
					.read_ns = arrival->read_us * NS_PER_US,
					.wait_ns = arrival->wait_us * NS_PER_US };
}

/* PRE_COPY and the downtime have an account each: the second begins when the first packet of STOP_COPY began to be read. */
static void begin_if_new(struct session_device *device, bool stop_copy, const struct account_packet *packet)
{
	uint64_t begin_ns = packet->ready_ns - packet->read_ns - packet->wait_ns;

	if (device->account.begin_ns && device->account_stopped == stop_copy)
		return;
	device->account_stopped = stop_copy;
	account_begin(&device->account, begin_ns, device->load_end_ns);
}

void session_account(struct session_device *device, const struct session_arrival *arrivals, const bool *stop_copy,
		     unsigned count, uint64_t load_begin_ns, uint64_t load_end_ns)
{
	struct account_packet first = packet_of(device, &arrivals[0]);

	for (unsigned i = 0; i < count; i++) {
		struct account_packet packet = packet_of(device, &arrivals[i]);

		begin_if_new(device, stop_copy[i], &packet);
		account_take(&device->account, &packet);
	}
	account_load(&device->account, &first, load_begin_ns, load_end_ns);
	device->load_end_ns = load_end_ns;
	if (!device->account_stopped)
		atomic_store_explicit(&device->wire_ns, device->account.wire_busy_ns, memory_order_relaxed);
}
