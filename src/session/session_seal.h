/* SPDX-License-Identifier: MIT */
/*
 * Sealed packets in a session: what has to be there before them, and what is done to each. Where the plan says clear, none of
 * it is there. Private to this room.
 */
#ifndef SESSION_SESSION_SEAL_H
#define SESSION_SESSION_SEAL_H

#include "session/session.h"

static inline bool session_is_sealed(const struct vfiomig_session *session)
{
	return session->plan.payload == VFIOMIG_PAYLOAD_AEAD;
}

/* Control thread, once the connection is up: the key, if there can be one. */
int session_take_payload_key(struct vfiomig_session *session, struct vfiomig_error *err);

/*
 * Fabric thread, with the arena: every device's seal, the token's, and the memory that packets are opened in. The key is wiped.
 * VFIOMIG_INTERNAL, and errors as of arena_open.
 */
int session_open_seals(struct vfiomig_session *session, struct vfiomig_error *err);
void session_close_seals(struct vfiomig_session *session);
/* Destination: where this device's packets are opened, one behind the other, as many as are loaded at once. */
void *session_private(const struct session_device *device);

/* What is loaded at once: at most so many packets. */
unsigned session_batch_packets_max(const struct vfiomig_session *session);

/*
 * Source's device thread: the payload, and, when the times are in @header, the rest; where packets are clear, nothing. *@sum is
 * what the header's CRC goes on from.
 */
int session_seal_payload(struct session_device *device, struct packet_header *header, void *payload, uint32_t *sum,
			 struct vfiomig_error *err);
int session_seal_header(struct session_device *device, struct packet_header *header, void *payload,
			struct vfiomig_error *err);

/*
 * Destination's device thread: copy the packet out of its slot to @to, private memory, and open it there; from then on the slot may
 * become what it likes. VFIOMIG_PROTOCOL, "packet-seal".
 */
int session_open_packet(struct session_device *device, struct packet_header *header, const void *payload, void *to,
			struct vfiomig_error *err);

/* Whoever polls the lanes: why a packet with this header cannot be of this session; NULL: it can. */
const char *session_foreign_packet(const struct vfiomig_session *session, const struct packet_header *header);

/* Control thread of the source: encode session->token into the arena. Returns its bytes. */
size_t session_encode_token(struct vfiomig_session *session);
/* Whoever polls the lanes: is session->token, as it was decoded, this session's? */
bool session_token_holds(struct vfiomig_session *session);

#endif
