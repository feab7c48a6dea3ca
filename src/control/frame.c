/* SPDX-License-Identifier: MIT */
/* Offsets of the frame head, nailed to its size. */
#include "control/frame.h"

#include <string.h>

#include "base/bytes.h"

enum { BYTES_AT = 0, VERSION_AT = 4, TYPE_AT = 6, SESSION_AT = 8 };

_Static_assert(SESSION_AT + HELLO_SESSION_BYTES == FRAME_HEAD_BYTES, "frame head is 24 bytes");

void frame_head_encode(uint8_t out[FRAME_HEAD_BYTES], const struct frame_head *head)
{
	put_be32(out + BYTES_AT, head->bytes);
	put_be16(out + VERSION_AT, head->version);
	put_be16(out + TYPE_AT, head->type);
	memcpy(out + SESSION_AT, head->session, HELLO_SESSION_BYTES);
}

void frame_head_decode(struct frame_head *head, const uint8_t in[FRAME_HEAD_BYTES])
{
	head->bytes = get_be32(in + BYTES_AT);
	head->version = get_be16(in + VERSION_AT);
	head->type = get_be16(in + TYPE_AT);
	memcpy(head->session, in + SESSION_AT, HELLO_SESSION_BYTES);
}
