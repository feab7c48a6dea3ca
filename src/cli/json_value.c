/* SPDX-License-Identifier: MIT */
/* See json_value.h. */
#include "json_value.h"

#include <vfiomig/vfiomig.h>

json_t *json_value_integer(uint64_t value)
{
	return json_integer((json_int_t)value);
}

json_t *json_value_us(int64_t ns)
{
	return json_integer(ns / 1000);
}

json_t *json_value_text(const char *text)
{
	json_t *value = json_string(text ? text : "");
	char plain[sizeof(((struct vfiomig_error *)0)->text)];
	size_t length = 0;

	if (value)
		return value;
	for (; text[length] && length + 1 < sizeof(plain); length++)
		plain[length] = text[length] & 0x80 ? '?' : text[length];
	plain[length] = 0;
	return json_string(plain);
}
