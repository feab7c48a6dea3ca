/* SPDX-License-Identifier: MIT */
/*
 * meter PORT SECONDS RECV... -- SEND...: runs rdma-vfiomig's two sides and prints the processor time that the migration took, as
 * JSON. What is measured begins when the source has sent its first bytes: until then the destination, which listens at PORT,
 * is held by SIGSTOP, and both sides' time so far (starting a program takes an emulated processor long) is left out.
 * It ends with both processes, their threads and kernel workers for io_uring included.
 * Writes recv.json, recv.err, send.json and send.err. Exit status 3: one of them did not get so far within SECONDS.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { TCP_STATE_ESTABLISHED = 1, TCP_STATE_LISTEN = 10 };

struct side {
	const char *name;
	char **words;
	pid_t pid;
	int64_t before_us, cpu_us;
	int code; /* exit status, or 128 + signal */
};

static struct side sides[] = { { .name = "recv" }, { .name = "send" } };

__attribute__((noreturn, format(printf, 1, 2))) static void die(const char *format, ...)
{
	va_list args;

	fputs("meter: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	for (int i = 0; i < 2; i++)
		if (sides[i].pid)
			kill(sides[i].pid, SIGKILL);
	exit(3);
}

static void become(const struct side *side)
{
	char json[32], err[32];
	int out, log;

	snprintf(json, sizeof(json), "%s.json", side->name);
	snprintf(err, sizeof(err), "%s.err", side->name);
	out = open(json, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	log = open(err, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	if (out < 0 || log < 0 || dup2(out, 1) < 0 || dup2(log, 2) < 0)
		_exit(126);
	execvp(side->words[0], side->words);
	_exit(127);
}

static void start(struct side *side)
{
	side->pid = fork();
	if (side->pid < 0)
		die("fork: %s", strerror(errno));
	if (!side->pid)
		become(side);
}

/* Is there a socket at local @port in @state, with at least @bytes that nobody has taken? */
static bool socket_there(const char *file, unsigned port, unsigned state, unsigned bytes)
{
	FILE *list = fopen(file, "r");
	char line[512], local[64];
	unsigned is, queued;
	bool found = false;

	while (list && !found && fgets(line, sizeof(line), list)) {
		const char *colon;

		if (sscanf(line, " %*d: %63s %*s %x %*x:%x", local, &is, &queued) != 3)
			continue;
		colon = strrchr(local, ':');
		found = colon && strtoul(colon + 1, NULL, 16) == port && is == state && queued >= bytes;
	}
	if (list)
		fclose(list);
	return found;
}

/* @side has ended if it does not get there; it is waited for again later. */
static void wait_socket(const struct side *side, unsigned port, unsigned state, unsigned bytes)
{
	const struct timespec pause = { .tv_nsec = 5000000 };
	siginfo_t end = { 0 };

	while (!socket_there("/proc/net/tcp", port, state, bytes) &&
	       !socket_there("/proc/net/tcp6", port, state, bytes)) {
		if (waitid(P_PID, (id_t)side->pid, &end, WEXITED | WNOHANG | WNOWAIT) || end.si_pid)
			die("%s ended too early", side->name);
		nanosleep(&pause, NULL);
	}
}

static int64_t cpu_us(pid_t pid)
{
	struct timespec used;
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &used))
		die("no processor time of process %ld", (long)pid);
	return (int64_t)used.tv_sec * 1000000 + used.tv_nsec / 1000;
}

static int64_t timeval_us(struct timeval value)
{
	return (int64_t)value.tv_sec * 1000000 + value.tv_usec;
}

static void finish(struct side *side)
{
	struct rusage usage;
	int status;

	if (wait4(side->pid, &status, 0, &usage) < 0)
		die("wait4: %s", strerror(errno));
	side->pid = 0;
	side->code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	side->cpu_us = timeval_us(usage.ru_utime) + timeval_us(usage.ru_stime) - side->before_us;
}

static void out_of_time(int signal)
{
	(void)signal;
	for (int i = 0; i < 2; i++)
		if (sides[i].pid)
			kill(sides[i].pid, SIGKILL);
	_exit(3);
}

int main(int argc, char **argv)
{
	struct side *recv = &sides[0], *send = &sides[1];
	unsigned port;
	int i = 3;

	while (i < argc && strcmp(argv[i], "--"))
		i++;
	if (i < 4 || i + 1 >= argc) {
		fprintf(stderr, "usage: meter PORT SECONDS RECV... -- SEND...\n");
		return 2;
	}
	argv[i] = NULL;
	recv->words = argv + 3;
	send->words = argv + i + 1;
	port = (unsigned)atoi(argv[1]);
	signal(SIGALRM, out_of_time);
	alarm((unsigned)atoi(argv[2]));
	start(recv);
	wait_socket(recv, port, TCP_STATE_LISTEN, 0);
	kill(recv->pid, SIGSTOP);
	recv->before_us = cpu_us(recv->pid);
	start(send);
	wait_socket(send, port, TCP_STATE_ESTABLISHED, 1);
	send->before_us = cpu_us(send->pid);
	kill(recv->pid, SIGCONT);
	finish(send);
	finish(recv);
	printf("{\"cpu_us\": %lld, \"cpu_source_us\": %lld, \"cpu_destination_us\": %lld, \"send_code\": %d, "
	       "\"recv_code\": %d}\n",
	       (long long)(send->cpu_us + recv->cpu_us), (long long)send->cpu_us, (long long)recv->cpu_us, send->code,
	       recv->code);
	return 0;
}
