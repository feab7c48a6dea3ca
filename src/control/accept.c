/* SPDX-License-Identifier: MIT */
/*
 * The table of connections that have not said yet what they are. One of another version is told ours before it goes:
 * it stays in the table until it has hung up, because a close with its bytes unread would destroy the answer.
 */
#include "control/accept.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/peer_user.h"
#include "control/listener.h"
#include "wire/hello.h"

enum {
	ACCEPT_BATCH_MAX = 64, /* connections taken in one poll, so that a flood does not hold the control thread */
	ACCEPT_PAUSE_MS = 100, /* without descriptors left */
	LISTENER_TAG = ACCEPT_PENDING_MAX,
};

struct pending {
	int fd; /* owned; -1: free */
	uint64_t deadline_ns;
	uint8_t preface[PREFACE_BYTES];
	size_t got_bytes;
	bool leaving; /* has its answer; only its end is awaited */
};

struct control_accept {
	int epoll_fd; /* owned; the tag of an entry is its place in the table */
	int listener;
	uint64_t preface_ns;
	unsigned refused;
	uint64_t resume_ns; /* the listener is left alone until then; 0: it is not */
	struct pending pending[ACCEPT_PENDING_MAX];
};

static int accept_watch(struct control_accept *accept, int fd, unsigned tag)
{
	struct epoll_event event = { .events = EPOLLIN, .data = { .u32 = tag } };

	return epoll_ctl(accept->epoll_fd, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

int control_accept_open(struct control_accept **out, const struct vfiomig_listener *listener, unsigned preface_ms,
			struct vfiomig_error *err)
{
	struct control_accept *accept = calloc(1, sizeof(*accept));
	int result;

	*out = NULL;
	if (!accept)
		return error_set(err, VFIOMIG_INTERNAL, ENOMEM, NULL, "no memory to accept connections");
	for (unsigned i = 0; i < ACCEPT_PENDING_MAX; i++)
		accept->pending[i].fd = -1;
	accept->listener = listener_fd(listener);
	accept->preface_ns = preface_ms * NS_PER_MS;
	accept->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	result = accept->epoll_fd < 0 ? -errno : accept_watch(accept, accept->listener, LISTENER_TAG);
	if (result) {
		control_accept_close(accept);
		return error_set(err, VFIOMIG_FABRIC, -result, NULL, "cannot watch the listener: %s",
				 strerror(-result));
	}
	*out = accept;
	return 0;
}

int control_accept_fd(const struct control_accept *accept)
{
	return accept->epoll_fd;
}

static void pending_drop(struct pending *pending)
{
	if (pending->fd >= 0)
		close(pending->fd);
	*pending = (struct pending){ .fd = -1 };
}

/* A free place, or the longest waiting one's. */
static unsigned pending_place(struct control_accept *accept)
{
	unsigned oldest = 0;

	for (unsigned i = 0; i < ACCEPT_PENDING_MAX; i++) {
		if (accept->pending[i].fd < 0)
			return i;
		if (accept->pending[i].deadline_ns < accept->pending[oldest].deadline_ns)
			oldest = i;
	}
	return oldest;
}

static void accept_enter(struct control_accept *accept, int fd, uint64_t now_ns)
{
	unsigned place = pending_place(accept);

	pending_drop(&accept->pending[place]);
	accept->pending[place] = (struct pending){ .fd = fd, .deadline_ns = now_ns + accept->preface_ns };
	if (accept_watch(accept, fd, place))
		pending_drop(&accept->pending[place]);
}

/* The listener stays readable while the process has no descriptor for the next one: look away for a moment. */
static void accept_pause(struct control_accept *accept, uint64_t now_ns)
{
	epoll_ctl(accept->epoll_fd, EPOLL_CTL_DEL, accept->listener, NULL);
	accept->resume_ns = now_ns + ACCEPT_PAUSE_MS * NS_PER_MS;
}

static bool accept_exhausted(int errnum)
{
	return errnum == EMFILE || errnum == ENFILE || errnum == ENOBUFS || errnum == ENOMEM;
}

static void accept_take(struct control_accept *accept, uint64_t now_ns)
{
	for (unsigned i = 0; i < ACCEPT_BATCH_MAX; i++) {
		int fd = accept4(accept->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0 && !peer_user_trusted(fd)) {
			accept->refused++;
			close(fd);
		} else if (fd >= 0) {
			accept_enter(accept, fd, now_ns);
		} else if (accept_exhausted(errno)) {
			accept_pause(accept, now_ns);
			return;
		} else if (errno == EAGAIN) {
			return;
		}
		/* Anything else was that one connection's misfortune. */
	}
}

static void accept_resume(struct control_accept *accept, uint64_t now_ns)
{
	if (accept->resume_ns == 0 || now_ns < accept->resume_ns)
		return;
	accept->resume_ns = 0;
	if (accept_watch(accept, accept->listener, LISTENER_TAG))
		accept_pause(accept, now_ns);
}

static void pending_dismiss(struct pending *pending)
{
	const struct preface ours = { .version = WIRE_VERSION, .kind = PREFACE_CONTROL };
	uint8_t answer[PREFACE_BYTES];

	preface_encode(answer, &ours);
	(void)!send(pending->fd, answer, sizeof(answer), MSG_NOSIGNAL);
	shutdown(pending->fd, SHUT_WR);
	pending->leaving = true;
}

static void pending_await_end(struct pending *pending)
{
	uint8_t waste[256];
	ssize_t got = recv(pending->fd, waste, sizeof(waste), 0);

	if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
		pending_drop(pending);
}

static bool accept_knows(uint16_t kind)
{
	return kind == PREFACE_CONTROL || kind == PREFACE_CONTROL_TLS || kind == PREFACE_LANE;
}

/* 1: @pending has said what it is, and its descriptor is @guest's. */
static int pending_read(struct control_accept *accept, struct pending *pending, struct control_guest *guest)
{
	ssize_t got = recv(pending->fd, pending->preface + pending->got_bytes, PREFACE_BYTES - pending->got_bytes, 0);
	struct preface preface;
	int result;

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (got > 0)
		pending->got_bytes += (size_t)got;
	if (got > 0 && pending->got_bytes < PREFACE_BYTES)
		return 0;
	result = got > 0 ? preface_decode(&preface, pending->preface) : -EPIPE;
	if (result == -EPROTONOSUPPORT) {
		pending_dismiss(pending);
		return 0;
	}
	if (result || (!accept_knows(preface.kind))) {
		pending_drop(pending);
		return 0;
	}
	epoll_ctl(accept->epoll_fd, EPOLL_CTL_DEL, pending->fd, NULL);
	*guest = (struct control_guest){ .kind = preface.kind, .fd = pending->fd };
	pending->fd = -1;
	return 1;
}

static int accept_serve(struct control_accept *accept, unsigned tag, uint64_t now_ns, struct control_guest *guest)
{
	struct pending *pending;

	if (tag == LISTENER_TAG) {
		accept_take(accept, now_ns);
		return 0;
	}
	pending = &accept->pending[tag];
	if (pending->leaving)
		pending_await_end(pending);
	else if (pending->fd >= 0)
		return pending_read(accept, pending, guest);
	return 0;
}

static void accept_expire(struct control_accept *accept, uint64_t now_ns)
{
	for (unsigned i = 0; i < ACCEPT_PENDING_MAX; i++)
		if (accept->pending[i].fd >= 0 && accept->pending[i].deadline_ns <= now_ns)
			pending_drop(&accept->pending[i]);
}

int control_accept_poll(struct control_accept *accept, uint64_t now_ns, struct control_guest *guest)
{
	struct epoll_event event;

	accept_resume(accept, now_ns);
	accept_expire(accept, now_ns);
	/* One at a time: serving one can free the place, and so change the meaning, of another's tag. */
	for (unsigned i = 0; i < 2 * ACCEPT_PENDING_MAX; i++) {
		if (epoll_wait(accept->epoll_fd, &event, 1, 0) != 1)
			return 0;
		if (accept_serve(accept, event.data.u32, now_ns, guest))
			return 1;
	}
	return 0;
}

uint64_t control_accept_deadline_ns(const struct control_accept *accept)
{
	uint64_t earliest_ns = accept->resume_ns ? accept->resume_ns : UINT64_MAX;

	for (unsigned i = 0; i < ACCEPT_PENDING_MAX; i++)
		if (accept->pending[i].fd >= 0 && accept->pending[i].deadline_ns < earliest_ns)
			earliest_ns = accept->pending[i].deadline_ns;
	return earliest_ns;
}

unsigned control_accept_refused(const struct control_accept *accept)
{
	return accept->refused;
}

void control_accept_close(struct control_accept *accept)
{
	if (!accept)
		return;
	for (unsigned i = 0; i < ACCEPT_PENDING_MAX; i++)
		pending_drop(&accept->pending[i]);
	if (accept->epoll_fd >= 0)
		close(accept->epoll_fd);
	free(accept);
}
