/* SPDX-License-Identifier: MIT */
/*
 * Device specs come from command lines and from programs: whatever is wrong with one is answered with the offending
 * text, and nothing is guessed. An option given twice is a mistake, not an override.
 */
#include "device/spec.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

const char *const config_layout_words[] = { "raw", "qemu", NULL };
static const char *const gate_words[] = { "auto", "on", "off", NULL };

int spec_name_valid(const char *name)
{
	size_t length = strlen(name);

	if (length < 1 || length > 31)
		return 0;
	for (; *name; name++)
		if (!isalnum((unsigned char)*name) && !strchr("_-.", *name))
			return 0;
	return 1;
}

static int find_word(const char *const *words, const char *value)
{
	for (int i = 0; words[i]; i++)
		if (!strcmp(words[i], value))
			return i;
	return -1;
}

static int refuse(const struct spec *spec, struct vfiomig_error *err, const char *key, const char *value,
		  const char *why)
{
	return error_set(err, VFIOMIG_USAGE, EINVAL, "device-spec", "device '%s': %s='%s': %s", spec->text, key, value,
			 why);
}

static int take_option(struct spec *spec, char *item, struct vfiomig_error *err)
{
	char *equals = strchr(item, '=');

	if (!equals || equals == item)
		return error_set(err, VFIOMIG_USAGE, EINVAL, "device-spec", "device '%s': '%s' is not key=value",
				 spec->text, item);
	*equals = 0;
	for (unsigned i = 0; i < spec->count; i++)
		if (!strcmp(spec->options[i].key, item))
			return refuse(spec, err, item, equals + 1, "the key is there twice");
	if (spec->count == SPEC_OPTIONS_MAX)
		return refuse(spec, err, item, equals + 1, "too many options");
	spec->options[spec->count++] = (struct spec_option){ item, equals + 1 };
	return 0;
}

/* name= and gate= are every device's: out of the list, so that a back end sees its own options only. */
static int take_common(struct spec *spec, struct vfiomig_error *err)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < spec->count; i++) {
		const struct spec_option *option = &spec->options[i];
		int word;

		if (!strcmp(option->key, "name")) {
			if (!spec_name_valid(option->value))
				return refuse(spec, err, "name", option->value,
					      "a name has 1 to 31 letters, digits, '_', '-' and '.'");
			spec->name = option->value;
		} else if (!strcmp(option->key, "gate")) {
			word = find_word(gate_words, option->value);
			if (word < 0)
				return refuse(spec, err, "gate", option->value, "it is auto, on or off");
			spec->gate = (enum vfiomig_gate)word;
		} else {
			spec->options[kept++] = *option;
		}
	}
	spec->count = kept;
	return 0;
}

/* The first item is the argument unless it is an option; a path may have '=' in it. */
static int is_arg(const char *item)
{
	return item[0] == '/' || item[0] == '.' || !strchr(item, '=');
}

static int take_items(struct spec *spec, char *items, struct vfiomig_error *err)
{
	char *item, *rest = items;
	int rc;

	for (unsigned index = 0; (item = strsep(&rest, ",")); index++) {
		if (!index && is_arg(item)) {
			spec->arg = item;
			continue;
		}
		rc = take_option(spec, item, err);
		if (rc)
			return rc;
	}
	return take_common(spec, err);
}

int spec_parse(struct spec *spec, const char *text, struct vfiomig_error *err)
{
	char *colon;

	*spec = (struct spec){ .arg = "", .name = "" };
	if (strlen(text) >= sizeof(spec->text))
		return error_set(err, VFIOMIG_USAGE, EINVAL, "device-spec",
				 "device '%.40s...': a spec has at most %d characters", text, SPEC_BYTES_MAX - 1);
	memcpy(spec->text, text, strlen(text));
	memcpy(spec->buffer, text, strlen(text));
	colon = strchr(spec->buffer, ':');
	if (!colon || colon == spec->buffer)
		return error_set(err, VFIOMIG_USAGE, EINVAL, "device-spec",
				 "device '%s': a spec looks like KIND:ARGUMENT,KEY=VALUE,...", text);
	*colon = 0;
	spec->kind = spec->buffer;
	return take_items(spec, colon + 1, err);
}

static int suffix_shift(const char *suffix)
{
	static const char units[] = "KMGT";
	const char *unit = strchr(units, *suffix);

	if (!unit || suffix[1])
		return -1;
	return 10 * (int)(unit - units + 1);
}

/* Returns 0, or -1 if it is no number. */
static int read_number(const char *value, enum spec_type type, uint64_t *number)
{
	bool hex = value[0] == '0' && (value[1] == 'x' || value[1] == 'X');
	char *end;
	int shift;

	if (!isdigit((unsigned char)value[0])) /* strtoull takes signs and blanks */
		return -1;
	errno = 0;
	*number = strtoull(value, &end, hex ? 16 : 10); /* never 8: a leading zero means nothing */
	if (errno)
		return -1;
	if (!*end)
		return 0;
	shift = type == SPEC_BYTES ? suffix_shift(end) : -1;
	if (shift < 0 || *number > UINT64_MAX >> shift)
		return -1;
	*number <<= shift;
	return 0;
}

static int apply_word(const struct spec *spec, const struct spec_rule *rule, const char *value, uint64_t *into,
		      struct vfiomig_error *err)
{
	int word = find_word(rule->words, value);
	char why[128] = "it is one of";

	if (word >= 0) {
		*into = (uint64_t)word;
		return 0;
	}
	for (int i = 0; rule->words[i]; i++) {
		strncat(why, " ", sizeof(why) - strlen(why) - 1);
		strncat(why, rule->words[i], sizeof(why) - strlen(why) - 1);
	}
	return refuse(spec, err, rule->key, value, why);
}

static int apply_option(const struct spec *spec, const struct spec_rule *rule, const char *value, void *into,
			struct vfiomig_error *err)
{
	uint64_t *field = (uint64_t *)(void *)((char *)into + rule->offset);
	uint64_t number;

	if (rule->type == SPEC_WORD)
		return apply_word(spec, rule, value, field, err);
	if (read_number(value, rule->type, &number))
		return refuse(spec, err, rule->key, value,
			      rule->type == SPEC_BYTES ? "not a number (4096, 0x1000, 64K, 1M, 2G)"
						       : "not a whole number");
	if (number < rule->least || number > rule->most)
		return error_set(err, VFIOMIG_USAGE, EINVAL, "device-spec",
				 "device '%s': %s='%s': it goes from %" PRIu64 " to %" PRIu64, spec->text, rule->key,
				 value, rule->least, rule->most);
	*field = number;
	return 0;
}

int spec_apply(const struct spec *spec, const struct spec_rule *rules, size_t count, void *into,
	       struct vfiomig_error *err)
{
	for (unsigned i = 0; i < spec->count; i++) {
		const struct spec_option *option = &spec->options[i];
		size_t rule = 0;
		int rc;

		while (rule < count && strcmp(rules[rule].key, option->key))
			rule++;
		if (rule == count)
			return error_set(err, VFIOMIG_USAGE, EINVAL, "device-spec",
					 "device '%s': '%s' is no option of '%s:'", spec->text, option->key,
					 spec->kind);
		rc = apply_option(spec, &rules[rule], option->value, into, err);
		if (rc)
			return rc;
	}
	return 0;
}
