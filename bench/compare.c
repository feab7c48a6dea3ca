/* SPDX-License-Identifier: MIT */
/*
 * Two runs are of two different minutes, so there are no pairs here: the question is whether the medians differ by more than the
 * samples themselves scatter.
 */
#include "compare.h"

#include <argp.h>
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vfiomig/vfiomig.h>

#include "bootstrap.h"
#include "series.h"

enum { KEY_FAIL_ABOVE = 0x100, FILES = 2 };

struct compare_options {
	const char *path[FILES];
	double fail_above; /* 0: never */
};

struct compare {
	struct compare_options options;
	struct series_file file[FILES];
	unsigned compared, above;
};

static const struct argp_option compare_argp_options[] = {
	{ "fail-above", KEY_FAIL_ABOVE, "RATIO", 0,
	  "End with 1 if a ratio is above RATIO for sure (its interval's lower bound is), or if a cell of A cannot be "
	  "compared",
	  0 },
	{ 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct compare_options *options = state->input;
	char *end;

	switch (key) {
	case KEY_FAIL_ABOVE:
		options->fail_above = strtod(arg, &end);
		if (end == arg || *end || !isfinite(options->fail_above) || options->fail_above <= 0)
			argp_error(state, "--fail-above %s: a ratio above 0 is needed, for example 1.1", arg);
		return 0;
	case ARGP_KEY_ARG:
		if (state->arg_num >= FILES)
			argp_error(state, "%s: two files are compared, not more", arg);
		else
			options->path[state->arg_num] = arg;
		return 0;
	case ARGP_KEY_END:
		if (state->arg_num < FILES)
			argp_error(state, "two files are needed, as `vfiomig-bench downtime --json` writes them");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp compare_argp = {
	compare_argp_options,
	parse,
	"A.json B.json",
	"Compare what `vfiomig-bench downtime` or `throughput` wrote with --json in two runs, cell by cell."
	"\vCells are matched by their parameters, options of devices included. RATIO is B's median over A's; the "
	"interval holds "
	"it with 95 %, by bootstrap over the samples. B is slower or faster where the interval leaves 1 out. The "
	"program ends "
	"with 0 whatever it sees, if --fail-above is not given, and with 2 if a file cannot be read.",
	NULL,
	NULL,
	NULL,
};

/* Whether all series of both files that know of @key say the same: then no row needs to. */
static bool is_common(const struct compare *compare, const char *key, const json_t *value)
{
	for (unsigned f = 0; f < FILES; f++)
		for (unsigned i = 0; i < compare->file[f].count; i++) {
			const json_t *other = json_object_get(compare->file[f].series[i].parameters, key);

			if (other && !json_is_null(other) && !json_equal(other, value))
				return false;
		}
	return true;
}

/* "library devices=4 gate=on": what tells this series from the others. */
static void print_name(const struct compare *compare, const struct series *series)
{
	const char *key;
	json_t *value;

	printf("%s", json_string_value(json_object_get(series->parameters, "kind")));
	json_object_foreach(series->parameters, key, value)
	{
		if (!strcmp(key, "kind") || json_is_null(value) || is_common(compare, key, value))
			continue;
		printf(" %s=", key);
		if (json_is_string(value))
			printf("%s", json_string_value(value));
		else
			json_dumpf(value, stdout, JSON_ENCODE_ANY | JSON_COMPACT);
	}
	putchar('\n');
}

static const char *verdict(struct interval interval)
{
	if (interval.low > 1)
		return "slower";
	return interval.high < 1 ? "faster" : "no difference seen";
}

static void compare_series(struct compare *compare, const struct series *a, const struct series *b)
{
	double below = samples_quantile(&a->samples_us, 0.5), above = samples_quantile(&b->samples_us, 0.5);
	struct interval interval;

	if (!a->samples_us.count || !b->samples_us.count) {
		printf("  %11s %11s %7s %17s  no samples in %-4s", "-", "-", "-", "-", a->samples_us.count ? "B" : "A");
	} else {
		interval = bootstrap_ratio(&a->samples_us, &b->samples_us);
		compare->compared++;
		compare->above += interval.low > compare->options.fail_above;
		printf("  %11.3f %11.3f %7.3f %8.3f -%7.3f  %-18s", below / 1e3, above / 1e3, above / below,
		       interval.low, interval.high, verdict(interval));
	}
	printf("  ");
	print_name(compare, a);
	if (a->failed || b->failed)
		printf("%52s failed runs: %u in A, %u in B\n", "", a->failed, b->failed);
}

/* Series of @file that the other one lacks. */
static void print_alone(const struct compare *compare, unsigned file)
{
	const struct series_file *here = &compare->file[file], *there = &compare->file[!file];
	unsigned alone = 0;

	for (unsigned i = 0; i < here->count; i++) {
		if (series_file_find(there, here->series[i].parameters))
			continue;
		if (!alone++)
			printf("\nonly in %c:\n", "AB"[file]);
		printf("  ");
		print_name(compare, &here->series[i]);
	}
}

static void print_all(struct compare *compare)
{
	const struct series_file *a = &compare->file[0];

	printf("A: %s\nB: %s\n\n", compare->options.path[0], compare->options.path[1]);
	printf("  %11s %11s %7s %17s\n", "A ms", "B ms", "RATIO", "95 % INTERVAL"); /* then verdict and name */
	for (unsigned i = 0; i < a->count; i++) {
		const struct series *b = series_file_find(&compare->file[1], a->series[i].parameters);

		if (b)
			compare_series(compare, &a->series[i], b);
	}
	print_alone(compare, 0);
	print_alone(compare, 1);
}

static int read_files(struct compare *compare)
{
	char sentence[512];

	for (unsigned f = 0; f < FILES; f++)
		if (series_file_read(&compare->file[f], compare->options.path[f], sentence, sizeof(sentence))) {
			fprintf(stderr, "vfiomig-bench: %s: %s\n", compare->options.path[f], sentence);
			return -EINVAL;
		}
	if (!strcmp(compare->file[0].command, compare->file[1].command))
		return 0;
	fprintf(stderr, "vfiomig-bench: %s is of `%s` and %s of `%s`: that cannot be compared\n",
		compare->options.path[0], compare->file[0].command, compare->options.path[1], compare->file[1].command);
	return -EINVAL;
}

/* What --fail-above asks; 0 if nothing is wrong. */
static int judge(const struct compare *compare)
{
	double most = compare->options.fail_above;
	unsigned missing = compare->file[0].count - compare->compared;

	if (most <= 0)
		return 0;
	if (compare->above)
		fprintf(stderr, "vfiomig-bench: %u of %u ratios are above %g\n", compare->above, compare->compared,
			most);
	if (missing)
		fprintf(stderr, "vfiomig-bench: %u of A's %u cells could not be compared\n", missing,
			compare->file[0].count);
	return compare->above || missing;
}

int compare_main(int argc, char **argv)
{
	struct compare compare = { .compared = 0 };
	int code = VFIOMIG_USAGE;

	argp_parse(&compare_argp, argc, argv, 0, NULL, &compare.options);
	if (!read_files(&compare)) {
		print_all(&compare);
		code = judge(&compare) ? VFIOMIG_INTERNAL : VFIOMIG_OK;
	}
	series_file_fini(&compare.file[0]);
	series_file_fini(&compare.file[1]);
	return code;
}
