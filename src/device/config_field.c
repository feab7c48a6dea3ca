/* SPDX-License-Identifier: MIT */
#include "device/config_field.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

uint64_t field_get(const struct field_out *out, uint32_t at, uint32_t bytes)
{
	uint64_t value = 0;

	for (uint32_t i = bytes; i-- > 0;)
		value = value << 8 | (at + i < out->config->space_bytes ? out->config->space[at + i] : 0);
	return value;
}

void field_put(struct field_out *out, uint32_t at, uint32_t bytes, const char *name, const char *format, ...)
{
	struct vfiomig_config_field field = { .at = at, .bytes = bytes };
	va_list args;

	if (at + bytes > out->config->space_bytes)
		return;
	memcpy(field.section, out->section, sizeof(field.section));
	snprintf(field.name, sizeof(field.name), "%s", name);
	field.value = field_get(out, at, bytes);
	va_start(args, format);
	vsnprintf(field.text, sizeof(field.text), format, args);
	va_end(args);
	out->each(out->context, &field);
}

struct field_text field_flags(uint64_t value, const char *const *names, unsigned count)
{
	struct field_text out = { "" };
	size_t used = 0;

	for (unsigned bit = 0; bit < count; bit++)
		if (names[bit] && used < sizeof(out.text))
			used += (size_t)snprintf(out.text + used, sizeof(out.text) - used, "%s%s%c", used ? " " : "",
						 names[bit], value >> bit & 1 ? '+' : '-');
	return out;
}

void field_put_all(struct field_out *out, uint32_t base, const struct field_rule *rules, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		const struct field_rule *rule = &rules[i];
		uint64_t value = field_get(out, base + rule->at, rule->bytes);
		struct field_text text = field_flags(value, rule->flags, rule->flag_count);

		if (rule->say)
			rule->say(&text, value);
		field_put(out, base + rule->at, rule->bytes, rule->name, "%s", text.text);
	}
}
