/* SPDX-License-Identifier: MIT */
/* Any control message's body, decoded in a copy of its very length; if it decodes, encoded and decoded once more. */
#ifndef FUZZ_FUZZ_MESSAGES_H
#define FUZZ_FUZZ_MESSAGES_H

#include <stdint.h>

/* -EPROTO if the body is no such message; 0 for types that have none. Anything else that is wrong aborts. */
int fuzz_message(unsigned type, const uint8_t *body, uint32_t bytes);

#endif
