/* SPDX-License-Identifier: MIT */
/* The messages by which both sides agree that a lane is fenced, and on what it had carried. */
#include <errno.h>
#include <string.h>

#include "wire/cursor.h"
#include "wire/message.h"

size_t message_encode_lane(uint8_t *out, const struct message_lane *message)
{
	struct cursor_writer to = { out };

	cursor_put16(&to, message->lane);
	return (size_t)(to.at - out);
}

int message_decode_lane(struct message_lane *message, const uint8_t *in, size_t bytes)
{
	struct cursor_reader from = { in, bytes, false };

	message->lane = cursor_get16(&from);
	if (message->lane >= VFIOMIG_LANES_MAX)
		return -EPROTO;
	return cursor_end(&from);
}

static size_t here_bytes(uint32_t slots)
{
	return (slots + 7) / 8;
}

size_t message_encode_fenced(uint8_t *out, const struct message_fenced *message)
{
	struct cursor_writer to = { out };

	cursor_put16(&to, message->lane);
	cursor_put16(&to, message->number);
	cursor_put8(&to, message->token);
	cursor_put64(&to, message->loaded);
	cursor_put32(&to, message->slots);
	cursor_put_bytes(&to, message->here, here_bytes(message->slots));
	return (size_t)(to.at - out);
}

int message_decode_fenced(struct message_fenced *message, const uint8_t *in, size_t bytes)
{
	struct cursor_reader from = { in, bytes, false };
	uint8_t token;

	memset(message, 0, sizeof(*message));
	message->lane = cursor_get16(&from);
	message->number = cursor_get16(&from);
	token = cursor_get8(&from);
	message->token = token == 1;
	message->loaded = cursor_get64(&from);
	message->slots = cursor_get32(&from);
	if (message->lane >= VFIOMIG_LANES_MAX || message->number >= VFIOMIG_DEVICES_MAX || token > 1 ||
	    message->slots < VFIOMIG_SLOTS_MIN || message->slots > VFIOMIG_SLOTS_MAX)
		return -EPROTO;
	cursor_get_bytes(&from, message->here, here_bytes(message->slots));
	/* Exactly so many bits: none behind the last slot's. */
	if (message->slots % 8 && message->here[message->slots / 8] >> message->slots % 8)
		return -EPROTO;
	return cursor_end(&from);
}
