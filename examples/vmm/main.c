/* SPDX-License-Identifier: MIT */
/* Both VMMs on one machine: a process each, and a socket pair between them for the network that real ones would have. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vmm.h"

static const char usage[] = "usage: vmm [OPTION...]\n"
			    "  --source SPEC --destination SPEC   their devices (sim:bytes=8M)\n"
			    "  --listen HOST:PORT                 of the destination (127.0.0.1:0)\n"
			    "  --bind HOST                        of the source\n"
			    "  --transport rdma|tcp\n"
			    "  --patience SECONDS                 with a session that is silent\n"
			    "  --no source|destination            it changes its mind when all is prepared\n"
			    "  --ask                              standard input says whether to commit: y\n"
			    "SIGUSR1 cuts a VMM's session off from the other, as a broken cable would.\n";

enum { SOURCE = 1, DESTINATION, LISTEN, BIND, TRANSPORT, PATIENCE, NO, ASK };

static const struct option options[] = { { "source", 1, NULL, SOURCE },
					 { "destination", 1, NULL, DESTINATION },
					 { "listen", 1, NULL, LISTEN },
					 { "bind", 1, NULL, BIND },
					 { "transport", 1, NULL, TRANSPORT },
					 { "patience", 1, NULL, PATIENCE },
					 { "no", 1, NULL, NO },
					 { "ask", 0, NULL, ASK },
					 { 0 } };

static bool take(struct setup *setup, int option, const char *word)
{
	switch (option) {
	case SOURCE:
		setup->source = word;
		return true;
	case DESTINATION:
		setup->destination = word;
		return true;
	case LISTEN:
		setup->listen = word;
		return true;
	case BIND:
		setup->bind = word;
		return true;
	case TRANSPORT:
		setup->transport = strcmp(word, "rdma") ? VFIOMIG_TRANSPORT_TCP : VFIOMIG_TRANSPORT_RDMA;
		return !strcmp(word, "rdma") || !strcmp(word, "tcp");
	case PATIENCE:
		setup->patience_ms = (unsigned)strtoul(word, NULL, 10) * 1000;
		return setup->patience_ms > 0;
	case NO:
		*(strcmp(word, "source") ? &setup->destination_says_no : &setup->source_says_no) = true;
		return !strcmp(word, "source") || !strcmp(word, "destination");
	case ASK:
		setup->ask = true;
		return true;
	default:
		return false;
	}
}

/* An inherited device stays open as long as any process has it: the other VMM's is none of this one's. */
static void leave(const char *spec)
{
	int fd;

	if (sscanf(spec, "vfio:fd=%d", &fd) == 1)
		close(fd);
}

int main(int count, char **arguments)
{
	struct setup setup = { .source = "sim:bytes=8M", .destination = "sim:bytes=8M", .listen = "127.0.0.1:0" };
	int pair[2], option, code;
	pid_t child;

	while ((option = getopt_long(count, arguments, "", options, NULL)) != -1) {
		if (!take(&setup, option, optarg)) {
			fputs(usage, stderr);
			return 2;
		}
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	/* Before a session: RDMA's memory and a fork do not go together. */
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) || (child = fork()) < 0) {
		perror("vmm");
		return 2;
	}
	close(pair[child ? 0 : 1]);
	leave(child ? setup.destination : setup.source);
	if (child == 0)
		return vmm_migrate(&setup, false, pair[0]);
	code = vmm_migrate(&setup, true, pair[1]);
	waitpid(child, NULL, 0);
	return code;
}
