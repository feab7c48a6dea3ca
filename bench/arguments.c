/* SPDX-License-Identifier: MIT */
/* See arguments.h. */
#include "arguments.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int argument_read_number(const char *text, uint64_t *out)
{
	static const char suffixes[] = "KMG";
	const char *suffix;
	unsigned long long value;
	unsigned shift = 0;
	char *end;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	value = strtoull(text, &end, 10);
	if (*end) {
		suffix = strchr(suffixes, *end);
		if (!suffix || end[1])
			return -EINVAL;
		shift = 10u * (unsigned)(suffix - suffixes + 1);
	}
	if (errno || value > UINT64_MAX >> shift)
		return -EINVAL;
	*out = (uint64_t)value << shift;
	return 0;
}

uint64_t argument_number(struct argp_state *state, const char *option, const char *text, uint64_t min, uint64_t max)
{
	uint64_t value = 0;

	if (argument_read_number(text, &value) || value < min || value > max)
		argp_error(state, "--%s %s: a number from %llu to %llu is needed; K, M and G may follow it", option,
			   text, (unsigned long long)min, (unsigned long long)max);
	return value;
}

unsigned argument_choice(struct argp_state *state, const char *option, const char *text, const char *const *words)
{
	char all[128] = "";
	size_t at = 0;

	for (unsigned i = 0; words[i]; i++) {
		if (!strcmp(text, words[i]))
			return i;
		if (at < sizeof(all))
			at += (size_t)snprintf(all + at, sizeof(all) - at, "%s%s", i ? ", " : "", words[i]);
	}
	argp_error(state, "--%s: '%s' is none of %s", option, text, all);
	return 0;
}

const char *argument_item(struct argp_state *state, const char *option, const char *text, char *item)
{
	size_t bytes = strcspn(text, ",");

	if (!bytes || bytes >= ARGUMENT_BYTES_MAX) {
		argp_error(state, "--%s %s: values with commas between are needed", option, text);
		return NULL;
	}
	memcpy(item, text, bytes);
	item[bytes] = '\0';
	return text[bytes] ? text + bytes + 1 : NULL;
}
