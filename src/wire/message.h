/* SPDX-License-Identifier: MIT */
/*
 * The bodies of the control messages: encode and decode, no I/O. Frames around them (length, version, type, session) are
 * src/control's. Every message has a hard limit, which is checked before anything is buffered.
 */
#ifndef WIRE_MESSAGE_H
#define WIRE_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vfiomig/device.h>
#include <vfiomig/journal.h>
#include <vfiomig/session.h>

enum message_type {
	MESSAGE_OFFER = 1,	 /* source: what it wants; as many DEVICE messages follow as it says */
	MESSAGE_DEVICE = 2,	 /* source: one device's manifest */
	MESSAGE_AGREED = 3,	 /* destination: what holds */
	MESSAGE_READY = 4,	 /* destination: where its arena lies; lanes may come */
	MESSAGE_LANES_READY = 5, /* destination: all lanes up, all devices RESUMING */
	MESSAGE_SWITCHOVER = 6,	 /* source: its devices stop now; body: struct telemetry_clock */
	MESSAGE_STREAM_END = 7,	 /* source: one device's stream is complete, with this manifest */
	MESSAGE_PREPARED = 8,	 /* destination: all loaded and checked, it could run */
	MESSAGE_COMMIT = 9,	 /* source: run; the source never will again */
	MESSAGE_DONE = 10,	 /* destination: runs (failure.code 0), or runs with a failed device (22) */
	MESSAGE_ABORT = 11,	 /* either: it is over, and why */
	MESSAGE_HEARTBEAT = 12,	 /* either */
	MESSAGE_MEASURE = 13,	 /* source: what time is it, and how fast is it? (wire/telemetry.h, as the two below) */
	MESSAGE_MEASURED = 14,	 /* destination */
	MESSAGE_SPANS = 15,	 /* destination: where one device's time went */
	MESSAGE_QUERY = 16,	 /* source in doubt, over a connection of its own: what became of the session? */
	MESSAGE_ANSWER = 17,	 /* destination: what its journal says */
	MESSAGE_FENCE = 18,	 /* source: one of its lanes is fenced; fence it over there, and say what came */
	MESSAGE_FENCED = 19, /* destination: the lane is fenced, and this had come; one message per device, in order */
	MESSAGE_LANE_LOST = 20, /* destination: one of its lanes is fenced, because it was lost there */
	MESSAGE_TYPES
};

/* "OFFER", ...; "?" for no type. */
const char *message_name(unsigned type);

/* The longest body of @type in bytes; 0 for HEARTBEAT and its like; UINT32_MAX: no such type. */
uint32_t message_bytes_max(uint16_t type);

enum { MESSAGE_BYTES_MAX = 16384 };

enum message_arch { ARCH_UNKNOWN = 0, ARCH_X86_64 = 1, ARCH_AARCH64 = 2, ARCH_OTHER = 255 };

/* An IPv6 address, or an IPv4 one mapped into it; in network order. */
enum { MESSAGE_ADDRESS_BYTES = 16 };

struct message_offer {
	uint16_t devices;
	uint16_t lanes;
	uint32_t slots;
	uint64_t slot_bytes;
	uint8_t gate;	      /* enum vfiomig_gate, as asked for */
	uint8_t integrity;    /* enum vfiomig_integrity */
	uint8_t transports;   /* bit (1 << enum vfiomig_transport) for each that the source can use */
	uint8_t arch;	      /* enum message_arch */
	bool gate_default;    /* what the source's auto means on its architecture */
	uint8_t payload;      /* enum vfiomig_payload, as asked for */
	bool external_commit; /* its caller commits, not the session */
	uint8_t rails;	      /* paths that the lanes are spread over, in turn; 0: the control connection's own */
	uint8_t rail[VFIOMIG_RAILS_MAX]
		    [MESSAGE_ADDRESS_BYTES]; /* where they end at the destination, zero from rails on */
};

struct message_device {
	uint16_t number; /* the source's; on lanes and in all later messages too */
	uint8_t gate;	 /* enum vfiomig_gate */
	char name[32];
	struct vfiomig_device_info info;
};

struct message_agreed {
	uint16_t lanes;
	uint32_t slots;
	uint64_t slot_bytes;
	uint8_t transport; /* enum vfiomig_transport, never AUTO */
	uint64_t gated;	   /* bit per device */
	char reason[160];  /* why this transport */
	bool sealed;	   /* the packets */
};

struct message_ready {
	uint64_t base;
	uint32_t rkey[VFIOMIG_RAILS_MAX]; /* of the arena's registration, by rail; the first alone without rails */
};

struct message_stream_end {
	uint16_t number;
	uint64_t packets; /* the config packet included */
	uint64_t bytes;	  /* of payload, the config packet's included */
	uint32_t digest;
};

struct message_failure {
	struct vfiomig_error error;
};

enum { MESSAGE_ANSWER_BYTES = 3 };

struct message_answer {
	uint8_t state; /* enum vfiomig_journal_state; NONE: no such session is known here */
	bool held;     /* the process that wrote it lives */
	bool degraded;
};

/* FENCE and LANE_LOST. */
struct message_lane {
	uint16_t lane;
};

enum { MESSAGE_HERE_BYTES_MAX = VFIOMIG_SLOTS_MAX / 8 };

/* What had come of one device when a lane was fenced, by whichever lane it came. */
struct message_fenced {
	uint16_t lane;
	uint16_t number;		      /* the device's */
	bool token;			      /* the token had come */
	uint64_t loaded;		      /* packets, from the first on: its credit */
	uint32_t slots;			      /* as agreed: that many bits follow */
	uint8_t here[MESSAGE_HERE_BYTES_MAX]; /* bit i: packet loaded + i is here, and not yet loaded */
};

static inline bool message_here(const struct message_fenced *message, uint32_t i)
{
	return message->here[i / 8] >> i % 8 & 1;
}

/* Encoders write at most MESSAGE_BYTES_MAX to @out and return the bytes. */
size_t message_encode_offer(uint8_t *out, const struct message_offer *message);
size_t message_encode_device(uint8_t *out, const struct message_device *message);
size_t message_encode_agreed(uint8_t *out, const struct message_agreed *message);
size_t message_encode_ready(uint8_t *out, const struct message_ready *message);
size_t message_encode_stream_end(uint8_t *out, const struct message_stream_end *message);
size_t message_encode_answer(uint8_t *out, const struct message_answer *message);
size_t message_encode_failure(uint8_t *out, const struct message_failure *message);
size_t message_encode_lane(uint8_t *out, const struct message_lane *message);
size_t message_encode_fenced(uint8_t *out, const struct message_fenced *message);

/*
 * Decoders fill @message and return 0, or -EPROTO when the body is too short, too long, or has a field out of its
 * range. Strings come out terminated whatever the peer sent.
 */
int message_decode_offer(struct message_offer *message, const uint8_t *in, size_t bytes);
int message_decode_device(struct message_device *message, const uint8_t *in, size_t bytes);
int message_decode_agreed(struct message_agreed *message, const uint8_t *in, size_t bytes);
int message_decode_ready(struct message_ready *message, const uint8_t *in, size_t bytes);
int message_decode_stream_end(struct message_stream_end *message, const uint8_t *in, size_t bytes);
int message_decode_answer(struct message_answer *message, const uint8_t *in, size_t bytes);
int message_decode_failure(struct message_failure *message, const uint8_t *in, size_t bytes);
int message_decode_lane(struct message_lane *message, const uint8_t *in, size_t bytes);
int message_decode_fenced(struct message_fenced *message, const uint8_t *in, size_t bytes);

#endif
