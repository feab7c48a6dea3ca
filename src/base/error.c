/* SPDX-License-Identifier: MIT */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
	enum vfiomig_code code;
	const char *name;
} code_names[] = {
	{ VFIOMIG_OK, "ok" },
	{ VFIOMIG_INTERNAL, "internal" },
	{ VFIOMIG_USAGE, "usage" },
	{ VFIOMIG_PREFLIGHT, "preflight" },
	{ VFIOMIG_AUTH, "authentication" },
	{ VFIOMIG_FABRIC, "fabric" },
	{ VFIOMIG_DEVICE, "device" },
	{ VFIOMIG_PROTOCOL, "protocol" },
	{ VFIOMIG_TIMEOUT, "timeout" },
	{ VFIOMIG_CANCELLED, "cancelled" },
	{ VFIOMIG_IN_DOUBT, "in-doubt" },
	{ VFIOMIG_SOURCE_STUCK, "source-stuck" },
	{ VFIOMIG_DEGRADED, "degraded" },
};

const char *vfiomig_code_name(enum vfiomig_code code)
{
	for (size_t i = 0; i < sizeof(code_names) / sizeof(code_names[0]); i++)
		if (code_names[i].code == code)
			return code_names[i].name;
	return "unknown";
}

int error_set(struct vfiomig_error *err, enum vfiomig_code code, int errnum, const char *name, const char *format, ...)
{
	va_list args;

	if (!err || err->code != VFIOMIG_OK)
		return -errnum;
	err->code = code;
	err->errnum = errnum;
	snprintf(err->name, sizeof(err->name), "%s", name ? name : vfiomig_code_name(code));
	va_start(args, format);
	vsnprintf(err->text, sizeof(err->text), format, args);
	va_end(args);
	return -errnum;
}

void error_prefix(struct vfiomig_error *err, const char *format, ...)
{
	char text[sizeof(err->text)];
	va_list args;
	size_t used;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	used = strlen(text);
	snprintf(text + used, sizeof(text) - used, "%s", err->text);
	memcpy(err->text, text, sizeof(text));
}
