/* SPDX-License-Identifier: MIT */
/*
 * A source that has said "all is out" and goes on breathing could let its destination wait for ever: for a packet that it never
 * sent, or for a config packet where all have come. What can be told from counts is told at once; a gap may be a lane's that is
 * slow, so it has a while, which begins anew with each packet that comes.
 */
#include <errno.h>

#include "base/error.h"
#include "session/session.h"

enum { SLOWEST_BYTES_PER_S = 1 << 20 }; /* of all lanes together: slower than that is as good as not at all */

static void fail(struct vfiomig_session *session, const struct vfiomig_error *err)
{
	session_step(session, &(struct core_event){ .kind = CORE_FAILED, .error = err });
}

/* What has come of device @d; true: its config packet as well, and *@last is one past it. */
static bool look(struct vfiomig_session *session, unsigned d, uint64_t *packets, uint64_t *last)
{
	const struct flow_device *device = &session->flow.device[d];
	bool config;

	pthread_mutex_lock(&session->flow_lock);
	*packets = device->packets;
	*last = device->window.last;
	config = device->config;
	pthread_mutex_unlock(&session->flow_lock);
	return config;
}

/* A lane carries two packets at a time, and they may be another device's: so much may lie before the one that is awaited. */
static uint64_t patience_ns(const struct vfiomig_session *session)
{
	return session->missing_ns +
	       2 * session->plan.lanes * session->plan.slot_bytes * NS_PER_S / SLOWEST_BYTES_PER_S;
}

/* Nothing has come for any device in all that time. */
static bool is_late(struct vfiomig_session *session)
{
	uint64_t now = clock_now_ns(), packets = 0;

	pthread_mutex_lock(&session->flow_lock);
	for (unsigned d = 0; d < session->flow.devices; d++)
		packets += session->flow.device[d].packets;
	pthread_mutex_unlock(&session->flow_lock);
	if (!session->arrived_ns || packets != session->arrived_packets) {
		session->arrived_packets = packets;
		session->arrived_ns = now;
	}
	return now - session->arrived_ns > patience_ns(session);
}

static int judge(struct vfiomig_session *session, unsigned d, struct vfiomig_error *err)
{
	uint64_t announced = session->core.device[d].manifest.packets, packets, last;
	bool config = look(session, d, &packets, &last);

	if (packets > announced || (config && last != announced))
		return error_set(err, VFIOMIG_PROTOCOL, EPROTO, "manifest-mismatch",
				 "device %u: the source announced %llu packets, and sent %llu", d,
				 (unsigned long long)announced, (unsigned long long)(config ? last : packets));
	if (packets == announced && !config)
		return error_set(err, VFIOMIG_PROTOCOL, EPROTO, "config-missing",
				 "device %u: all %llu packets that the source announced are here, and none bears the "
				 "config state",
				 d, (unsigned long long)announced);
	if (packets < announced && is_late(session))
		return error_set(err, VFIOMIG_PROTOCOL, EPROTO, "packet-missing",
				 "device %u: the source says that %llu packets are out, and %llu have come, and none "
				 "for %llu ms",
				 d, (unsigned long long)announced, (unsigned long long)packets,
				 (unsigned long long)(patience_ns(session) / NS_PER_MS));
	return 0;
}

void session_watch_missing(struct vfiomig_session *session)
{
	const struct core *core = &session->core;
	struct vfiomig_error err = { 0 };

	if (session->role != VFIOMIG_DESTINATION)
		return;
	for (unsigned d = 0; core->phase == PHASE_STREAM && d < core->devices; d++)
		if (core->device[d].ended && !core->device[d].counted && judge(session, d, &err))
			fail(session, &err);
}
