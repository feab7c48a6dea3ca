/* SPDX-License-Identifier: MIT */
/*
 * Who the peer is: keys on their way to the control connection, and proofs from there to the lanes. All of it is done before
 * the first message is read, so nothing is allocated, registered or connected for a peer that has proved nothing.
 */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "control/tls.h"
#include "session/session.h"

int session_take_credentials(struct vfiomig_session *session, struct vfiomig_error *err)
{
	const struct vfiomig_options *options = &session->options;
	bool sealed = options->payload == VFIOMIG_PAYLOAD_AEAD;

	if (options->payload > VFIOMIG_PAYLOAD_AEAD)
		return error_set(err, VFIOMIG_USAGE, EINVAL, NULL, "payload: it is auto, clear or aead");
	if (sealed && options->record)
		return error_set(err, VFIOMIG_USAGE, EINVAL, "payload-unkeyed",
				 "a recording is not encrypted: it has no peer, and so no key to seal packets with");
	if (sealed && !options->psk_file && !options->tls_dir)
		return error_set(err, VFIOMIG_USAGE, EINVAL, "payload-unkeyed",
				 "packets are sealed with a key from TLS: a pre-shared key or certificates are needed");
	if (options->record || (!options->psk_file && !options->tls_dir))
		return 0;
	return credentials_open(&session->credentials, session->role, options->psk_file, options->tls_dir,
				options->peer, err);
}

int session_secure(struct vfiomig_session *session, struct control_config *config, struct vfiomig_error *err)
{
	int rc;

	if (!session->credentials)
		return 0;
	config->stream = &control_stream_tls;
	rc = tls_open(&config->stream_state, session->credentials, err);
	if (rc)
		close(config->fd);
	return rc;
}

int session_prove_lanes(struct vfiomig_session *session, struct vfiomig_error *err)
{
	for (unsigned lane = 0; lane < VFIOMIG_LANES_MAX; lane++)
		if (control_prove(session->conn, session->id, lane, session->lane_proof[lane]))
			return error_set(err, VFIOMIG_INTERNAL, EIO, NULL, "%s: TLS gave no key for the lanes",
					 session_side(session));
	return 0;
}

/* A message would need a handshake first, and there is no time for that now. */
void session_turn_away_unheard(int fd)
{
	const struct preface preface = { .version = WIRE_VERSION, .kind = PREFACE_BUSY };
	uint8_t bytes[PREFACE_BYTES];

	preface_encode(bytes, &preface);
	(void)!send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL | MSG_DONTWAIT);
	close(fd);
}
