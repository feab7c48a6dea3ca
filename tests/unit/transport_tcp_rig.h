/* SPDX-License-Identifier: MIT */
/*
 * What the tests of the tcp fabric stand on: two arenas, a sink that keeps a book of what was placed, and the other end
 * of a lane either as a second fabric or as a bare socket that says whatever a test wants.
 */
#ifndef TESTS_TRANSPORT_TCP_RIG_H
#define TESTS_TRANSPORT_TCP_RIG_H

#include "transport/fabric.h"

enum { RIG_DEVICES = 2, RIG_SLOTS = 4, RIG_SLOT_BYTES = 1 << 20, RIG_TIMEOUT_MS = 5000, RIG_FRAME_BYTES = 8 };

struct rig_sink {
	const struct arena *arena;
	unsigned placed;
	int refuse; /* what place returns: 0 or a negative errno */
};

struct rig {
	int listener;
	int cancel[2]; /* pipe: writing to [1] cancels both */
	struct arena source_arena, destination_arena;
	struct rig_sink sink;
	struct fabric_config source_config, destination_config;
	struct fabric *source, *destination;
	struct vfiomig_error err;
};

/* Arenas, configs and a listening socket; no fabric yet. */
void rig_init(struct rig *rig, unsigned lanes);
/* Both fabrics, joined lane by lane over TCP loopback. */
void rig_open(struct rig *rig, unsigned lanes);
/* A destination whose single lane ends in the socket that is returned, hello and answer done; the caller closes it. */
int rig_open_destination(struct rig *rig);
/* The same for a source. */
int rig_open_source(struct rig *rig);
void rig_close(struct rig *rig);

/* accept(2) on the rig's listener, and read the preface. */
int rig_accept(struct rig *rig);
/* A socket that says hello as @lane of @session (NULL: the rig's); [0] is to be adopted, [1] is the test's. */
void rig_guest(struct rig *rig, int fds[2], uint16_t lane, const uint8_t *session);
/* The other end is gone, or goes within ten seconds, without a byte more. */
bool rig_is_closed(int fd);
void rig_write(int fd, const void *bytes, size_t count);
void rig_read(int fd, void *bytes, size_t count);

/* Data packet @slot of device 0, as it lies on the wire. Returns its bytes; the caller has room for them. */
size_t rig_wire_packet(uint8_t *out, const struct arena *arena, unsigned slot, uint32_t bytes);
void rig_write_frame(int fd, uint32_t immediate, uint32_t bytes);

/* One event, if there is one at once. */
unsigned rig_poll(struct fabric *fabric, uint64_t now_ns, struct fabric_event *event);
/* Poll @fabric, sleeping as a session would, until it has an event. Fails the test after ten seconds. */
struct fabric_event rig_event(struct fabric *fabric);
/* The same, while @other's backlog is pushed on; what it has to tell is lost. */
struct fabric_event rig_event_pushed(struct fabric *fabric, struct fabric *other);
/* Fill header and payload of a slot with bytes that tell device, slot and place. */
void rig_fill(const struct arena *arena, unsigned device, unsigned slot, uint32_t bytes);
/* Does the same packet lie in @slot of both arenas? */
bool rig_same(const struct rig *rig, unsigned device, unsigned slot, uint32_t bytes);
struct fabric_packet rig_packet(unsigned device, unsigned slot, uint32_t bytes);

/* Lane 0 dies now, for this reason, and nothing goes over it any more. */
void rig_assert_dead(struct fabric *fabric, int errnum, enum vfiomig_code code, const char *name);

#endif
