/* SPDX-License-Identifier: MIT */
/*
 * A device's spec as a user or a program could give it, taken apart and read as a simulated device's. Whatever is wrong is
 * answered by a sentence; what is not has options within their ranges. No device is opened.
 */
#include "device/spec.h"

#include <errno.h>
#include <string.h>

#include "device/sim_options.h"
#include "fuzz.h"

static void refused(int rc, const struct vfiomig_error *err)
{
	FUZZ_CHECK(rc == -EINVAL && err->code == VFIOMIG_USAGE && err->errnum == EINVAL);
	FUZZ_CHECK(err->text[0] && memchr(err->text, 0, sizeof(err->text)) && !strcmp(err->name, "device-spec"));
}

/* A number is decimal unless it begins with 0x. */
static void check_seed(const struct spec *spec, uint64_t seed)
{
	for (unsigned i = 0; i < spec->count; i++) {
		const char *value = spec->options[i].value;

		if (!strcmp(spec->options[i].key, "seed"))
			FUZZ_CHECK(seed == strtoull(value, NULL, strchr(value, 'x') || strchr(value, 'X') ? 16 : 10));
	}
}

static void use(const struct sim_options *options)
{
	FUZZ_CHECK(options->bytes <= INT64_MAX && options->precopy_bytes <= options->bytes);
	FUZZ_CHECK(options->initial_bytes <= options->precopy_bytes);
	FUZZ_CHECK(options->precopy <= SIM_PRECOPY_ZERO && options->personality <= SIM_SLOW_LOAD);
	FUZZ_CHECK(options->read_error_at == SIM_NEVER || options->read_error_at < options->bytes);
	FUZZ_CHECK(options->write_error_at == SIM_NEVER || options->write_error_at < options->bytes);
	FUZZ_CHECK(sim_options_flags(options) & VFIOMIG_MIGRATION_STOP_COPY);
	FUZZ_CHECK(sim_options_config_bytes(options) <= VFIOMIG_CONFIG_BYTES_MAX);
	FUZZ_CHECK(sim_options_save_capacity(options) >= 4096 && sim_options_load_capacity(options) >= 4096);
	for (unsigned from = 0; from < VFIOMIG_STATE_COUNT; from++)
		for (unsigned to = 0; to < VFIOMIG_STATE_COUNT; to++)
			FUZZ_CHECK(sim_options_arc_ms(options, (enum vfiomig_state)from, (enum vfiomig_state)to) <=
				   86400000);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct vfiomig_error err = { 0 };
	struct sim_options options;
	char *text = calloc(1, bytes + 1);
	struct spec spec;
	int rc;

	FUZZ_CHECK(text);
	memcpy(text, data, bytes);
	rc = spec_parse(&spec, text, &err);
	if (rc) {
		refused(rc, &err);
	} else {
		FUZZ_CHECK(!strcmp(spec.text, text) && spec.kind[0] && spec.count <= SPEC_OPTIONS_MAX);
		FUZZ_CHECK(!spec.name[0] || spec_name_valid(spec.name));
		FUZZ_CHECK(spec.gate <= VFIOMIG_GATE_OFF);
		rc = sim_options_read(&options, &spec, &err);
		if (rc) {
			refused(rc, &err);
		} else {
			use(&options);
			check_seed(&spec, options.seed);
		}
	}
	free(text);
	return 0;
}
