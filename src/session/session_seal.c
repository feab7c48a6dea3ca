/* SPDX-License-Identifier: MIT */
/*
 * Where sealing meets the session. Each thread that seals or opens has a seal of its own, so that none waits for another's, and all
 * have one key: whoever knows it is one of the two ends of the TLS session. Only the source seals.
 */
#include "session/session_seal.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "seal/seal.h"

int session_take_payload_key(struct vfiomig_session *session, struct vfiomig_error *err)
{
	if (!session->credentials || !control_payload_key(session->conn, session->id, session->payload_key))
		return 0;
	return error_set(err, VFIOMIG_INTERNAL, EIO, NULL, "%s: TLS gave no key for the packets",
			 session_side(session));
}

/* Another arena, that no peer can write to and no lane knows: its pages are there before they are needed. */
static int open_private(struct vfiomig_session *session, struct vfiomig_error *err)
{
	const struct arena_shape shape = { .devices = session->plan.devices,
					   .slots = session_batch_packets_max(session),
					   .slot_bytes = session->plan.slot_bytes };

	return arena_open(&session->private, &shape, session_slots_node(session), err);
}

void *session_private(const struct session_device *device)
{
	return arena_payload(&device->session->private, device->number, 0);
}

int session_open_seals(struct vfiomig_session *session, struct vfiomig_error *err)
{
	int rc = 0;

	if (session_is_sealed(session))
		rc = seal_open(&session->token_seal, session->payload_key, err);
	for (unsigned d = 0; session_is_sealed(session) && d < session->plan.devices && !rc; d++)
		rc = seal_open(&session_device_of(session, d)->seal, session->payload_key, err);
	if (session_is_sealed(session) && session->role == VFIOMIG_DESTINATION && !rc)
		rc = open_private(session, err);
	explicit_bzero(session->payload_key, sizeof(session->payload_key));
	return rc;
}

void session_close_seals(struct vfiomig_session *session)
{
	explicit_bzero(session->payload_key, sizeof(session->payload_key));
	seal_close(session->token_seal);
	for (unsigned d = 0; d < session->devices; d++)
		seal_close(session->device[d].seal);
	arena_close(&session->private);
}

static int seal_failed(struct session_device *device, struct vfiomig_error *err)
{
	return error_set(err, VFIOMIG_INTERNAL, EIO, NULL, "device '%s': a packet could not be sealed",
			 session_device_label(device));
}

int session_seal_payload(struct session_device *device, struct packet_header *header, void *payload, uint32_t *sum,
			 struct vfiomig_error *err)
{
	const struct plan *plan = &device->session->plan;

	*sum = 0;
	if (!session_is_sealed(device->session)) {
		if (plan->integrity == VFIOMIG_INTEGRITY_CRC32C)
			*sum = packet_sum(payload, header->bytes);
		return 0;
	}
	header->flags |= PACKET_SEALED;
	return seal_payload(device->seal, header, payload) ? seal_failed(device, err) : 0;
}

int session_seal_header(struct session_device *device, struct packet_header *header, void *payload,
			struct vfiomig_error *err)
{
	if (!session_is_sealed(device->session))
		return 0;
	return seal_header(device->seal, header, payload) ? seal_failed(device, err) : 0;
}

int session_open_packet(struct session_device *device, struct packet_header *header, const void *payload, void *to,
			struct vfiomig_error *err)
{
	/* A cipher reads more than once what it opens: never where a peer can still write. */
	memcpy(to, payload, header->bytes);
	if (!seal_verify(device->seal, device->session->id, header, to))
		return 0;
	return error_set(err, VFIOMIG_PROTOCOL, EBADMSG, "packet-seal",
			 "device '%s' (destination): packet %llu is not as the source sealed it: it was changed on its "
			 "way, or is somebody else's",
			 device->device->spec, (unsigned long long)header->index);
}

const char *session_foreign_packet(const struct vfiomig_session *session, const struct packet_header *header)
{
	if (session_is_sealed(session) != !!(header->flags & PACKET_SEALED))
		return "packet-flags";
	/* Of a sealed one the tag tells, when it is opened. */
	if (!session_is_sealed(session) && memcmp(header->session, session->id, sizeof(header->session)) != 0)
		return "packet-session";
	return NULL;
}

/* The tag stands where the session does, and is over the token with the session. Returns the bytes that it is over. */
static size_t unmarked_token(const struct vfiomig_session *session, uint8_t bytes[TOKEN_BYTES_MAX])
{
	struct token token = session->token;

	memcpy(token.session, session->id, sizeof(token.session));
	return token_encode(bytes, &token);
}

size_t session_encode_token(struct vfiomig_session *session)
{
	struct token *token = &session->token;
	uint8_t bytes[TOKEN_BYTES_MAX];

	memcpy(token->session, session->id, sizeof(token->session));
	/* Should it fail, the token bears no tag, and the destination refuses it. */
	if (session_is_sealed(session))
		(void)seal_mark(session->token_seal, bytes, unmarked_token(session, bytes), token->session);
	return token_encode(arena_token(&session->arena), token);
}

bool session_token_holds(struct vfiomig_session *session)
{
	uint8_t bytes[TOKEN_BYTES_MAX];

	if (!session_is_sealed(session))
		return memcmp(session->token.session, session->id, sizeof(session->id)) == 0;
	return seal_check(session->token_seal, bytes, unmarked_token(session, bytes), session->token.session) == 0;
}
