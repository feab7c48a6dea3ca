/* SPDX-License-Identifier: MIT */
/*
 * simulate: the session's pure machines under everything that can go wrong, as often as there are seeds. One seed is one run, and the same
 * run every time: its digest covers all that happened and when.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "batch.h"
#include "simulate.h"

static const char usage[] =
	"usage: simulate --seed S [--trace]               one run; its digest is the same every time\n"
	"       simulate --seeds N [--from S] [--jobs J]  N runs, up to the first that breaks an invariant\n"
	"       simulate --large                          10 GiB through a device that takes 20 MB/s\n"
	"Exit status: 0 all is well, 1 an invariant is broken or a fault was never applied, 2 usage.\n";

struct options {
	uint64_t seed, seeds, from;
	unsigned jobs;
	bool trace, large;
};

static uint64_t number(const char *text)
{
	char *end;
	uint64_t value = strtoull(text, &end, 10);

	if (*end || end == text) {
		fprintf(stderr, "simulate: \"%s\" is no number\n", text);
		exit(2);
	}
	return value;
}

static void parse(struct options *options, int argc, char **argv)
{
	static const struct option known[] = {
		{ "seed", required_argument, NULL, 's' }, { "seeds", required_argument, NULL, 'n' },
		{ "from", required_argument, NULL, 'f' }, { "jobs", required_argument, NULL, 'j' },
		{ "trace", no_argument, NULL, 't' },	  { "large", no_argument, NULL, 'l' },
		{ "help", no_argument, NULL, 'h' },	  { NULL, 0, NULL, 0 },
	};
	int key;

	while ((key = getopt_long(argc, argv, "h", known, NULL)) != -1) {
		if (key == 's')
			options->seed = number(optarg);
		else if (key == 'n')
			options->seeds = number(optarg);
		else if (key == 'f')
			options->from = number(optarg);
		else if (key == 'j')
			options->jobs = (unsigned)number(optarg);
		else if (key == 't')
			options->trace = true;
		else if (key == 'l')
			options->large = true;
		else {
			fputs(usage, key == 'h' ? stdout : stderr);
			exit(key == 'h' ? 0 : 2);
		}
	}
}

/* However much there is to carry, and however slow its consumer: both sides' arenas, and a little. */
static int judge_memory(const struct world *world)
{
	const struct arena *arena = &world->side[DESTINATION].arena;
	long limit_kib = (long)(2 * arena_bytes(&arena->shape) / 1024) + 16 * 1024;
	struct rusage used;

	if (getrusage(RUSAGE_SELF, &used))
		return 1;
	printf("peak memory %ld KiB, and %ld would be too much\n", used.ru_maxrss, limit_kib);
	return used.ru_maxrss > limit_kib;
}

static int run_one(const struct options *options)
{
	struct world world;
	int rc;

	world_open(&world);
	world.trace = options->trace;
	world_run(&world, options->seed, options->large);
	rc = world.broken[0] != 0;
	printf("seed %" PRIu64 ": %s, %" PRIu64 " steps, %.3f s of virtual time, digest %016" PRIx64 "\n",
	       options->seed, verdict_outcome(&world), world.steps, (double)world.now / (double)NS_PER_S, world.digest);
	if (rc)
		printf("seed %" PRIu64 ": %s\n", options->seed, world.broken);
	if (options->large)
		rc |= judge_memory(&world);
	world_close(&world);
	return rc;
}

int main(int argc, char **argv)
{
	struct options options = { .from = 1, .jobs = (unsigned)sysconf(_SC_NPROCESSORS_ONLN) };

	parse(&options, argc, argv);
	if (options.seeds)
		return batch_run(options.from, options.seeds, options.jobs);
	if (options.seed || options.large)
		return run_one(&options);
	fputs(usage, stderr);
	return 2;
}
