/* SPDX-License-Identifier: MIT */
/*
 * The first bytes of every connection. The preface goes before everything else on the shared TCP port, in the clear, and
 * says what the connection is for. The hello binds a lane to its session: on TCP it follows the preface, with RDMA it is
 * rdma_cm's private data, which has room for exactly these 56 bytes.
 */
#ifndef WIRE_HELLO_H
#define WIRE_HELLO_H

#include <stdbool.h>
#include <stdint.h>

enum {
	PREFACE_BYTES = 8,
	HELLO_BYTES = 56,
	HELLO_SESSION_BYTES = 16,
	HELLO_PROOF_BYTES = 32,
	WIRE_VERSION = 1, /* of preface, hello and control frames alike */
};

/* BUSY is an answer only: a destination that already has its session can say so to nobody who has not proved himself. */
enum preface_kind { PREFACE_CONTROL = 1, PREFACE_LANE = 2, PREFACE_CONTROL_TLS = 3, PREFACE_BUSY = 4 };

struct preface {
	uint16_t version;
	uint16_t kind; /* enum preface_kind, or what a peer made of it */
};

struct hello {
	uint16_t version;
	uint16_t lane;
	uint8_t session[HELLO_SESSION_BYTES];
	uint8_t proof[HELLO_PROOF_BYTES]; /* zero without TLS, where nothing can be proved */
};

void preface_encode(uint8_t out[PREFACE_BYTES], const struct preface *preface);

/*
 * -EPROTO: not a preface of ours; @preface is untouched. -EPROTONOSUPPORT: ours, but of another version, which
 * preface->version then tells. The kind is the caller's to judge.
 */
int preface_decode(struct preface *preface, const uint8_t in[PREFACE_BYTES]);

void hello_encode(uint8_t out[HELLO_BYTES], const struct hello *hello);

/* Its proof is @proof: how long it takes to say so tells nothing of where they differ. */
bool hello_proves(const struct hello *hello, const uint8_t proof[HELLO_PROOF_BYTES]);

/* Errors as of preface_decode. Lane, session and proof are the caller's to judge. */
int hello_decode(struct hello *hello, const uint8_t in[HELLO_BYTES]);

#endif
