/* SPDX-License-Identifier: MIT */
/*
 * A real destination session on loopback, and sources made by hand that say to it what no program of ours would. Nothing
 * here waits for time to pass: every wait is for a message, a connection's end or the session's, with a generous limit.
 */
#ifndef UNIT_SESSION_PEER_RIG_H
#define UNIT_SESSION_PEER_RIG_H

#include <stdint.h>

#include <vfiomig/vfiomig.h>

#include "wire/message.h"

enum { PEER_DEVICES = 2, PEER_LANES = 2, PEER_LIMIT_MS = 30000 };

#define PEER_DEVICE_SPEC "sim:bytes=64K"

extern uint8_t peer_session[16]; /* that all these sources claim; another one for each rig */

struct peer_rig {
	struct vfiomig_listener *listener;
	struct vfiomig_session *session;
	unsigned devices;
	struct vfiomig_device *device[PEER_DEVICES];
};

/* A message that came. */
struct peer_message {
	uint16_t type; /* 0: the destination has closed */
	uint32_t bytes;
	uint8_t session[16];
	uint8_t body[MESSAGE_BYTES_MAX];
};

/* A destination of @devices simulated devices that has started. */
void peer_start(struct peer_rig *rig, unsigned devices);
/* The same; @prepare is called before the session starts. */
void peer_start_with(struct peer_rig *rig, unsigned devices, void (*prepare)(struct vfiomig_session *session));

/* Waits for the session's end, whose result must be @code and @name (NULL: any), and closes all. */
void peer_end(struct peer_rig *rig, enum vfiomig_code code, const char *name, const char *destination_state);

/* A connected socket that has said nothing yet; the caller's. */
int peer_connect(const struct peer_rig *rig);
/* The same, with a control connection's preface out and the destination's in: the destination has taken it. */
int peer_control(const struct peer_rig *rig);

void peer_write(int fd, const void *bytes, size_t count);
/* One frame of any session. */
void peer_send_as(int fd, const uint8_t session[16], uint16_t type, const void *body, size_t bytes);
/* One frame of the session that all these sources claim. */
void peer_send(int fd, uint16_t type, const void *body, size_t bytes);
void peer_send_offer(int fd, unsigned devices);
/* What peer_send_offer offers; any other offer. */
struct message_offer peer_offer(unsigned devices);
void peer_send_offer_of(int fd, const struct message_offer *offer);
/* The manifest of the rig's own device @number, which fits; @name may be "". */
void peer_send_device(const struct peer_rig *rig, int fd, unsigned number, const char *name);

/* A lane of that session, once READY has come: connected, hello out and the answer in. */
int peer_lane(const struct peer_rig *rig, unsigned lane);
/* The first message over a lane, with a body of @bytes; it may be too late for the destination to take it. */
void peer_warm_up(int lane_fd, uint32_t bytes);

/* The next message that is no heartbeat. */
void peer_receive(int fd, struct peer_message *message);
/* Waits for a message of @type; others before it are passed over. */
void peer_await(int fd, uint16_t type);
/* Waits for ABORT with @name and for the destination's end of the connection, then closes it. */
void peer_await_abort(int fd, const char *name);
/* Waits for the destination's end of the connection, then closes it. */
void peer_await_end(int fd);

#endif
