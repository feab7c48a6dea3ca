/* SPDX-License-Identifier: MIT */
#include "batch.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "simulate.h"

enum { OUTCOMES_MAX = 16, JOBS_MAX = 64, RARE_SEEDS = 2000 };

struct tally {
	uint64_t seeds, steps, resent, at; /* at: the seed under way */
	uint64_t applied[FAULT_KINDS], met[DEED_KINDS], external;
	unsigned outcomes;
	struct {
		char name[40];
		uint64_t count;
	} outcome[OUTCOMES_MAX];
	uint64_t broken_seed; /* 0: none */
	char broken[256];
};

struct shared {
	_Atomic uint64_t first_broken; /* UINT64_MAX: none */
	struct tally tally[JOBS_MAX];
};

static void count_outcome(struct tally *tally, const char *name, uint64_t count)
{
	unsigned i = 0;

	while (i < tally->outcomes && strcmp(tally->outcome[i].name, name) != 0)
		i++;
	if (i == OUTCOMES_MAX)
		return;
	if (i == tally->outcomes)
		snprintf(tally->outcome[tally->outcomes++].name, sizeof(tally->outcome[i].name), "%s", name);
	tally->outcome[i].count += count;
}

static void note_broken(struct shared *shared, struct tally *tally, const struct world *world)
{
	uint64_t first = atomic_load(&shared->first_broken);

	tally->broken_seed = world->seed;
	snprintf(tally->broken, sizeof(tally->broken), "%s", world->broken);
	while (world->seed < first && !atomic_compare_exchange_weak(&shared->first_broken, &first, world->seed))
		;
}

static void work(struct shared *shared, struct tally *tally, uint64_t from, uint64_t end, unsigned stride)
{
	struct world world;

	world_open(&world);
	for (uint64_t seed = from; seed < end && seed < atomic_load(&shared->first_broken); seed += stride) {
		tally->at = seed;
		world_run(&world, seed, false);
		tally->seeds++;
		tally->steps += world.steps;
		tally->resent += world.truth.resent;
		for (unsigned kind = 0; kind < FAULT_KINDS; kind++)
			tally->applied[kind] += world.applied[kind];
		for (unsigned deed = 0; deed < DEED_KINDS; deed++)
			tally->met[deed] += world.met[deed];
		tally->external += commits_externally(&world);
		count_outcome(tally, verdict_outcome(&world), 1);
		if (world.broken[0]) {
			note_broken(shared, tally, &world);
			break;
		}
	}
	world_close(&world);
}

static void add(struct tally *sum, const struct tally *part)
{
	sum->seeds += part->seeds;
	sum->steps += part->steps;
	sum->resent += part->resent;
	for (unsigned kind = 0; kind < FAULT_KINDS; kind++)
		sum->applied[kind] += part->applied[kind];
	for (unsigned deed = 0; deed < DEED_KINDS; deed++)
		sum->met[deed] += part->met[deed];
	sum->external += part->external;
	for (unsigned i = 0; i < part->outcomes; i++)
		count_outcome(sum, part->outcome[i].name, part->outcome[i].count);
	if (part->broken_seed && (!sum->broken_seed || part->broken_seed < sum->broken_seed)) {
		sum->broken_seed = part->broken_seed;
		memcpy(sum->broken, part->broken, sizeof(sum->broken));
	}
}

/* What never comes to pass is a hole in the simulator, where there were seeds enough. */
static int find_holes(const struct tally *sum)
{
	int rc = 0;

	if (sum->seeds < RARE_SEEDS || sum->broken_seed)
		return 0;
	for (unsigned kind = 0; kind < FAULT_KINDS; kind++)
		if (!sum->applied[kind]) {
			printf("never applied: %s\n", fault_names[kind]);
			rc = 1;
		}
	for (unsigned deed = 0; deed < DEED_KINDS; deed++)
		if (!sum->met[deed]) {
			printf("never came to pass: %s\n", deed_names[deed]);
			rc = 1;
		}
	return rc;
}

static int report(const struct tally *sum)
{
	int rc;

	for (unsigned i = 0; i < sum->outcomes; i++)
		printf("  %-30s %8" PRIu64 "\n", sum->outcome[i].name, sum->outcome[i].count);
	printf("faults applied:\n");
	for (unsigned kind = 0; kind < FAULT_KINDS; kind++)
		printf("  %-30s %8" PRIu64 "\n", fault_names[kind], sum->applied[kind]);
	printf("  %-30s %8" PRIu64 "\n", "packets sent again", sum->resent);
	printf("the VMMs commit:\n  %-30s %8" PRIu64 "\n", "runs", sum->external);
	for (unsigned deed = 0; deed < DEED_KINDS; deed++)
		printf("  %-30s %8" PRIu64 "\n", deed_names[deed], sum->met[deed]);
	rc = find_holes(sum);
	if (sum->broken_seed) {
		printf("seed %" PRIu64 ": %s\n", sum->broken_seed, sum->broken);
		rc = 1;
	}
	printf("simulate: %" PRIu64 " seeds, %" PRIu64 " steps, %d violations\n", sum->seeds, sum->steps,
	       sum->broken_seed ? 1 : 0);
	return rc;
}

/* A run that ended its process, by an assertion say, has broken an invariant of its own. */
static void collect(pid_t pid, struct tally *tally)
{
	int status = 0;

	if (pid > 0 && waitpid(pid, &status, 0) == pid && status == 0)
		return;
	tally->broken_seed = tally->at ? tally->at : 1;
	snprintf(tally->broken, sizeof(tally->broken), "the run ended its process: %s",
		 WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "not by a signal");
}

int batch_run(uint64_t from, uint64_t seeds, unsigned jobs)
{
	struct shared *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct tally sum = { 0 };
	pid_t pids[JOBS_MAX];
	int rc;

	if (shared == MAP_FAILED) {
		perror("simulate");
		return 1;
	}
	jobs = jobs < 1 ? 1 : jobs > JOBS_MAX ? JOBS_MAX : jobs;
	atomic_store(&shared->first_broken, UINT64_MAX);
	fflush(stdout);
	for (unsigned job = 0; job < jobs; job++) {
		pids[job] = fork();
		if (pids[job] == 0) {
			work(shared, &shared->tally[job], from + job, from + seeds, jobs);
			_exit(0);
		}
	}
	for (unsigned job = 0; job < jobs; job++) {
		collect(pids[job], &shared->tally[job]);
		add(&sum, &shared->tally[job]);
	}
	rc = report(&sum);
	munmap(shared, sizeof(*shared));
	return rc;
}
