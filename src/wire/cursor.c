/* SPDX-License-Identifier: MIT */
#include "wire/cursor.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"

void cursor_put8(struct cursor_writer *to, unsigned value)
{
	*to->at++ = (uint8_t)value;
}

void cursor_put16(struct cursor_writer *to, unsigned value)
{
	put_be16(to->at, (uint16_t)value);
	to->at += 2;
}

void cursor_put32(struct cursor_writer *to, uint32_t value)
{
	put_be32(to->at, value);
	to->at += 4;
}

void cursor_put64(struct cursor_writer *to, uint64_t value)
{
	put_be64(to->at, value);
	to->at += 8;
}

void cursor_put_bytes(struct cursor_writer *to, const void *bytes, size_t count)
{
	memcpy(to->at, bytes, count);
	to->at += count;
}

/* The next @count bytes, or NULL with `bad` set. */
static const uint8_t *take(struct cursor_reader *from, size_t count)
{
	const uint8_t *at = from->at;

	if (from->bad || from->left < count) {
		from->bad = true;
		return NULL;
	}
	from->at += count;
	from->left -= count;
	return at;
}

uint8_t cursor_get8(struct cursor_reader *from)
{
	const uint8_t *at = take(from, 1);

	return at ? *at : 0;
}

uint16_t cursor_get16(struct cursor_reader *from)
{
	const uint8_t *at = take(from, 2);

	return at ? get_be16(at) : 0;
}

uint32_t cursor_get32(struct cursor_reader *from)
{
	const uint8_t *at = take(from, 4);

	return at ? get_be32(at) : 0;
}

uint64_t cursor_get64(struct cursor_reader *from)
{
	const uint8_t *at = take(from, 8);

	return at ? get_be64(at) : 0;
}

void cursor_get_bytes(struct cursor_reader *from, void *bytes, size_t count)
{
	const uint8_t *at = take(from, count);

	if (at)
		memcpy(bytes, at, count);
	else
		memset(bytes, 0, count);
}

void cursor_get_string(struct cursor_reader *from, char *text, size_t count)
{
	cursor_get_bytes(from, text, count);
	text[count - 1] = '\0';
	/* What follows the terminator is the peer's noise: it must not be printed, compared or kept. */
	memset(text + strlen(text), 0, count - strlen(text));
	for (char *c = text; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
}

int cursor_end(const struct cursor_reader *from)
{
	return from->bad || from->left > 0 ? -EPROTO : 0;
}
