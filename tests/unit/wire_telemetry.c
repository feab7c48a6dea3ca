/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "support/random.h"
#include "wire/message.h"
#include "wire/telemetry.h"

union any {
	struct telemetry_measure measure;
	struct telemetry_measured measured;
	struct telemetry_clock clock;
	struct telemetry_spans spans;
};

static void make_measure(struct random *random, union any *any)
{
	any->measure.sent_ns = random_next(random);
	any->measure.offset_ns = (int64_t)random_next(random);
}

static void make_measured(struct random *random, union any *any)
{
	random_fill(random, (uint8_t *)any, sizeof(*any));
	any->measured.devices = VFIOMIG_DEVICES_MAX;
}

static void make_clock(struct random *random, union any *any)
{
	any->clock.offset_ns = (int64_t)random_next(random);
	any->clock.error_ns = random_next(random);
	any->clock.stop_ns = random_next(random);
}

static void make_spans(struct random *random, union any *any)
{
	random_fill(random, (uint8_t *)any, sizeof(*any));
	any->spans.number = (uint16_t)random_below(random, VFIOMIG_DEVICES_MAX);
	for (unsigned i = 0; i < TELEMETRY_SPANS; i++)
		any->spans.span[i].end_ns = any->spans.span[i].begin_ns | 1;
}

#define ADAPT(noun)                                                               \
	static size_t encode_##noun(uint8_t *out, const union any *any)           \
	{                                                                         \
		return telemetry_encode_##noun(out, &any->noun);                  \
	}                                                                         \
	static int decode_##noun(union any *any, const uint8_t *in, size_t bytes) \
	{                                                                         \
		return telemetry_decode_##noun(&any->noun, in, bytes);            \
	}
ADAPT(measure)
ADAPT(measured)
ADAPT(clock)
ADAPT(spans)

static const struct shape {
	uint16_t type;
	void (*make)(struct random *random, union any *any);
	size_t (*encode)(uint8_t *out, const union any *any);
	int (*decode)(union any *any, const uint8_t *in, size_t bytes);
} shapes[] = {
	{ MESSAGE_MEASURE, make_measure, encode_measure, decode_measure },
	{ MESSAGE_MEASURED, make_measured, encode_measured, decode_measured },
	{ MESSAGE_SWITCHOVER, make_clock, encode_clock, decode_clock },
	{ MESSAGE_SPANS, make_spans, encode_spans, decode_spans },
};

enum { SHAPES = sizeof(shapes) / sizeof(shapes[0]) };

/* From exactly @bytes of heap, so that a step beyond them is an error of the address sanitizer. */
static int decode_exactly(const struct shape *shape, union any *any, const uint8_t *in, size_t bytes)
{
	uint8_t *copy = malloc(bytes ? bytes : 1);
	int rc;

	memcpy(copy, in, bytes);
	rc = shape->decode(any, copy, bytes);
	free(copy);
	return rc;
}

Test(telemetry, comes_back_as_it_went_and_fills_its_limit)
{
	for (unsigned s = 0; s < SHAPES; s++)
		for (uint64_t seed = 1; seed <= 50; seed++) {
			struct random random = { .state = seed };
			uint8_t first[MESSAGE_BYTES_MAX], again[MESSAGE_BYTES_MAX];
			union any any, back;
			size_t bytes;

			shapes[s].make(&random, &any);
			bytes = shapes[s].encode(first, &any);
			cr_assert_eq(bytes, message_bytes_max(shapes[s].type), "%s", message_name(shapes[s].type));
			cr_assert_eq(decode_exactly(&shapes[s], &back, first, bytes), 0);
			cr_assert_eq(shapes[s].encode(again, &back), bytes);
			cr_assert_arr_eq(again, first, bytes);
		}
}

Test(telemetry, every_truncation_and_one_byte_more_are_refused)
{
	for (unsigned s = 0; s < SHAPES; s++) {
		struct random random = { .state = 3 };
		uint8_t bytes[MESSAGE_BYTES_MAX] = { 0 };
		union any any, back;
		size_t full;

		shapes[s].make(&random, &any);
		full = shapes[s].encode(bytes, &any);
		for (size_t cut = 0; cut < full; cut++)
			cr_assert_eq(decode_exactly(&shapes[s], &back, bytes, cut), -EPROTO);
		cr_assert_eq(decode_exactly(&shapes[s], &back, bytes, full + 1), -EPROTO);
	}
}

Test(telemetry, numbers_out_of_range_are_refused)
{
	struct telemetry_spans spans = { .number = VFIOMIG_DEVICES_MAX };
	struct telemetry_measured measured = { .devices = 1 };
	uint8_t bytes[MESSAGE_BYTES_MAX];
	size_t full = telemetry_encode_spans(bytes, &spans);

	cr_assert_eq(telemetry_decode_spans(&spans, bytes, full), -EPROTO);
	spans = (struct telemetry_spans){ .span[2] = { .begin_ns = 2, .end_ns = 1 } };
	full = telemetry_encode_spans(bytes, &spans);
	cr_assert_eq(telemetry_decode_spans(&spans, bytes, full), -EPROTO, "a span that ends before it begins");
	full = telemetry_encode_measured(bytes, &measured);
	bytes[33] = 0;
	cr_assert_eq(telemetry_decode_measured(&measured, bytes, full), -EPROTO, "no device");
	bytes[33] = VFIOMIG_DEVICES_MAX + 1;
	cr_assert_eq(telemetry_decode_measured(&measured, bytes, full), -EPROTO, "too many");
}
