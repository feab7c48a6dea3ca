/* SPDX-License-Identifier: MIT */
/* See keep.h. */
#include "keep.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "signals.h"
#include "terminal.h"

extern char **environ;

enum keep keep_decide(enum keep wish, const struct transfer_options *transfer)
{
	if (wish != KEEP_DEFAULT)
		return wish;
	for (unsigned i = 0; i < transfer->devices; i++)
		if (transfer_spec_is_vfio(transfer->specs[i]))
			return KEEP_HOLD;
	return KEEP_CLOSE;
}

void keep_hold(const struct migration *migration, int signals)
{
	unsigned count = migration->devices_open;

	terminal_say("holding %u device%s until SIGTERM or SIGINT", count, count == 1 ? "" : "s");
	signals_wait(signals, -1);
}

/* The command starts with the signals that this program has blocked for itself unblocked, and those that it ignores in force. */
static int spawn(pid_t *pid, const char *command)
{
	char *const argv[] = { (char[]){ "sh" }, (char[]){ "-c" }, (char *)(uintptr_t)command, NULL };
	posix_spawnattr_t attributes;
	sigset_t none, ignored;
	int rc;

	sigemptyset(&none);
	sigemptyset(&ignored);
	sigaddset(&ignored, SIGPIPE);
	sigaddset(&ignored, SIGXFSZ);
	rc = posix_spawnattr_init(&attributes);
	if (rc)
		return -rc;
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &ignored);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	rc = posix_spawn(pid, "/bin/sh", NULL, &attributes, argv, environ);
	posix_spawnattr_destroy(&attributes);
	return -rc;
}

static void wait_for(pid_t pid, int signals)
{
	int fd = pidfd_open(pid, 0);

	/* Without a pidfd the signals wait until the command has ended by itself. */
	if (fd < 0)
		return;
	while (signals_wait(signals, fd))
		kill(pid, SIGTERM);
	close(fd);
}

int keep_exec(const char *command, int signals)
{
	pid_t pid;
	int status = 0, rc = spawn(&pid, command);

	if (rc) {
		terminal_say("%s: could not be started: %s; the devices are closed", command, strerror(-rc));
		return rc;
	}
	wait_for(pid, signals);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		return 0;
	if (WIFSIGNALED(status))
		terminal_say("%s: ended by signal %d; the devices are closed", command, WTERMSIG(status));
	else
		terminal_say("%s: ended with status %d; the devices are closed", command, WEXITSTATUS(status));
	return -ECHILD;
}
