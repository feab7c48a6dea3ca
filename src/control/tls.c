/* SPDX-License-Identifier: MIT */
/*
 * GnuTLS between the frames and the socket. It is given calls that never wait, and what it says is turned into what a
 * stream may say: that bytes must come first, that the connection is gone, or that the peer is not who it must be.
 */
#include "control/tls.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <gnutls/crypto.h>
#include <gnutls/x509.h>

#include "base/error.h"
#include "control/credentials.h"
#include "wire/hello.h"

static const char lane_label[] = "EXPORTER-rdma-vfiomig-lane";
static const char payload_label[] = "EXPORTER-rdma-vfiomig-payload";
static const char psk_priority[] = "NORMAL:-VERS-ALL:+VERS-TLS1.3:-KX-ALL:+ECDHE-PSK:+DHE-PSK";
static const char certificate_priority[] = "NORMAL:-VERS-ALL:+VERS-TLS1.3";

struct tls {
	gnutls_session_t session;
	const struct credentials *credentials;
	int fd;
	int errnum;			   /* of the last socket call that failed */
	bool sending;			   /* GnuTLS holds bytes that the socket did not take */
	bool ended;			   /* the socket has no more */
	bool proved;			   /* the handshake is over */
	bool heard;			   /* something came after it: the other end has let us in */
	gnutls_typed_vdata_st expected[2]; /* what the peer's certificate must say; used until the handshake is over */
};

static ssize_t tls_pull(gnutls_transport_ptr_t context, void *to, size_t bytes)
{
	struct tls *tls = context;
	ssize_t got = recv(tls->fd, to, bytes, MSG_DONTWAIT);

	if (got < 0)
		tls->errnum = errno;
	if (got == 0 && bytes)
		tls->ended = true;
	return got;
}

static ssize_t tls_push(gnutls_transport_ptr_t context, const void *from, size_t bytes)
{
	struct tls *tls = context;
	ssize_t sent = send(tls->fd, from, bytes, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (sent < 0)
		tls->errnum = errno;
	return sent;
}

/* The destination's certificate must be that of the host that was asked for, and neither end's may serve as the other's. */
static void tls_expect_certificate(struct tls *tls)
{
	bool source = tls->credentials->role == VFIOMIG_SOURCE;
	unsigned count = 0;

	tls->expected[count++] = (gnutls_typed_vdata_st){ .type = GNUTLS_DT_KEY_PURPOSE_OID,
							  .data = (void *)(source ? GNUTLS_KP_TLS_WWW_SERVER
										  : GNUTLS_KP_TLS_WWW_CLIENT) };
	if (source)
		tls->expected[count++] = (gnutls_typed_vdata_st){ .type = GNUTLS_DT_DNS_HOSTNAME,
								  .data = (void *)tls->credentials->host };
	gnutls_session_set_verify_cert2(tls->session, tls->expected, count, 0);
	if (!source)
		gnutls_certificate_server_set_request(tls->session, GNUTLS_CERT_REQUIRE);
}

static int tls_prepare(struct tls *tls)
{
	const struct credentials *credentials = tls->credentials;
	bool source = credentials->role == VFIOMIG_SOURCE;
	int rc = gnutls_init(&tls->session, (source ? GNUTLS_CLIENT : GNUTLS_SERVER) | GNUTLS_NONBLOCK |
						    GNUTLS_NO_SIGNAL | GNUTLS_NO_TICKETS);

	if (rc)
		return rc;
	gnutls_session_set_ptr(tls->session, (void *)credentials);
	gnutls_transport_set_ptr(tls->session, tls);
	gnutls_transport_set_pull_function(tls->session, tls_pull);
	gnutls_transport_set_push_function(tls->session, tls_push);
	rc = gnutls_priority_set_direct(tls->session, credentials->psk ? psk_priority : certificate_priority, NULL);
	if (rc)
		return rc;
	if (!credentials->psk) {
		tls_expect_certificate(tls);
		return gnutls_credentials_set(tls->session, GNUTLS_CRD_CERTIFICATE, credentials->certificates);
	}
	return gnutls_credentials_set(tls->session, GNUTLS_CRD_PSK,
				      source ? (void *)credentials->psk_source : (void *)credentials->psk_destination);
}

int tls_open(void **state, const struct credentials *credentials, struct vfiomig_error *err)
{
	struct tls *tls = calloc(1, sizeof(*tls));
	int rc;

	*state = NULL;
	if (!tls)
		return error_set(err, VFIOMIG_INTERNAL, ENOMEM, NULL, "no memory for TLS");
	tls->credentials = credentials;
	tls->fd = -1;
	rc = tls_prepare(tls);
	if (rc) {
		if (tls->session)
			gnutls_deinit(tls->session);
		free(tls);
		return error_set(err, VFIOMIG_INTERNAL, EIO, NULL, "TLS cannot be set up: %s", gnutls_strerror(rc));
	}
	*state = tls;
	return 0;
}

/* The other end's word for why it will not have us. */
static int tls_alerted(struct control_stream *stream, struct tls *tls)
{
	const char *alert = gnutls_alert_get_name(gnutls_alert_get(tls->session));

	snprintf(stream->why, sizeof(stream->why), "does not accept this side's %s (TLS alert: %s)",
		 tls->credentials->psk ? "pre-shared key" : "certificate", alert ? alert : "unknown");
	return -EACCES;
}

static int tls_unproved(struct control_stream *stream, struct tls *tls, int rc)
{
	gnutls_datum_t text = { NULL, 0 };

	gnutls_alert_send_appropriate(tls->session, rc);
	if (rc == GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR)
		gnutls_certificate_verification_status_print(gnutls_session_get_verify_cert_status(tls->session),
							     GNUTLS_CRT_X509, &text, 0);
	snprintf(stream->why, sizeof(stream->why), "could not prove %s: %s",
		 tls->credentials->psk ? "that it has the pre-shared key" : "who it is with a certificate",
		 text.data ? (char *)text.data : gnutls_strerror(rc));
	for (size_t end = strlen(stream->why); end && stream->why[end - 1] == ' '; end--)
		stream->why[end - 1] = '\0';
	gnutls_free(text.data);
	return -EACCES;
}

/* What GnuTLS says, as a negative errno; -EAGAIN: bytes must come or go first. */
static int tls_errno(struct control_stream *stream, struct tls *tls, ssize_t rc)
{
	switch (rc) {
	case GNUTLS_E_AGAIN:
	case GNUTLS_E_INTERRUPTED:
		return -EAGAIN;
	case GNUTLS_E_PREMATURE_TERMINATION:
	case GNUTLS_E_SESSION_EOF:
		return -EPIPE;
	case GNUTLS_E_PULL_ERROR:
	case GNUTLS_E_PUSH_ERROR:
		return tls->errnum && tls->errnum != EAGAIN ? -tls->errnum : -EPIPE;
	case GNUTLS_E_MEMORY_ERROR:
		return -ENOMEM;
	case GNUTLS_E_FATAL_ALERT_RECEIVED:
		return tls->heard ? -ECONNABORTED : tls_alerted(stream, tls);
	default:
		return -EBADMSG;
	}
}

static struct tls *tls_of(struct control_stream *stream)
{
	struct tls *tls = stream->state;

	tls->fd = stream->fd;
	return tls;
}

static int tls_handshake(struct control_stream *stream)
{
	struct tls *tls = tls_of(stream);
	int rc, result;

	do {
		rc = gnutls_handshake(tls->session);
	} while (rc == GNUTLS_E_WARNING_ALERT_RECEIVED);
	tls->proved = rc == 0;
	if (rc == 0)
		return 0;
	result = tls_errno(stream, tls, rc);
	/* GnuTLS has several names for a handshake that was cut. It proves nothing against the peer. */
	if (result == -EBADMSG && tls->ended)
		return -EPIPE;
	return result == -EBADMSG ? tls_unproved(stream, tls, rc) : result;
}

static ssize_t tls_read(struct control_stream *stream, void *to, size_t bytes)
{
	struct tls *tls = tls_of(stream);
	ssize_t got;

	do {
		got = gnutls_record_recv(tls->session, to, bytes);
	} while (got == GNUTLS_E_WARNING_ALERT_RECEIVED);
	/* An end without a farewell is no less an end: what matters of the protocol is said in messages of its own. */
	if (got == GNUTLS_E_PREMATURE_TERMINATION)
		return 0;
	tls->heard = tls->heard || got > 0;
	return got < 0 ? tls_errno(stream, tls, got) : got;
}

static ssize_t tls_write(struct control_stream *stream, const void *from, size_t bytes)
{
	struct tls *tls = tls_of(stream);
	ssize_t sent;

	/* What GnuTLS has taken already is not handed to it a second time. */
	sent = tls->sending ? gnutls_record_send(tls->session, NULL, 0) : gnutls_record_send(tls->session, from, bytes);
	tls->sending = sent == GNUTLS_E_AGAIN || sent == GNUTLS_E_INTERRUPTED;
	return sent < 0 ? tls_errno(stream, tls, sent) : sent;
}

static short tls_events(const struct control_stream *stream, int writing)
{
	const struct tls *tls = stream->state;
	bool shaking = gnutls_record_get_direction(tls->session) == 1;

	/* What is decrypted already makes no socket readable, but nearly every socket is writable at once. */
	return writing || shaking || gnutls_record_check_pending(tls->session) ? POLLIN | POLLOUT : POLLIN;
}

static int tls_prove(struct control_stream *stream, const void *about, size_t bytes, uint8_t proof[32])
{
	struct tls *tls = tls_of(stream);
	char key[32];
	int rc = gnutls_prf_rfc5705(tls->session, sizeof(lane_label) - 1, lane_label, 0, NULL, sizeof(key), key);

	if (!rc)
		rc = gnutls_hmac_fast(GNUTLS_MAC_SHA256, key, sizeof(key), about, bytes, proof);
	gnutls_memset(key, 0, sizeof(key));
	return rc ? -EIO : 0;
}

static int tls_key(struct control_stream *stream, const void *context, size_t bytes, uint8_t key[32])
{
	struct tls *tls = tls_of(stream);

	return gnutls_prf_rfc5705(tls->session, sizeof(payload_label) - 1, payload_label, bytes, context, 32,
				  (char *)key)
		       ? -EIO
		       : 0;
}

static void tls_close(struct control_stream *stream)
{
	struct tls *tls = stream->state;

	if (!tls)
		return;
	tls->fd = stream->fd;
	/* In the middle of a handshake a farewell would be taken for a wrong move. */
	if (tls->proved)
		(void)gnutls_bye(tls->session, GNUTLS_SHUT_WR);
	gnutls_deinit(tls->session);
	free(tls);
}

const struct control_stream_ops control_stream_tls = {
	.preface_kind = PREFACE_CONTROL_TLS,
	.handshake = tls_handshake,
	.read = tls_read,
	.write = tls_write,
	.events = tls_events,
	.prove = tls_prove,
	.key = tls_key,
	.close = tls_close,
};
