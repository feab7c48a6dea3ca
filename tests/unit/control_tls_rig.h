/* SPDX-License-Identifier: MIT */
/* Two control connections with a relay between them that may be slow, may look at what passes, and may cut the line. */
#ifndef TESTS_CONTROL_TLS_RIG_H
#define TESTS_CONTROL_TLS_RIG_H

#include "control/credentials.h"
#include "unit/control_conn_rig.h"

enum { TLS_SOURCE, TLS_DESTINATION, TLS_ENDS, TLS_SEEN_MAX = 1 << 20 };

struct tls_end {
	struct control_conn *conn;
	int raw; /* the relay's end of its socket; -1: cut */
	int result;
	struct vfiomig_error err;
	size_t to_drop; /* of what comes from it: the preface, which control_accept would have taken */
};

struct tls_rig {
	struct tls_end end[TLS_ENDS];
	size_t chunk;	   /* bytes that the relay takes in one turn */
	size_t left;	   /* bytes until it cuts; SIZE_MAX: never */
	size_t seen_bytes; /* of all that passed */
	uint8_t seen[TLS_SEEN_MAX];
};

/* A file with @text and @mode, in memory until the test ends: its path. */
const char *tls_rig_file(const char *text, unsigned mode);
/* From a file with @text; NULL for a side that has nothing. */
struct credentials *tls_rig_psk(enum vfiomig_role role, const char *text);

/* Either may be NULL: that end is plain. They stay the caller's. */
struct tls_rig *tls_rig_open(const struct credentials *source, const struct credentials *destination);
/* Poll both ends and relay until both are ready, or broken, or nothing moves any more; no frame may come. */
void tls_rig_shake(struct tls_rig *rig);
/* One turn of the relay; true if something moved. */
bool tls_rig_relay(struct tls_rig *rig);
void tls_rig_close(struct tls_rig *rig);

#endif
