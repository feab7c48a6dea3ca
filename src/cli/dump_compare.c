/* SPDX-License-Identifier: MIT */
/* Facts by their names, config spaces field by field, and what of these no field shows in runs of bytes. */
#include "dump_compare.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RUN_SHOWN = 16 };

/* Of bytes that are not shown. */
static const char some[] = "some bytes", other[] = "other bytes";

/* NULL if there is no memory: then the comparison is lost. */
static struct dump_difference *add(struct dump_comparison *comparison, const char *part, const char *section,
				   const char *name)
{
	if (comparison->differences == comparison->room) {
		unsigned room = comparison->room ? comparison->room * 2 : 32;
		struct dump_difference *larger = reallocarray(comparison->difference, room, sizeof(*larger));

		if (!larger) {
			comparison->lost = true;
			return NULL;
		}
		comparison->difference = larger;
		comparison->room = room;
	}
	comparison->difference[comparison->differences] =
		(struct dump_difference){ .part = part, .section = section, .name = name, .at = UINT32_MAX };
	return &comparison->difference[comparison->differences++];
}

static void compare_words(struct dump_comparison *comparison, const char *part, const char *name, const char *a,
			  const char *b)
{
	struct dump_difference *difference = strcmp(a, b) ? add(comparison, part, "", name) : NULL;

	if (!difference)
		return;
	snprintf(difference->said[0], DUMP_SAID_BYTES, "%s", a);
	snprintf(difference->said[1], DUMP_SAID_BYTES, "%s", b);
}

static const struct vfiomig_config_field *find(const struct dump_config *config,
					       const struct vfiomig_config_field *like)
{
	for (unsigned i = 0; i < config->fields; i++)
		if (!strcmp(config->field[i].section, like->section) && !strcmp(config->field[i].name, like->name))
			return &config->field[i];
	return NULL;
}

static void say(char *to, const struct vfiomig_config_field *field)
{
	if (field)
		snprintf(to, DUMP_SAID_BYTES, "%s%s%s%s", dump_value(field).text, field->text[0] ? " (" : "",
			 field->text, field->text[0] ? ")" : "");
}

static void add_field(struct dump_comparison *comparison, const char *part, const struct vfiomig_config_field *a,
		      const struct vfiomig_config_field *b)
{
	const struct vfiomig_config_field *either = a ? a : b;
	struct dump_difference *difference = add(comparison, part, either->section, either->name);

	if (!difference)
		return;
	difference->at = either->at;
	difference->bytes = either->bytes;
	say(difference->said[0], a);
	say(difference->said[1], b);
}

static void compare_fields(struct dump_comparison *comparison, const char *part, const struct dump_config *a,
			   const struct dump_config *b)
{
	for (unsigned i = 0; i < a->fields; i++) {
		const struct vfiomig_config_field *mine = &a->field[i], *theirs = find(b, mine);

		if (!theirs || theirs->bytes != mine->bytes || theirs->value != mine->value ||
		    strcmp(theirs->text, mine->text))
			add_field(comparison, part, mine, theirs);
	}
	for (unsigned i = 0; i < b->fields; i++)
		if (!find(a, &b->field[i]))
			add_field(comparison, part, NULL, &b->field[i]);
}

static void say_bytes(char *to, const uint8_t *from, uint32_t bytes)
{
	int used = 0;

	for (uint32_t i = 0; i < bytes && i < RUN_SHOWN; i++)
		used += snprintf(to + used, DUMP_SAID_BYTES - (size_t)used, "%s%02x", i ? " " : "", from[i]);
	if (bytes > RUN_SHOWN)
		snprintf(to + used, DUMP_SAID_BYTES - (size_t)used, " ...");
}

static bool unnamed(const struct dump_config *a, const struct dump_config *b, uint32_t at)
{
	return !a->covered[at] && !b->covered[at] && a->config.space[at] != b->config.space[at];
}

/* Runs end at the first byte that is the same, or that a field shows. */
static void compare_rest(struct dump_comparison *comparison, const char *part, const struct dump_config *a,
			 const struct dump_config *b)
{
	uint32_t bytes = a->config.space_bytes < b->config.space_bytes ? a->config.space_bytes : b->config.space_bytes;

	for (uint32_t at = 0; at < bytes; at++) {
		struct dump_difference *difference;
		uint32_t end = at;

		while (end < bytes && unnamed(a, b, end))
			end++;
		if (end == at)
			continue;
		difference = add(comparison, part, "", "");
		if (!difference)
			return;
		difference->at = at;
		difference->bytes = end - at;
		say_bytes(difference->said[0], a->config.space + at, end - at);
		say_bytes(difference->said[1], b->config.space + at, end - at);
		at = end;
	}
}

static void compare_configs(struct dump_comparison *comparison, const char *part, const struct dump_config *a,
			    const struct dump_config *b)
{
	char said[2][32];

	snprintf(said[0], sizeof(said[0]), "%" PRIu32, a->config.space_bytes);
	snprintf(said[1], sizeof(said[1]), "%" PRIu32, b->config.space_bytes);
	compare_words(comparison, part, "bytes", said[0], said[1]);
	compare_words(comparison, part, "layout", vfiomig_config_layout_name(a->config.layout),
		      vfiomig_config_layout_name(b->config.layout));
	compare_fields(comparison, part, a, b);
	compare_rest(comparison, part, a, b);
}

/* Bytes of a vector that its field does not show. */
static bool vectors_differ_unseen(const struct vfiomig_config *a, const struct vfiomig_config *b,
				  const struct dump_comparison *comparison, unsigned from)
{
	for (uint32_t v = 0; v < a->vectors && v < b->vectors; v++) {
		size_t at = (size_t)v * VFIOMIG_CONFIG_VECTOR_BYTES;
		bool seen = !memcmp(a->msix_table + at, b->msix_table + at, VFIOMIG_CONFIG_VECTOR_BYTES);
		char name[32];

		snprintf(name, sizeof(name), "Vector %" PRIu32, v);
		for (unsigned i = from; i < comparison->differences && !seen; i++)
			seen = !strcmp(comparison->difference[i].name, name);
		if (!seen)
			return true;
	}
	return false;
}

/* What QEMU keeps behind the config space: its fields say how many bytes there are, not which. */
static void compare_outside(struct dump_comparison *comparison, const struct vfiomig_config *a,
			    const struct vfiomig_config *b, unsigned from)
{
	if (vectors_differ_unseen(a, b, comparison, from))
		compare_words(comparison, "config", "Vectors", some, other);
	if (a->extra_bytes && a->extra_bytes == b->extra_bytes && memcmp(a->extra, b->extra, a->extra_bytes))
		compare_words(comparison, "config", "Subsections", some, other);
}

/* What is in no field, as in a config state that nobody can take apart, still is the same or not. */
static void compare_states(struct dump_comparison *comparison, const struct dump_file files[2])
{
	const struct dump_file *a = &files[0], *b = &files[1];
	bool same = a->state_bytes == b->state_bytes && !memcmp(a->state_blob, b->state_blob, a->state_bytes);
	unsigned before = comparison->differences;

	compare_words(comparison, "config", "wrong", a->state_wrong.text, b->state_wrong.text);
	compare_configs(comparison, "config", &a->state, &b->state);
	compare_outside(comparison, &a->state.config, &b->state.config, before);
	if (!same && comparison->differences == before)
		compare_words(comparison, "config", "state", some, other);
}

/* Number of packets and digest follow from the packets, and are no difference of their own. */
static bool follows(const struct dump_pair *pair)
{
	return !strcmp(pair->name, "packets") || !strcmp(pair->name, "digest");
}

enum vfiomig_code dump_compare(struct dump_comparison *comparison, struct dump_file files[2], struct vfiomig_error *err)
{
	enum vfiomig_code code;

	*comparison = (struct dump_comparison){ 0 };
	for (unsigned i = 0; i < DUMP_PAIRS; i++)
		if (!follows(&files[0].pair[i]))
			compare_words(comparison, files[0].pair[i].part, files[0].pair[i].name, files[0].pair[i].text,
				      files[1].pair[i].text);
	compare_configs(comparison, "snapshot", &files[0].snapshot, &files[1].snapshot);
	compare_states(comparison, files);
	code = dump_compare_streams(comparison, files, err);
	comparison->differ = comparison->differences || comparison->stream.differ;
	if (code || !comparison->lost)
		return code;
	*err = (struct vfiomig_error){ .code = VFIOMIG_INTERNAL,
				       .name = "internal",
				       .text = "no memory for the differences" };
	return VFIOMIG_INTERNAL;
}

void dump_compare_fini(struct dump_comparison *comparison)
{
	free(comparison->difference);
}
