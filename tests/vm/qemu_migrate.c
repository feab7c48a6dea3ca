/* SPDX-License-Identifier: MIT */
/*
 * qemu_migrate CHANNELS SOURCE-SOCKET SOURCE-PID DESTINATION-SOCKET DESTINATION-PID: lets one QEMU migrate to another, both of
 * them already started (the source with -S, the destination with -incoming defer), over TCP on loopback; CHANNELS 0 is without
 * multifd. Prints QEMU's own downtime and the processor time of both from the command to migrate until the
 * destination runs, as JSON, and ends both. Exit status 1: the migration failed, 3: anything else.
 */
#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static const char uri[] = "tcp:127.0.0.1:4444";

struct vmm {
	const char *name;
	pid_t pid;
	FILE *in;
	FILE *out;
	bool resumed;	 /* it has said RESUME */
	char status[32]; /* of its migration, as last said */
};

__attribute__((noreturn, format(printf, 1, 2))) static void die(const char *format, ...)
{
	va_list args;

	fputs("qemu_migrate: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(3);
}

static void note_event(struct vmm *vmm, json_t *message)
{
	const char *event = json_string_value(json_object_get(message, "event"));
	const char *status = json_string_value(json_object_get(json_object_get(message, "data"), "status"));

	vmm->resumed |= !strcmp(event, "RESUME");
	if (!strcmp(event, "MIGRATION") && status)
		snprintf(vmm->status, sizeof(vmm->status), "%s", status);
}

/* One message, which may be an event: these are noted. The caller's reference. */
static json_t *hear(struct vmm *vmm)
{
	char *line = NULL;
	size_t room = 0;
	json_t *message;

	if (getline(&line, &room, vmm->in) < 0)
		die("the %s went away", vmm->name);
	message = json_loads(line, 0, NULL);
	if (!message)
		die("the %s said: %s", vmm->name, line);
	free(line);
	if (json_object_get(message, "event"))
		note_event(vmm, message);
	return message;
}

/* Steals @arguments, which may be NULL; the answer is the caller's reference. */
static json_t *command(struct vmm *vmm, const char *name, json_t *arguments)
{
	json_t *request = json_pack("{ss so*}", "execute", name, "arguments", arguments), *message, *answer;
	char *text = json_dumps(request, 0);

	fprintf(vmm->out, "%s\n", text);
	fflush(vmm->out);
	free(text);
	json_decref(request);
	for (;;) {
		message = hear(vmm);
		if (json_object_get(message, "error"))
			die("%s at the %s: %s", name, vmm->name,
			    json_string_value(json_object_get(json_object_get(message, "error"), "desc")));
		answer = json_incref(json_object_get(message, "return"));
		json_decref(message);
		if (answer)
			return answer;
	}
}

static void order(struct vmm *vmm, const char *name, json_t *arguments)
{
	json_decref(command(vmm, name, arguments));
}

/* A QEMU that has just been started makes its socket when it gets to it. */
static void meet(struct vmm *vmm, const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const struct timespec pause = { .tv_nsec = 20000000 };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	if (fd < 0 || strlen(path) >= sizeof(address.sun_path))
		die("no socket %s", path);
	strcpy(address.sun_path, path);
	while (connect(fd, (struct sockaddr *)&address, sizeof(address))) {
		if (kill(vmm->pid, 0))
			die("the %s ended before it could be talked to", vmm->name);
		nanosleep(&pause, NULL);
	}
	vmm->in = fdopen(fd, "r");
	vmm->out = fdopen(dup(fd), "w");
	if (!vmm->in || !vmm->out)
		die("fdopen: %s", strerror(errno));
	json_decref(hear(vmm)); /* its greeting */
	order(vmm, "qmp_capabilities", NULL);
}

static json_t *capability(const char *name, bool on)
{
	return json_pack("{ss sb}", "capability", name, "state", on);
}

/* Without a bandwidth of our own QEMU extrapolates from the little RAM it has sent, and never stops for a large state. */
static void set_up(struct vmm *vmm, int channels)
{
	const json_int_t unlimited = (json_int_t)1 << 40;
	json_t *parameters = json_pack("{sI sI si}", "max-bandwidth", unlimited, "avail-switchover-bandwidth",
				       unlimited, "downtime-limit", 600000);

	order(vmm, "migrate-set-capabilities",
	      json_pack("{s[ooo]}", "capabilities", capability("events", true), capability("return-path", true),
			capability("multifd", channels > 0)));
	if (channels)
		json_object_set_new(parameters, "multifd-channels", json_integer(channels));
	order(vmm, "migrate-set-parameters", parameters);
}

/* All threads of that process, those that have ended as well. */
static int64_t cpu_us(const struct vmm *vmm)
{
	struct timespec used;
	clockid_t clock;

	if (clock_getcpuclockid(vmm->pid, &clock) || clock_gettime(clock, &used))
		die("no processor time of process %ld", (long)vmm->pid);
	return (int64_t)used.tv_sec * 1000000 + used.tv_nsec / 1000;
}

static bool over(const struct vmm *vmm)
{
	return !strcmp(vmm->status, "completed") || !strcmp(vmm->status, "failed") || !strcmp(vmm->status, "cancelled");
}

/* Until both say that it is over and the destination runs; or it failed. */
static bool migrate(struct vmm *source, struct vmm *destination)
{
	order(source, "migrate", json_pack("{ss}", "uri", uri));
	while (!over(source))
		json_decref(hear(source));
	if (strcmp(source->status, "completed"))
		return false;
	while (!destination->resumed && strcmp(destination->status, "failed"))
		json_decref(hear(destination));
	return destination->resumed;
}

static int64_t number(json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

static void report(json_t *info, int64_t cpu_source, int64_t cpu_destination)
{
	json_t *ram = json_object_get(info, "ram"), *vfio = json_object_get(info, "vfio");
	json_t *line = json_pack("{sI sI sI sI sI sI sI}", "downtime_us", 1000 * number(info, "downtime"), "cpu_us",
				 cpu_source + cpu_destination, "cpu_source_us", cpu_source, "cpu_destination_us",
				 cpu_destination, "total_us", 1000 * number(info, "total-time"), "ram_bytes",
				 number(ram, "transferred"), "vfio_bytes", number(vfio, "transferred"));

	json_dumpf(line, stdout, 0);
	putchar('\n');
	json_decref(line);
}

int main(int argc, char **argv)
{
	struct vmm source = { .name = "source" }, destination = { .name = "destination" };
	int64_t cpu_source, cpu_destination;
	json_t *info;
	int channels;

	if (argc != 6) {
		fprintf(stderr,
			"usage: qemu_migrate CHANNELS SOURCE-SOCKET SOURCE-PID DESTINATION-SOCKET DESTINATION-PID\n");
		return 2;
	}
	channels = atoi(argv[1]);
	source.pid = atoi(argv[3]);
	destination.pid = atoi(argv[5]);
	meet(&source, argv[2]);
	meet(&destination, argv[4]);
	set_up(&source, channels);
	set_up(&destination, channels);
	order(&source, "cont", NULL);
	order(&destination, "migrate-incoming", json_pack("{ss}", "uri", uri));
	cpu_source = cpu_us(&source);
	cpu_destination = cpu_us(&destination);
	if (!migrate(&source, &destination)) {
		info = command(&source, "query-migrate", NULL);
		json_dumpf(info, stderr, 0);
		return 1;
	}
	cpu_source = cpu_us(&source) - cpu_source;
	cpu_destination = cpu_us(&destination) - cpu_destination;
	info = command(&source, "query-migrate", NULL);
	report(info, cpu_source, cpu_destination);
	json_decref(info);
	order(&source, "quit", NULL);
	order(&destination, "quit", NULL);
	return 0;
}
