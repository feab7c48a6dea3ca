/* SPDX-License-Identifier: MIT */
/*
 * A source that has said "all is out" and goes on breathing could let its destination wait for ever: for a packet that it never
 * sent, or for a config packet where all have come. What can be told from counts is told at once; a gap may be a lane's that is
 * slow, so it has a while, which begins anew with each packet that comes.
 */
#include <errno.h>

#include "base/error.h"
#include "session/session.h"

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

static bool is_late(struct vfiomig_session *session, struct session_device *device, uint64_t packets)
{
	uint64_t now = clock_now_ns();

	if (!device->arrived_ns || packets != device->arrived_packets) {
		device->arrived_packets = packets;
		device->arrived_ns = now;
	}
	return now - device->arrived_ns > session->missing_ns;
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
	if (packets < announced && is_late(session, session_device_of(session, d), packets))
		return error_set(err, VFIOMIG_PROTOCOL, EPROTO, "packet-missing",
				 "device %u: the source says that %llu packets are out, and %llu have come, the last "
				 "one %llu ms ago",
				 d, (unsigned long long)announced, (unsigned long long)packets,
				 (unsigned long long)(session->missing_ns / NS_PER_MS));
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
