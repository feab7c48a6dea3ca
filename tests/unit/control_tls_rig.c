/* SPDX-License-Identifier: MIT */
#include "unit/control_tls_rig.h"

#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/tls.h"

enum { STILL_ROUNDS = 3 };

const char *tls_rig_file(const char *text, unsigned mode)
{
	static char path[64];
	int fd = memfd_create("psk", 0);

	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	cr_assert_eq(fchmod(fd, mode), 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return path;
}

struct credentials *tls_rig_psk(enum vfiomig_role role, const char *text)
{
	struct vfiomig_error err = { 0 };
	struct credentials *credentials;

	cr_assert_eq(credentials_open(&credentials, role, tls_rig_file(text, 0600), NULL, "there:1", &err), 0, "%s",
		     err.text);
	return credentials;
}

static void open_end(struct tls_end *end, bool accepted, uint16_t peer_kind, const struct credentials *credentials)
{
	struct control_config config = { .accepted = accepted,
					 .peer_kind = peer_kind,
					 .limit = conn_rig_limit,
					 .body_bytes_max = LARGE_BYTES,
					 .queue_bytes = QUEUE_BYTES,
					 .timeout_ms = 1000 };
	int fds[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	config.fd = fds[0];
	end->raw = fds[1];
	if (credentials) {
		cr_assert_eq(tls_open(&config.stream_state, credentials, NULL), 0);
		config.stream = &control_stream_tls;
	}
	cr_assert_eq(control_open(&end->conn, &config, NULL), 0);
}

struct tls_rig *tls_rig_open(const struct credentials *source, const struct credentials *destination)
{
	struct tls_rig *rig = calloc(1, sizeof(*rig));

	cr_assert(rig);
	rig->chunk = 4096;
	rig->left = SIZE_MAX;
	open_end(&rig->end[TLS_SOURCE], false, 0, source);
	open_end(&rig->end[TLS_DESTINATION], true, source ? PREFACE_CONTROL_TLS : PREFACE_CONTROL, destination);
	rig->end[TLS_SOURCE].to_drop = PREFACE_BYTES;
	return rig;
}

static void cut(struct tls_rig *rig)
{
	for (unsigned i = 0; i < TLS_ENDS; i++) {
		close(rig->end[i].raw);
		rig->end[i].raw = -1;
	}
}

static bool relay_one(struct tls_rig *rig, struct tls_end *from, const struct tls_end *to)
{
	uint8_t bytes[4096];
	size_t most = rig->chunk < rig->left ? rig->chunk : rig->left;
	ssize_t got;

	if (from->raw < 0)
		return false;
	got = recv(from->raw, bytes, from->to_drop && from->to_drop < most ? from->to_drop : most, MSG_DONTWAIT);
	if (got <= 0)
		return false;
	if (from->to_drop) {
		from->to_drop -= (size_t)got;
		return true;
	}
	cr_assert_leq(rig->seen_bytes + (size_t)got, (size_t)TLS_SEEN_MAX);
	memcpy(rig->seen + rig->seen_bytes, bytes, (size_t)got);
	rig->seen_bytes += (size_t)got;
	(void)!send(to->raw, bytes, (size_t)got, MSG_NOSIGNAL);
	if (rig->left != SIZE_MAX)
		rig->left -= (size_t)got;
	if (rig->left == 0)
		cut(rig);
	return true;
}

bool tls_rig_relay(struct tls_rig *rig)
{
	bool moved = relay_one(rig, &rig->end[TLS_SOURCE], &rig->end[TLS_DESTINATION]);

	return relay_one(rig, &rig->end[TLS_DESTINATION], &rig->end[TLS_SOURCE]) || moved;
}

void tls_rig_shake(struct tls_rig *rig)
{
	for (unsigned still = 0; still < STILL_ROUNDS; still++) {
		for (unsigned i = 0; i < TLS_ENDS; i++) {
			struct tls_end *end = &rig->end[i];
			struct control_frame frame;

			end->result = control_poll(end->conn, &frame, &end->err);
			cr_assert_leq(end->result, 0, "a message before the handshake was over");
		}
		if (tls_rig_relay(rig))
			still = 0;
	}
}

void tls_rig_close(struct tls_rig *rig)
{
	for (unsigned i = 0; i < TLS_ENDS; i++) {
		control_close(rig->end[i].conn);
		if (rig->end[i].raw >= 0)
			close(rig->end[i].raw);
	}
	free(rig);
}
