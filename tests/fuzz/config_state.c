/* SPDX-License-Identifier: MIT */
/*
 * A config state as a peer or a recording could have it, in a copy of exactly its bytes. What can be taken apart lies within them,
 * must come together to the same bytes, and has fields that lie in the config space; anything else has a sentence and a name.
 */
#include <vfiomig/config.h>

#include <string.h>

#include "fuzz.h"

struct range {
	const uint8_t *blob;
	size_t bytes;
};

static void check_within(const struct range *range, const uint8_t *at, size_t bytes)
{
	FUZZ_CHECK(!bytes ||
		   (at >= range->blob && bytes <= range->bytes && (size_t)(at - range->blob) <= range->bytes - bytes));
}

static void check_field(void *context, const struct vfiomig_config_field *field)
{
	const struct vfiomig_config *config = context;

	FUZZ_CHECK(field->bytes >= 1 && field->bytes <= 8 && field->name[0]);
	FUZZ_CHECK(memchr(field->name, 0, sizeof(field->name)) && memchr(field->text, 0, sizeof(field->text)) &&
		   memchr(field->section, 0, sizeof(field->section)));
	if (field->at != UINT32_MAX)
		FUZZ_CHECK(field->at < config->space_bytes && field->bytes <= config->space_bytes - field->at);
}

static void check_decoded(struct vfiomig_config *config, const struct range *range)
{
	uint8_t *again = malloc(range->bytes + 1);

	FUZZ_CHECK(again && config->space_bytes <= 4096 && config->vectors <= VFIOMIG_CONFIG_VECTORS_MAX);
	check_within(range, config->space, config->space_bytes);
	check_within(range, config->msix_table, (size_t)config->vectors * VFIOMIG_CONFIG_VECTOR_BYTES);
	check_within(range, config->msix_pending, (config->vectors + 7) / 8);
	check_within(range, config->extra, config->extra_bytes);
	vfiomig_config_fields(config, check_field, config);
	if (range->bytes) {
		FUZZ_CHECK(vfiomig_config_encode(again, range->bytes, config, NULL) == (ssize_t)range->bytes);
		FUZZ_CHECK(!memcmp(again, range->blob, range->bytes));
	}
	free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct vfiomig_config config = { .size = sizeof(config) };
	struct vfiomig_error err = { 0 };
	uint8_t *blob = malloc(bytes ? bytes : 1);
	int rc;

	FUZZ_CHECK(blob);
	if (bytes)
		memcpy(blob, data, bytes);
	rc = vfiomig_config_decode(&config, blob, bytes, &err);
	if (rc)
		FUZZ_CHECK(rc < 0 && err.code == VFIOMIG_DEVICE && !strncmp(err.name, "config-", 7) && err.text[0]);
	else
		check_decoded(&config, &(struct range){ blob, bytes });
	free(blob);
	return 0;
}
