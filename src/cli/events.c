/* SPDX-License-Identifier: MIT */
/* See events.h. */
#include "events.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "json_value.h"
#include "options.h"
#include "sessions.h"
#include "terminal.h"

/* What a pipe takes whole or not at all. */
enum { LINE_BYTES_MAX = PIPE_BUF };

enum { TARGETS_MAX = 2, OUTLETS = TARGETS_MAX + 1 };

/* One per way out, stderr among them; fd 0 is none. */
static struct outlet {
	int fd;
	bool torn; /* what is there ends in the middle of a line */
	unsigned long lost;
} outlets[OUTLETS];

struct moment {
	uint64_t monotonic_us, wall_us;
};

static uint64_t clock_us(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static struct moment now(void)
{
	return (struct moment){ clock_us(CLOCK_MONOTONIC), clock_us(CLOCK_REALTIME) };
}

static void open_outlet(int fd)
{
	for (unsigned i = 0; i < OUTLETS; i++) {
		if (outlets[i].fd)
			continue;
		outlets[i].fd = fd;
		return;
	}
}

int events_open(const char *target)
{
	uint64_t number;
	int fd;

	if (outlets[TARGETS_MAX - 1].fd)
		return -E2BIG;
	if (!strncmp(target, "fd:", 3)) {
		if (option_read_number(target + 3, &number) || number == 0 || number > INT_MAX)
			return -EINVAL;
		fd = (int)number;
		if (fcntl(fd, F_GETFL) < 0 || (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDONLY)
			return -EBADF;
	} else {
		fd = open(target, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
		if (fd < 0)
			return -errno;
	}
	open_outlet(fd);
	return 0;
}

bool events_wanted(void)
{
	return outlets[0].fd;
}

/* A disk that is full takes the beginning of a line: what comes after that begins a new one. */
static bool put(struct outlet *outlet, const char *line, size_t bytes)
{
	struct pollfd out = { outlet->fd, POLLOUT, 0 };
	ssize_t written;

	if (poll(&out, 1, 0) != 1 || !(out.revents & POLLOUT))
		return false;
	if (outlet->torn && write(outlet->fd, "\n", 1) != 1)
		return false;
	written = write(outlet->fd, line, bytes);
	outlet->torn = written > 0 && (size_t)written < bytes;
	return written == (ssize_t)bytes;
}

static void put_lost(struct outlet *outlet)
{
	char line[160];
	struct moment at = now();
	int length = snprintf(line, sizeof(line),
			      "{\"event\":\"lost\",\"monotonic_us\":%llu,\"wall_us\":%llu,\"count\":%lu}\n",
			      (unsigned long long)at.monotonic_us, (unsigned long long)at.wall_us, outlet->lost);

	if (put(outlet, line, (size_t)length))
		outlet->lost = 0;
}

/* Takes @object, which may be NULL where memory ran out. */
static void emit(json_t *object)
{
	char line[LINE_BYTES_MAX];
	size_t bytes = object ? json_dumpb(object, line, sizeof(line) - 1, JSON_COMPACT) : 0;

	json_decref(object);
	if (bytes > 0 && bytes < sizeof(line))
		line[bytes++] = '\n';
	else
		bytes = 0;
	terminal_clear();
	for (unsigned i = 0; i < OUTLETS && outlets[i].fd; i++) {
		if (outlets[i].lost)
			put_lost(&outlets[i]);
		if (outlets[i].lost || !bytes || !put(&outlets[i], line, bytes))
			outlets[i].lost++;
	}
}

static json_t *begin(const char *event, struct moment at)
{
	json_t *object = json_object();

	json_object_set_new(object, "event", json_string(event));
	json_object_set_new(object, "monotonic_us", json_value_integer(at.monotonic_us));
	json_object_set_new(object, "wall_us", json_value_integer(at.wall_us));
	return object;
}

static json_t *begin_of(const struct migration *migration, const char *event, struct moment at,
			const uint8_t session[16])
{
	static const uint8_t none[16];
	json_t *object = begin(event, at);
	char id[33];

	json_object_set_new(object, "role", json_string(migration->role == VFIOMIG_SOURCE ? "source" : "destination"));
	if (memcmp(session, none, sizeof(none))) {
		session_format(session, id);
		json_object_set_new(object, "session", json_string(id));
	}
	return object;
}

static void log_as_event(enum terminal_level level, const char *text)
{
	json_t *object = begin("log", now());

	json_object_set_new(object, "level", json_string(terminal_level_name(level)));
	json_object_set_new(object, "text", json_value_text(text));
	emit(object);
}

void events_on_stderr(void)
{
	open_outlet(STDERR_FILENO);
	terminal_divert(log_as_event);
}

/* The destination learns the session's number from its source: until an event bears it, it has none. */
static void own_id(const struct migration *migration, uint8_t id[16])
{
	memset(id, 0, 16);
	if (migration->session && migration->role == VFIOMIG_SOURCE)
		vfiomig_session_id(migration->session, id);
}

void events_start(const struct migration *migration)
{
	json_t *object;
	uint8_t id[16];

	if (!events_wanted())
		return;
	own_id(migration, id);
	object = begin_of(migration, "start", now(), id);
	json_object_set_new(object, "pid", json_value_integer((uint64_t)getpid()));
	json_object_set_new(object, "version", json_string(vfiomig_version()));
	json_object_set_new(object, "devices", json_value_integer(migration->transfer->devices));
	emit(object);
}

void events_session(const struct migration *migration, const struct vfiomig_event *event)
{
	struct moment at = { event->monotonic_us, event->wall_us };
	json_t *object;

	if (!events_wanted())
		return;
	object = begin_of(migration, vfiomig_event_name(event->kind), at, event->session);
	json_object_set_new(object, "phase", json_string(event->phase));
	if (event->kind == VFIOMIG_EVENT_ESTIMATE)
		json_object_set_new(object, "downtime_us", json_value_integer(event->us));
	if (event->kind == VFIOMIG_EVENT_LANE_LOST || event->kind == VFIOMIG_EVENT_LANE_REPLACED)
		json_object_set_new(object, "lane", json_value_integer(event->lane));
	if (event->kind == VFIOMIG_EVENT_LANE_REPLACED)
		json_object_set_new(object, "packets", json_value_integer(event->packets));
	if (event->text[0])
		json_object_set_new(object, "text", json_value_text(event->text));
	emit(object);
}

void events_progress(const struct migration *migration, const struct vfiomig_stats *stats, uint64_t expected_bytes,
		     uint64_t bytes_per_s)
{
	json_t *object;
	uint8_t id[16];

	if (!events_wanted())
		return;
	own_id(migration, id);
	object = begin_of(migration, "progress", now(), id);
	json_object_set_new(object, "phase", json_string(stats->phase));
	json_object_set_new(object, "bytes", json_value_integer(stats->bytes));
	json_object_set_new(object, "expected_bytes", json_value_integer(expected_bytes));
	json_object_set_new(object, "bytes_per_s", json_value_integer(bytes_per_s));
	emit(object);
}

/* The session has ended, or never began: its number is nobody's to write any more. */
void events_result(const struct migration *migration)
{
	const struct vfiomig_result *result = &migration->result;
	const char *name = result->error.name[0] ? result->error.name : vfiomig_code_name(result->error.code);
	uint8_t id[16] = { 0 };
	json_t *object;

	if (!events_wanted())
		return;
	if (migration->session)
		vfiomig_session_id(migration->session, id);
	object = begin_of(migration, "result", now(), id);
	json_object_set_new(object, "code", json_value_integer(result->error.code));
	json_object_set_new(object, "name", json_value_text(name));
	json_object_set_new(object, "text", json_value_text(result->error.text));
	json_object_set_new(object, "source_state", json_string(result->source_state));
	json_object_set_new(object, "destination_state", json_string(result->destination_state));
	json_object_set_new(object, "bytes", json_value_integer(migration->stats.bytes));
	json_object_set_new(object, "downtime_us", json_value_integer(migration->stats.downtime_us));
	emit(object);
}
