/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "device/spec.h"

struct target {
	uint64_t bytes, count, word;
};

static const char *const words[] = { "red", "green", NULL };
static const struct spec_rule rules[] = {
	{ "bytes", offsetof(struct target, bytes), SPEC_BYTES, 0, UINT64_MAX, NULL },
	{ "count", offsetof(struct target, count), SPEC_NUMBER, 1, 10, NULL },
	{ "word", offsetof(struct target, word), SPEC_WORD, 0, 0, words },
};

static int apply(const char *text, struct target *target, struct vfiomig_error *err)
{
	struct spec spec;
	int rc = spec_parse(&spec, text, err);

	return rc ? rc : spec_apply(&spec, rules, 3, target, err);
}

static void refused(const char *text, const char *offending)
{
	struct target target = { 0 };
	struct vfiomig_error err = { 0 };

	cr_assert_eq(apply(text, &target, &err), -EINVAL, "%s", text);
	cr_assert_eq(err.code, VFIOMIG_USAGE);
	cr_assert_str_eq(err.name, "device-spec");
	cr_assert(strstr(err.text, offending) != NULL, "'%s' does not name '%s'", err.text, offending);
}

Test(spec, takes_kind_argument_name_and_gate_apart)
{
	struct spec spec;

	cr_assert_eq(spec_parse(&spec, "vfio:0000:01:00.2,name=nic-0.a_b,gate=off", NULL), 0);
	cr_assert_str_eq(spec.kind, "vfio");
	cr_assert_str_eq(spec.arg, "0000:01:00.2");
	cr_assert_str_eq(spec.name, "nic-0.a_b");
	cr_assert_eq(spec.gate, VFIOMIG_GATE_OFF);
	cr_assert_eq(spec.count, 0);
	cr_assert_str_eq(spec.text, "vfio:0000:01:00.2,name=nic-0.a_b,gate=off");
}

Test(spec, needs_neither_argument_nor_options)
{
	struct spec spec;

	cr_assert_eq(spec_parse(&spec, "sim:", NULL), 0);
	cr_assert_str_eq(spec.arg, "");
	cr_assert_str_eq(spec.name, "");
	cr_assert_eq(spec.gate, VFIOMIG_GATE_AUTO);
}

Test(spec, takes_a_path_with_an_equals_sign_as_the_argument)
{
	struct spec spec;

	cr_assert_eq(spec_parse(&spec, "vfio:/sys/a=b,name=x", NULL), 0);
	cr_assert_str_eq(spec.arg, "/sys/a=b");
	cr_assert_eq(spec_parse(&spec, "file:./a=b,name=x", NULL), 0);
	cr_assert_str_eq(spec.arg, "./a=b");
}

Test(spec, reads_numbers_suffixes_and_words)
{
	struct target target = { 0 };

	cr_assert_eq(apply("sim:bytes=3K,count=0xa,word=green", &target, NULL), 0);
	cr_assert_eq(target.bytes, 3072);
	cr_assert_eq(target.count, 10);
	cr_assert_eq(target.word, 1);
	cr_assert_eq(apply("sim:bytes=5M", &target, NULL), 0);
	cr_assert_eq(target.bytes, 5 << 20);
	cr_assert_eq(apply("sim:bytes=7G", &target, NULL), 0);
	cr_assert_eq(target.bytes, UINT64_C(7) << 30);
	cr_assert_eq(apply("sim:bytes=18446744073709551615", &target, NULL), 0);
	cr_assert_eq(target.bytes, UINT64_MAX);
}

Test(spec, reads_a_number_with_a_leading_zero_as_decimal)
{
	struct target target = { 0 };

	cr_assert_eq(apply("sim:bytes=010K,count=010", &target, NULL), 0);
	cr_assert_eq(target.bytes, 10 << 10);
	cr_assert_eq(target.count, 10);
	cr_assert_eq(apply("sim:count=08", &target, NULL), 0);
	cr_assert_eq(target.count, 8);
}

Test(spec, refuses_what_is_no_number_and_says_which)
{
	static const char *const bad[] = { "1Q",	"",   "-1", "+1", " 1", "1KB", "x", "18446744073709551616",
					   "16777216T", "1.5" };
	char text[64];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(text, sizeof(text), "sim:bytes=%s", bad[i]);
		snprintf(text + 32, 32, "'%s'", bad[i]);
		refused(text, text + 32);
	}
	refused("sim:count=2K", "'2K'");
}

Test(spec, refuses_what_is_out_of_range)
{
	refused("sim:count=0", "from 1 to 10");
	refused("sim:count=11", "'11'");
}

Test(spec, refuses_an_unknown_key)
{
	refused("sim:byte=1", "'byte'");
}

Test(spec, refuses_an_unknown_word_and_names_those_it_knows)
{
	refused("sim:word=blue", "'blue'");
	refused("sim:word=blue", "red green");
}

Test(spec, refuses_a_repeated_key)
{
	refused("sim:count=1,count=1", "twice");
	refused("sim:name=a,name=b", "'b'");
}

Test(spec, refuses_what_is_not_key_and_value)
{
	refused("sim:count=1,word", "'word'");
	refused("sim:count=1,=3", "'=3'");
	refused("sim:count=1,,word=red", "''");
}

Test(spec, refuses_a_spec_without_a_kind)
{
	refused("0000", "0000");
	refused(":bytes=1", ":bytes=1");
	refused("", "KIND");
}

Test(spec, refuses_bad_names_and_gates)
{
	refused("sim:name=", "name=''");
	refused("sim:name=a b", "'a b'");
	refused("sim:name=12345678901234567890123456789012", "31");
	refused("sim:gate=maybe", "'maybe'");
}

Test(spec, refuses_a_spec_that_is_too_long)
{
	char text[SPEC_BYTES_MAX + 1];

	memset(text, 'a', sizeof(text));
	memcpy(text, "sim:", 4);
	text[SPEC_BYTES_MAX] = 0;
	refused(text, "255");
}
