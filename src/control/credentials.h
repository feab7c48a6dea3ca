/* SPDX-License-Identifier: MIT */
/*
 * What one side proves itself with, read from files once, before anything else is done: pre-shared keys, or a certificate
 * of an authority that both sides trust. Read-only afterwards, so any thread may use it.
 */
#ifndef CONTROL_CREDENTIALS_H
#define CONTROL_CREDENTIALS_H

#include <stdbool.h>
#include <stddef.h>

#include <gnutls/gnutls.h>

#include <vfiomig/session.h>

enum { PSK_BYTES_MIN = 16, PSK_ENTRIES_MAX = 64, PSK_IDENTITY_BYTES = 128 };

struct psk_entry {
	char identity[PSK_IDENTITY_BYTES];
	gnutls_datum_t key; /* gnutls_malloc'ed */
};

struct credentials {
	enum vfiomig_role role;
	bool psk;	/* else certificates */
	char host[256]; /* source: whose certificate the destination's must be */
	struct psk_entry entry[PSK_ENTRIES_MAX];
	unsigned entries;
	gnutls_psk_client_credentials_t psk_source;
	gnutls_psk_server_credentials_t psk_destination;
	gnutls_certificate_credentials_t certificates;
};

/*
 * Exactly one of @psk_file and @tls_dir. @peer: source, HOST:PORT of its destination. *@out is the caller's to close, NULL on
 * failure. Errors of reading (VFIOMIG_PREFLIGHT): the file's errno, -EPERM if others than its owner may read a key, -EINVAL
 * if there is none in it; -ENOMEM (VFIOMIG_INTERNAL).
 */
int credentials_open(struct credentials **out, enum vfiomig_role role, const char *psk_file, const char *tls_dir,
		     const char *peer, struct vfiomig_error *err);
/* Keys are overwritten. NULL is fine. */
void credentials_close(struct credentials *credentials);

/* psk_file.c: the entries of a file that psktool makes, one "identity:hexkey" a line. Errors as above. */
int psk_file_read(struct credentials *credentials, const char *path, struct vfiomig_error *err);

/* A file with a secret, open for reading; the descriptor is the caller's. Errors as above; @name goes into them. */
int secret_open(const char *path, const char *name, struct vfiomig_error *err);

#endif
