/* SPDX-License-Identifier: MIT */
/* rdma-vfiomig: the table of commands, from which the usage is printed and one of which is run. */
#include <argp.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <vfiomig/vfiomig.h>

#include "command.h"
#include "privileges.h"
#include "signals.h"
#include "terminal.h"

static const struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *sentence;
} commands[] = {
	{ "recv", recv_main, "wait for a migration and load it into devices of this machine" },
	{ "send", send_main, "migrate devices of this machine to a receiver" },
	{ "probe", probe_main, "estimate the downtime of a migration to a receiver, without stopping anything" },
	{ "devices", devices_main, "list the RDMA and VFIO devices of this machine and what each can do" },
	{ "doctor", doctor_main, "examine this machine: what would keep a migration from working, and what mends it" },
	{ "status", status_main, "list the sessions of this machine that have not ended on both sides" },
	{ "resolve", resolve_main, "decide which side of a session in doubt has the devices" },
	{ "dump", dump_main, "show what a recording has in it, or what differs between two" },
	{ "demo", demo_main, "run both ends here, with simulated devices" },
};

enum { COMMANDS = sizeof(commands) / sizeof(*commands) };

static void print_usage(FILE *out)
{
	fputs("Usage: rdma-vfiomig COMMAND [OPTION...]\n"
	      "Carry the migration state of VFIO devices to another host, by RDMA or TCP.\n\n",
	      out);
	for (unsigned i = 0; i < COMMANDS; i++)
		fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].sentence);
	fputs("\n"
	      "  --help, --version\n"
	      "\n"
	      "What each command takes: rdma-vfiomig COMMAND --help\n"
	      "\n"
	      "Try it on one machine:\n"
	      "  rdma-vfiomig demo\n"
	      "Move a function of a network card; on the destination first, then on the source:\n"
	      "  rdma-vfiomig recv --listen :7000 --psk-file key.psk --device vfio:0000:3b:00.2 --once\n"
	      "  rdma-vfiomig send --to HOST:7000 --psk-file key.psk --device vfio:0000:3b:00.2 --qps 8\n",
	      out);
}

static void print_version(FILE *out, struct argp_state *state)
{
	(void)state;
	fprintf(out, "rdma-vfiomig %s (library %s)\n", VFIOMIG_VERSION, vfiomig_version());
}

/*
 * One that was closed before us would be the next file's number: what is said on stderr would go into a device. What takes its place is
 * open the wrong way round, so that reading and writing fail as they would have.
 */
static int fill_standard_descriptors(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
			return -1;
	return 0;
}

static int run(const struct command *command, int argc, char **argv)
{
	char name[64];

	/* argp speaks in the name of argv[0]. */
	snprintf(name, sizeof(name), "rdma-vfiomig %s", command->name);
	argv[0] = name;
	return command->run(argc, argv);
}

int main(int argc, char **argv)
{
	const char *word = argc > 1 ? argv[1] : "";

	if (fill_standard_descriptors())
		return VFIOMIG_INTERNAL; /* and nowhere to say so */
	signals_hold_questions();
	privileges_bind();
	argp_err_exit_status = VFIOMIG_USAGE;
	argp_program_version_hook = print_version;
	/* A reader of our output that goes away, or a file that may grow no more, is an error of write, not our end: devices may be held. */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	for (unsigned i = 0; i < COMMANDS; i++)
		if (!strcmp(word, commands[i].name))
			return run(&commands[i], argc - 1, argv + 1);
	if (!strcmp(word, "--help") || !strcmp(word, "-h") || !strcmp(word, "help")) {
		print_usage(stdout);
		return VFIOMIG_OK;
	}
	if (!strcmp(word, "--version") || !strcmp(word, "-V")) {
		print_version(stdout, NULL);
		return VFIOMIG_OK;
	}
	if (*word)
		terminal_say("%s: no such command", word);
	print_usage(stderr);
	return VFIOMIG_USAGE;
}
