/* SPDX-License-Identifier: MIT */
/* See signals.h. */
#include "signals.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "terminal.h"

static void (*answer_question)(void);

void signals_hold_questions(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

static int open_or_errno(void)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGUSR1);
	if (sigprocmask(SIG_BLOCK, &set, NULL))
		return -errno;
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

int signals_open(void)
{
	int fd = open_or_errno();

	if (fd < 0)
		terminal_say("signals cannot be waited for: %s", strerror(-fd));
	return fd;
}

void signals_on_question(void (*answer)(void))
{
	answer_question = answer;
}

bool signals_take(int fd)
{
	struct signalfd_siginfo info;

	if (read(fd, &info, sizeof(info)) != sizeof(info))
		return false;
	if (info.ssi_signo != SIGUSR1)
		return true;
	if (answer_question)
		answer_question();
	else
		terminal_say("no session is under way");
	return false;
}

bool signals_wait(int fd, int other)
{
	struct pollfd fds[] = {
		{ .fd = fd, .events = POLLIN },
		{ .fd = other, .events = POLLIN },
	};

	for (;;) {
		if (poll(fds, 2, -1) < 0)
			continue;
		if (fds[0].revents && signals_take(fd))
			return true;
		if (fds[1].revents)
			return false;
	}
}
