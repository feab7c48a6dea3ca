/* SPDX-License-Identifier: MIT */
/* vfiomig-bench: what the library costs, measured beside something simpler. */
#include <argp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <vfiomig/vfiomig.h>

#include "compare.h"
#include "downtime.h"
#include "throughput.h"

static const struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *sentence;
} commands[] = {
	{ "throughput", throughput_main, "a stream in memory over TCP loopback, beside a bare copy loop" },
	{ "downtime", downtime_main, "a matrix of migrations, beside the parts of the way and a sequential one" },
	{ "compare", compare_main, "two files of samples: what became faster, what slower" },
};

enum { COMMANDS = sizeof(commands) / sizeof(*commands) };

static void print_usage(FILE *out)
{
	fputs("Usage: vfiomig-bench COMMAND [OPTION...]\n\n", out);
	for (unsigned i = 0; i < COMMANDS; i++)
		fprintf(out, "  %-12s %s\n", commands[i].name, commands[i].sentence);
	fputs("\n  --help, --version\n\nWhat each command takes and measures: vfiomig-bench COMMAND --help\n", out);
}

static int run(const struct command *command, int argc, char **argv)
{
	char name[64];

	snprintf(name, sizeof(name), "vfiomig-bench %s", command->name);
	argv[0] = name;
	return command->run(argc, argv);
}

int main(int argc, char **argv)
{
	const char *word = argc > 1 ? argv[1] : "";

	argp_err_exit_status = VFIOMIG_USAGE;
	signal(SIGPIPE, SIG_IGN);
	for (unsigned i = 0; i < COMMANDS; i++)
		if (!strcmp(word, commands[i].name))
			return run(&commands[i], argc - 1, argv + 1);
	if (!strcmp(word, "--help")) {
		print_usage(stdout);
		return VFIOMIG_OK;
	}
	if (!strcmp(word, "--version")) {
		printf("vfiomig-bench %s (library %s)\n", VFIOMIG_VERSION, vfiomig_version());
		return VFIOMIG_OK;
	}
	if (*word)
		fprintf(stderr, "vfiomig-bench: %s: no such command\n", word);
	print_usage(stderr);
	return VFIOMIG_USAGE;
}
