/* SPDX-License-Identifier: MIT */
/* See html.h. */
#include "html.h"

#include <string.h>

/* The bytes of the UTF-8 sequence that @text begins with; 0: it begins with none. Overlong forms and surrogates are none. */
static size_t sequence(const unsigned char *text)
{
	unsigned char first = text[0], low = 0x80, high = 0xbf;
	size_t bytes = first < 0xe0 ? 2 : (first < 0xf0 ? 3 : 4);

	if (first < 0x80)
		return 1;
	if (first < 0xc2 || first > 0xf4)
		return 0;
	if (first == 0xe0)
		low = 0xa0;
	else if (first == 0xf0)
		low = 0x90;
	else if (first == 0xed)
		high = 0x9f;
	else if (first == 0xf4)
		high = 0x8f;
	if (text[1] < low || text[1] > high)
		return 0;
	for (size_t i = 2; i < bytes; i++)
		if (text[i] < 0x80 || text[i] > 0xbf)
			return 0;
	return bytes;
}

static const char *entity(unsigned char byte)
{
	switch (byte) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '"':
		return "&quot;";
	case '\'':
		return "&#39;";
	default:
		return byte < 0x20 || byte == 0x7f ? "?" : NULL;
	}
}

void html_text(FILE *out, const char *text)
{
	const unsigned char *at = (const unsigned char *)text;

	while (*at) {
		size_t bytes = sequence(at);
		const char *other = bytes == 1 ? entity(*at) : (bytes ? NULL : "?");

		if (other)
			fputs(other, out);
		else
			fwrite(at, 1, bytes, out);
		at += bytes ? bytes : 1;
	}
}
