/* SPDX-License-Identifier: MIT */
/*
 * A source made by hand that streams: a device's true state, cut into packets that fit, over lanes of its own. What a test says of
 * it differs from the truth in one point, so that what the session answers is an answer to that.
 */
#ifndef UNIT_SESSION_PEER_STREAM_H
#define UNIT_SESSION_PEER_STREAM_H

#include "unit/session_peer_rig.h"
#include "wire/packet.h"
#include "wire/token.h"

enum {
	STREAM_PACKET_BYTES = 16384,
	STREAM_DATA_PACKETS = 4,
	STREAM_PACKETS = STREAM_DATA_PACKETS + 1, /* the last has the config state */
	STREAM_SLOTS = 4,			  /* so the config packet needs a credit */
	/* What a session may ask for while it is lied to: room for sentences and messages, and for no number of the peer's. */
	STREAM_MEMORY_MAX = 256 << 10,
};

/* One packet as it goes: all of it can be falsified before it does. */
struct stream_packet {
	unsigned lane;
	uint32_t immediate;
	struct packet_header header;
	const uint8_t *payload;
	uint32_t sent_bytes;		   /* of payload, as the frame says; the header's own count is in the header */
	uint8_t head[PACKET_HEADER_BYTES]; /* encoded; falsified after that if need be */
};

/* The gate, as this source asks for it. The lanes stand, and packets may come. */
void stream_start(struct peer_rig *rig, enum vfiomig_gate gate);
/* Before the next start: how long the destination waits for a packet that was announced. */
void stream_set_patience(uint64_t missing_ns);
/* Before the next start: how long the destination lets a stream be. */
void stream_set_stream_bytes(uint64_t max);
/* Before the next start: payload of a slot, as offered. */
void stream_set_slot_bytes(uint32_t bytes);

/* Packet @index of the device's true state; from STREAM_DATA_PACKETS on the config packet, whatever its number. */
struct stream_packet stream_packet(uint64_t index, bool config);
/* The header again, after it was changed. */
void stream_encode(struct stream_packet *packet);
void stream_send(const struct stream_packet *packet);
/* Packets @first to @last, as they are. */
void stream_send_true(uint64_t first, uint64_t last);
/* A frame on a lane, of whatever. */
void stream_send_frame(unsigned lane, uint32_t immediate, const void *body, uint32_t bytes);

/* The true manifest, and a message with it. */
struct message_stream_end stream_manifest(void);
void stream_send_end(const struct message_stream_end *end);
/* The true token. */
struct token stream_token(void);
void stream_send_token(const struct token *token);

/* Until the destination has taken in @packets packets, of which some may wait for others. */
void stream_await_arrived(uint64_t packets);
/* Until a credit of at least @packets has come, over any lane. */
void stream_await_credit(uint64_t packets);

int stream_control(void);

/* The destination gives up by @name, all is as it was, and it asked for no memory to speak of. */
void stream_caught(enum vfiomig_code code, const char *name);
/* PREPARED, COMMIT, DONE: the destination runs. */
void stream_succeeds(void);
/* The same from COMMIT on, which has been said already. */
void stream_runs(void);

#endif
