/* SPDX-License-Identifier: MIT */
/* See device_options.h. */
#include "device_options.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "arguments.h"

#define MS_MAX	 ((uint64_t)3600000)
#define RATE_MAX ((uint64_t)1 << 40)

static const struct rule {
	const char *key;
	size_t at;
	uint64_t min, max;
} rules[] = {
	{ "transition-ms", offsetof(struct memory_device_options, transition_ms), 0, MS_MAX },
	{ "load-ms", offsetof(struct memory_device_options, load_ms), 0, MS_MAX },
	{ "config-ms", offsetof(struct memory_device_options, config_ms), 0, MS_MAX },
	{ "read-rate", offsetof(struct memory_device_options, read_rate), PACE_RATE_MIN, RATE_MAX },
	{ "write-rate", offsetof(struct memory_device_options, write_rate), PACE_RATE_MIN, RATE_MAX },
};

enum { RULES = sizeof(rules) / sizeof(*rules) };

static const struct rule *find(const char *key)
{
	for (unsigned i = 0; i < RULES; i++)
		if (!strcmp(rules[i].key, key))
			return &rules[i];
	return NULL;
}

static int read_number(const struct rule *rule, struct memory_device_options *options, const char *value,
		       char *sentence, size_t bytes)
{
	uint64_t number = 0;

	if (argument_read_number(value, &number) || number < rule->min || number > rule->max) {
		snprintf(sentence, bytes, "%s=%s: a number from %llu to %llu is needed; K, M and G may follow it",
			 rule->key, value, (unsigned long long)rule->min, (unsigned long long)rule->max);
		return -EINVAL;
	}
	memcpy((char *)options + rule->at, &number, sizeof(number));
	return 0;
}

static int read_pair(struct memory_device_options *options, char *pair, char *sentence, size_t bytes)
{
	char *value = strchr(pair, '=');
	const struct rule *rule;

	if (value)
		*value++ = '\0';
	rule = find(pair);
	if (value && rule)
		return read_number(rule, options, value, sentence, bytes);
	if (value && !strcmp(pair, "p2p") && (!strcmp(value, "on") || !strcmp(value, "off"))) {
		options->without_p2p = !strcmp(value, "off");
		return 0;
	}
	snprintf(sentence, bytes, "'%s': the device's options are " DEVICE_OPTIONS_HELP, pair);
	return -EINVAL;
}

int device_options_read(struct memory_device_options *options, const char *text, char *sentence, size_t bytes)
{
	char copy[512], *rest = copy, *pair;
	int rc = 0;

	*options = (struct memory_device_options){ .load_ms = UINT64_MAX };
	if (snprintf(copy, sizeof(copy), "%s", text) >= (int)sizeof(copy)) {
		snprintf(sentence, bytes, "at most %zu characters are read", sizeof(copy) - 1);
		return -EINVAL;
	}
	while (!rc && (pair = strsep(&rest, ",")))
		rc = *pair ? read_pair(options, pair, sentence, bytes) : 0;
	if (options->load_ms == UINT64_MAX)
		options->load_ms = options->transition_ms;
	return rc;
}
