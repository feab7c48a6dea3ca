/* SPDX-License-Identifier: MIT */
/* See arguments.h. */
#include "arguments.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int read_number(const char *text, uint64_t *out)
{
	static const char suffixes[] = "KMG";
	const char *suffix;
	unsigned long long value;
	unsigned shift = 0;
	char *end;

	if (*text < '0' || *text > '9')
		return -1;
	errno = 0;
	value = strtoull(text, &end, 10);
	if (*end) {
		suffix = strchr(suffixes, *end);
		if (!suffix || end[1])
			return -1;
		shift = 10u * (unsigned)(suffix - suffixes + 1);
	}
	if (errno || value > UINT64_MAX >> shift)
		return -1;
	*out = (uint64_t)value << shift;
	return 0;
}

uint64_t argument_number(struct argp_state *state, const char *option, const char *text, uint64_t min, uint64_t max)
{
	uint64_t value = 0;

	if (read_number(text, &value) || value < min || value > max)
		argp_error(state, "--%s %s: a number from %llu to %llu is needed; K, M and G may follow it", option,
			   text, (unsigned long long)min, (unsigned long long)max);
	return value;
}

unsigned argument_choice(struct argp_state *state, const char *option, const char *text, const char *const *words)
{
	for (unsigned i = 0; words[i]; i++)
		if (!strcmp(text, words[i]))
			return i;
	argp_error(state, "--%s %s: see --help for the words that it takes", option, text);
	return 0;
}
