/* SPDX-License-Identifier: MIT */
/* The files that prove who this side is: a key that others could have read proves nothing. See doctor.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "doctor.h"

#define MAKE_PSK "psktool -u migration -p"

/* Is something found that keeps @path from being used as a secret? */
static bool found_bad_secret(struct doctor *doctor, const char *path)
{
	struct doctor_quoted quoted = doctor_quote(path);
	struct stat status;

	if (stat(path, &status)) {
		doctor_find(doctor, DOCTOR_FAIL, "'%s' cannot be read: %s", path, strerror(errno));
		doctor_mend(doctor, "(umask 077; " MAKE_PSK " %s)   # a new key; copy it to the other side",
			    quoted.text);
		return true;
	}
	if (S_ISREG(status.st_mode) && status.st_mode & (S_IRWXG | S_IRWXO)) {
		doctor_find(doctor, DOCTOR_FAIL,
			    "'%s' holds a secret, and others than its owner may use it (mode %04o)", path,
			    (unsigned)(status.st_mode & 07777));
		doctor_mend(doctor, "chmod 600 %s", quoted.text);
		return true;
	}
	if (faccessat(AT_FDCWD, path, R_OK, AT_EACCESS)) {
		doctor_find(doctor, DOCTOR_FAIL, "'%s' belongs to user %u and cannot be read by this one (%u)", path,
			    (unsigned)status.st_uid, (unsigned)geteuid());
		doctor_mend(doctor, "chown %u %s   # by root", (unsigned)geteuid(), quoted.text);
		return true;
	}
	return false;
}

/* Whoever owns it can read and change it. */
static void pass(struct doctor *doctor, const char *path)
{
	struct stat status;

	if (stat(path, &status) || status.st_uid == geteuid()) {
		doctor_find(doctor, DOCTOR_PASS, "'%s' can be read, and by nobody else", path);
		return;
	}
	doctor_find(doctor, DOCTOR_WARN, "'%s' can be read, but belongs to user %u, not to this one (%u)", path,
		    (unsigned)status.st_uid, (unsigned)geteuid());
	doctor_mend(doctor, "chown %u %s   # by root", (unsigned)geteuid(), doctor_quote(path).text);
}

/* What a session says when it reads them: a source must have a peer, but calls nobody before its start. */
static bool found_unreadable(struct doctor *doctor, const char *psk_file, const char *tls_dir)
{
	struct vfiomig_options options = { .size = sizeof(options) };
	struct vfiomig_session *session = NULL;
	struct vfiomig_error err = { 0 };

	options.peer = "127.0.0.1:1";
	options.psk_file = psk_file;
	options.tls_dir = tls_dir;
	if (!vfiomig_session_create(&session, VFIOMIG_SOURCE, &options, &err)) {
		vfiomig_session_close(session);
		return false;
	}
	doctor_find(doctor, DOCTOR_FAIL, "%s", err.text);
	if (psk_file)
		doctor_mend(doctor, "(umask 077; " MAKE_PSK " NEW.psk)   # and --psk-file NEW.psk on both sides");
	else
		doctor_mend(doctor, "certtool --certificate-info --infile %s/client-cert.pem   # and ca-cert.pem",
			    doctor_quote(tls_dir).text);
	return true;
}

static void check_tls(struct doctor *doctor, const char *dir)
{
	static const char *const ends[] = { "client", "server" };
	bool any = false;

	for (unsigned i = 0; i < 2; i++) {
		bool client = i == 0;
		char key[PATH_MAX];

		if (snprintf(key, sizeof(key), "%s/%s-key.pem", dir, ends[i]) >= (int)sizeof(key) || access(key, F_OK))
			continue;
		any = true;
		if (!found_bad_secret(doctor, key) && !(client && found_unreadable(doctor, NULL, dir)))
			pass(doctor, key);
	}
	if (any)
		return;
	doctor_find(doctor, DOCTOR_FAIL, "'%s' has neither client-key.pem, for send, nor server-key.pem, for recv",
		    dir);
	doctor_mend(doctor,
		    "certtool --generate-privkey --key-type ed25519 --outfile %s/client-key.pem   # and certificates",
		    doctor_quote(dir).text);
}

void doctor_check_keys(struct doctor *doctor)
{
	const struct transfer_options *transfer = &doctor->source.transfer;

	if (transfer->tls_dir) {
		check_tls(doctor, transfer->tls_dir);
	} else if (transfer->psk_file) {
		if (!found_bad_secret(doctor, transfer->psk_file) &&
		    !found_unreadable(doctor, transfer->psk_file, NULL))
			pass(doctor, transfer->psk_file);
	} else {
		doctor_find(doctor, DOCTOR_WARN, "no key is given: nothing proves who a peer is");
		doctor_mend(doctor, "(umask 077; " MAKE_PSK " key.psk)   # and --psk-file key.psk on both sides");
	}
}
