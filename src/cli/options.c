/* SPDX-License-Identifier: MIT */
/* The readers behind every command's options; see options.h. */
#include "options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vfiomig/vfiomig.h>

#include "units.h"

const struct option_word option_gates[] = {
	{ "auto", VFIOMIG_GATE_AUTO },
	{ "on", VFIOMIG_GATE_ON },
	{ "off", VFIOMIG_GATE_OFF },
	{ NULL, 0 },
};

const struct option_word option_transports[] = {
	{ "auto", VFIOMIG_TRANSPORT_AUTO },
	{ "rdma", VFIOMIG_TRANSPORT_RDMA },
	{ "tcp", VFIOMIG_TRANSPORT_TCP },
	{ NULL, 0 },
};

static int suffix_shift(const char *suffix)
{
	static const struct option_word shifts[] = {
		{ "", 0 }, { "K", 10 }, { "k", 10 }, { "M", 20 }, { "m", 20 }, { "G", 30 }, { "g", 30 },
	};

	for (size_t i = 0; i < sizeof(shifts) / sizeof(*shifts); i++)
		if (!strcmp(suffix, shifts[i].word))
			return shifts[i].value;
	return -1;
}

int option_read_number(const char *text, uint64_t *out)
{
	char *end;
	unsigned long long value;
	int shift;

	/* strtoull would take blanks and a sign. */
	if (*text < '0' || *text > '9')
		return -1;
	errno = 0;
	value = strtoull(text, &end, 10);
	shift = suffix_shift(end);
	if (errno || shift < 0 || value > UINT64_MAX >> shift)
		return -1;
	*out = (uint64_t)value << shift;
	return 0;
}

uint64_t option_number(struct argp_state *state, const char *option, const char *text, uint64_t min, uint64_t max)
{
	uint64_t value = 0;

	if (option_read_number(text, &value) || value < min || value > max)
		argp_error(state, "--%s %s: a number from %llu to %llu is needed", option, text,
			   (unsigned long long)min, (unsigned long long)max);
	return value;
}

uint64_t option_size(struct argp_state *state, const char *option, const char *text, uint64_t min, uint64_t max)
{
	struct units low = units_bytes(min), high = units_bytes(max);
	uint64_t value = 0;

	if (option_read_number(text, &value) || value < min || value > max)
		argp_error(state, "--%s %s: a size from %s to %s is needed, in bytes or with K, M or G", option, text,
			   low.text, high.text);
	return value;
}

unsigned option_seconds(struct argp_state *state, const char *option, const char *text)
{
	const double seconds_min = 0.1, seconds_max = 3600;
	char *end;
	double value = strtod(text, &end);

	if (end == text || *end || !(value >= seconds_min && value <= seconds_max))
		argp_error(state, "--%s %s: seconds from %g to %g are needed", option, text, seconds_min, seconds_max);
	return (unsigned)(value * 1000 + 0.5);
}

int option_choice(struct argp_state *state, const char *option, const char *text, const struct option_word *words)
{
	char known[128] = "";
	size_t used = 0;

	for (const struct option_word *word = words; word->word; word++) {
		if (!strcmp(text, word->word))
			return word->value;
		if (used < sizeof(known))
			used += (size_t)snprintf(known + used, sizeof(known) - used, "%s%s",
						 word == words ? "" : (word[1].word ? ", " : " or "), word->word);
	}
	argp_error(state, "--%s %s: it takes %s", option, text, known);
	return 0;
}
