/* SPDX-License-Identifier: MIT */
/* What threads tell each other: events to the control thread, log lines to the caller. */
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "session/session.h"

void session_signal(int event_fd)
{
	const int before = errno; /* it may be a signal handler that calls */
	uint64_t one = 1;
	ssize_t rc = write(event_fd, &one, sizeof(one));

	(void)rc; /* full means that it is readable, which is all that is wanted */
	errno = before;
}

void session_drain(int event_fd)
{
	uint64_t count;
	ssize_t rc = read(event_fd, &count, sizeof(count));

	(void)rc; /* empty is fine */
}

void session_notify(struct vfiomig_session *session)
{
	session_signal(session->notify_fd);
}

const char *session_side(const struct vfiomig_session *session)
{
	return session->role == VFIOMIG_SOURCE ? "source" : "destination";
}

void session_post(struct vfiomig_session *session, const struct core_event *event, const struct vfiomig_error *error)
{
	struct session_events *events = &session->events;
	struct session_event *slot;

	pthread_mutex_lock(&events->lock);
	assert(events->count < EVENTS_MAX);
	slot = &events->ring[(events->head + events->count++) % EVENTS_MAX];
	slot->event = *event;
	slot->error = error ? *error : (struct vfiomig_error){ 0 };
	pthread_mutex_unlock(&events->lock);
	session_signal(events->fd);
}

void session_post_fact(struct vfiomig_session *session, enum core_fact fact)
{
	session_post(session, &(struct core_event){ .kind = CORE_FACT, .fact = fact }, NULL);
}

void session_post_failure(struct vfiomig_session *session, const struct vfiomig_error *error)
{
	session_post(session, &(struct core_event){ .kind = CORE_FAILED }, error);
}

bool session_take_event(struct vfiomig_session *session, struct session_event *event)
{
	struct session_events *events = &session->events;
	bool any;

	pthread_mutex_lock(&events->lock);
	any = events->count > 0;
	if (any) {
		*event = events->ring[events->head];
		events->head = (events->head + 1) % EVENTS_MAX;
		events->count--;
	}
	pthread_mutex_unlock(&events->lock);
	event->event.error = &event->error;
	return any;
}

static bool put_line(struct vfiomig_session *session, enum vfiomig_log_level level, const char *format, va_list args)
{
	struct session_log *line;

	if (!session->options.log)
		return false;
	pthread_mutex_lock(&session->snapshot_lock);
	if (session->log_count == LOG_LINES_MAX) {
		session->log_lost++;
	} else {
		line = &session->log[(session->log_head + session->log_count++) % LOG_LINES_MAX];
		line->level = level;
		vsnprintf(line->text, sizeof(line->text), format, args);
	}
	pthread_mutex_unlock(&session->snapshot_lock);
	return true;
}

void session_log_line(struct vfiomig_session *session, enum vfiomig_log_level level, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	if (put_line(session, level, format, args))
		session_notify(session);
	va_end(args);
}

void session_log_later(struct vfiomig_session *session, enum vfiomig_log_level level, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	session->wake_caller |= put_line(session, level, format, args);
	va_end(args);
}
