/* SPDX-License-Identifier: MIT */
/* How the fields of a config space are told: by tables of rules, one per structure in it. Pure. */
#ifndef DEVICE_CONFIG_FIELD_H
#define DEVICE_CONFIG_FIELD_H

#include <stddef.h>

#include <vfiomig/config.h>

/* Whom fields are handed to, and what they have in common. */
struct field_out {
	const struct vfiomig_config *config;
	void (*each)(void *context, const struct vfiomig_config_field *field);
	void *context;
	char section[64];
};

/* Little-endian; what lies behind the config space is 0. @bytes: 1 to 8. */
uint64_t field_get(const struct field_out *out, uint32_t at, uint32_t bytes);

/* A field that lies whole in the config space is handed on, any other is not. @format: what it means. */
void field_put(struct field_out *out, uint32_t at, uint32_t bytes, const char *name, const char *format, ...)
	__attribute__((format(printf, 5, 6)));

/* "I/O- Mem+": @names, one per bit from bit 0 on, NULL where there is no flag; at most 32. */
struct field_text {
	char text[160];
};
struct field_text field_flags(uint64_t value, const char *const *names, unsigned count);

struct field_rule {
	uint32_t at; /* from the structure's begin */
	uint32_t bytes;
	const char *name;
	const char *const *flags; /* NULL: none */
	unsigned flag_count;
	void (*say)(struct field_text *text, uint64_t value); /* NULL: flags, or the number says it */
};

/* All @rules of a structure that begins at @base. */
void field_put_all(struct field_out *out, uint32_t base, const struct field_rule *rules, unsigned count);

/* The capabilities, both lists of them. */
void field_put_capabilities(struct field_out *out);

#endif
