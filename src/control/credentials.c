/* SPDX-License-Identifier: MIT */
/* Keys and certificates, from files to what GnuTLS takes. The names in a directory of certificates are those QEMU uses. */
#include "control/credentials.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <gnutls/crypto.h>

#include "base/error.h"

enum { RANDOM_KEY_BYTES = 32 };

static int credentials_refused(int rc, const char *what, struct vfiomig_error *err)
{
	if (rc == GNUTLS_E_MEMORY_ERROR)
		return error_set(err, VFIOMIG_INTERNAL, ENOMEM, NULL, "no memory for keys");
	return error_set(err, VFIOMIG_PREFLIGHT, EINVAL, "credentials", "'%s' cannot be used: %s", what,
			 gnutls_strerror(rc));
}

static int random_key(gnutls_datum_t *key)
{
	key->data = gnutls_malloc(RANDOM_KEY_BYTES);
	key->size = RANDOM_KEY_BYTES;
	return key->data ? gnutls_rnd(GNUTLS_RND_KEY, key->data, key->size) : -1;
}

/* An identity that is not known gets a key that nobody has: a stranger learns not even which ones exist. */
static int key_of_identity(gnutls_session_t session, const char *identity, gnutls_datum_t *key)
{
	const struct credentials *credentials = gnutls_session_get_ptr(session);

	for (unsigned i = 0; i < credentials->entries; i++) {
		const struct psk_entry *entry = &credentials->entry[i];

		if (strcmp(entry->identity, identity) != 0)
			continue;
		key->data = gnutls_malloc(entry->key.size);
		key->size = entry->key.size;
		if (!key->data)
			return -1;
		memcpy(key->data, entry->key.data, entry->key.size);
		return 0;
	}
	return random_key(key);
}

static int use_psk(struct credentials *credentials, const char *path, struct vfiomig_error *err)
{
	const struct psk_entry *mine = &credentials->entry[0];
	int rc = psk_file_read(credentials, path, err);

	credentials->psk = true;
	if (rc)
		return rc;
	if (credentials->role == VFIOMIG_SOURCE) {
		rc = gnutls_psk_allocate_client_credentials(&credentials->psk_source);
		if (!rc)
			rc = gnutls_psk_set_client_credentials(credentials->psk_source, mine->identity, &mine->key,
							       GNUTLS_PSK_KEY_RAW);
	} else {
		rc = gnutls_psk_allocate_server_credentials(&credentials->psk_destination);
		if (!rc)
			gnutls_psk_set_server_credentials_function(credentials->psk_destination, key_of_identity);
	}
	return rc ? credentials_refused(rc, path, err) : 0;
}

static int use_certificates(struct credentials *credentials, const char *dir, struct vfiomig_error *err)
{
	const char *end = credentials->role == VFIOMIG_SOURCE ? "client" : "server";
	char ca[4096], certificate[4096], key[4096];
	int rc, fd;

	if ((size_t)snprintf(ca, sizeof(ca), "%s/ca-cert.pem", dir) >= sizeof(ca) ||
	    (size_t)snprintf(certificate, sizeof(certificate), "%s/%s-cert.pem", dir, end) >= sizeof(certificate) ||
	    (size_t)snprintf(key, sizeof(key), "%s/%s-key.pem", dir, end) >= sizeof(key))
		return error_set(err, VFIOMIG_PREFLIGHT, ENAMETOOLONG, "credentials",
				 "the path of '%.100s' is too long", dir);
	fd = secret_open(key, "credentials", err);
	if (fd < 0)
		return fd;
	close(fd);
	rc = gnutls_certificate_allocate_credentials(&credentials->certificates);
	if (rc)
		return credentials_refused(rc, dir, err);
	rc = gnutls_certificate_set_x509_trust_file(credentials->certificates, ca, GNUTLS_X509_FMT_PEM);
	if (rc <= 0)
		return credentials_refused(rc ? rc : GNUTLS_E_NO_CERTIFICATE_FOUND, ca, err);
	rc = gnutls_certificate_set_x509_key_file(credentials->certificates, certificate, key, GNUTLS_X509_FMT_PEM);
	return rc < 0 ? credentials_refused(rc, certificate, err) : 0;
}

/* "HOST:PORT" and "[V6]:PORT" without port and brackets. */
static void name_host(struct credentials *credentials, const char *peer)
{
	const char *colon = strrchr(peer, ':');
	size_t bytes = colon ? (size_t)(colon - peer) : strlen(peer);

	if (!strncmp(peer, "unix:", 5)) {
		peer = "localhost"; /* a path is no name that a certificate could bear */
		bytes = strlen(peer);
	}
	if (bytes >= 2 && peer[0] == '[' && peer[bytes - 1] == ']') {
		peer++;
		bytes -= 2;
	}
	snprintf(credentials->host, sizeof(credentials->host), "%.*s", (int)bytes, peer);
}

int credentials_open(struct credentials **out, enum vfiomig_role role, const char *psk_file, const char *tls_dir,
		     const char *peer, struct vfiomig_error *err)
{
	struct credentials *credentials = calloc(1, sizeof(*credentials));
	int rc;

	*out = NULL;
	if (!credentials)
		return error_set(err, VFIOMIG_INTERNAL, ENOMEM, NULL, "no memory for keys");
	credentials->role = role;
	if (peer)
		name_host(credentials, peer);
	rc = psk_file ? use_psk(credentials, psk_file, err) : use_certificates(credentials, tls_dir, err);
	if (rc) {
		credentials_close(credentials);
		return rc;
	}
	*out = credentials;
	return 0;
}

void credentials_close(struct credentials *credentials)
{
	if (!credentials)
		return;
	for (unsigned i = 0; i < credentials->entries; i++) {
		gnutls_memset(credentials->entry[i].key.data, 0, credentials->entry[i].key.size);
		gnutls_free(credentials->entry[i].key.data);
	}
	if (credentials->psk_source)
		gnutls_psk_free_client_credentials(credentials->psk_source);
	if (credentials->psk_destination)
		gnutls_psk_free_server_credentials(credentials->psk_destination);
	if (credentials->certificates)
		gnutls_certificate_free_credentials(credentials->certificates);
	free(credentials);
}
