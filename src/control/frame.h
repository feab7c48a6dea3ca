/* SPDX-License-Identifier: MIT */
/* The head of a control frame: be32 body bytes, be16 version, be16 type, session id. Pure. */
#ifndef CONTROL_FRAME_H
#define CONTROL_FRAME_H

#include <stdint.h>

#include "wire/hello.h"

enum { FRAME_HEAD_BYTES = 24 };

struct frame_head {
	uint32_t bytes; /* of the body */
	uint16_t version;
	uint16_t type;
	uint8_t session[HELLO_SESSION_BYTES];
};

void frame_head_encode(uint8_t out[FRAME_HEAD_BYTES], const struct frame_head *head);
/* Cannot fail: every field is the caller's to judge. */
void frame_head_decode(struct frame_head *head, const uint8_t in[FRAME_HEAD_BYTES]);

#endif
