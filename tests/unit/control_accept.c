/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "control/accept.h"
#include "control/address.h"
#include "control/listener.h"
#include "wire/hello.h"

enum { PREFACE_MS = 1000 };

static struct control_accept *open_accept(struct vfiomig_listener **listener)
{
	struct control_accept *accept;

	cr_assert_eq(vfiomig_listener_open(listener, "127.0.0.1:0", NULL), 0);
	cr_assert_eq(control_accept_open(&accept, *listener, PREFACE_MS, NULL), 0);
	return accept;
}

static int dial(const struct vfiomig_listener *listener)
{
	struct sockaddr_storage address;
	socklen_t bytes;
	int fd;

	cr_assert_eq(address_resolve(vfiomig_listener_address(listener), false, &address, &bytes, NULL), 0);
	fd = socket(address.ss_family, SOCK_STREAM, 0);
	cr_assert_eq(connect(fd, (struct sockaddr *)&address, bytes), 0);
	return fd;
}

static void write_preface(int fd, uint16_t version, uint16_t kind)
{
	const struct preface preface = { version, kind };
	uint8_t bytes[PREFACE_BYTES];

	preface_encode(bytes, &preface);
	cr_assert_eq(send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL), PREFACE_BYTES);
}

/* A byte of @fd, or its end; -1 if neither comes within ten seconds. */
static ssize_t recv_soon(int fd, uint8_t *byte)
{
	struct pollfd ready = { .fd = fd, .events = POLLIN };

	return poll(&ready, 1, 10000) == 1 ? recv(fd, byte, 1, 0) : -1;
}

/* Serve until somebody comes. */
static struct control_guest next_guest(struct control_accept *accept)
{
	struct pollfd fd = { .fd = control_accept_fd(accept), .events = POLLIN };
	struct control_guest guest;

	while (!control_accept_poll(accept, 0, &guest))
		cr_assert_eq(poll(&fd, 1, 10000), 1);
	return guest;
}

/* Serve until @fd has its end; whatever comes before that is left in @got. Returns how many bytes came. */
static size_t serve_until_closed(struct control_accept *accept, int fd, uint8_t *got, size_t max)
{
	struct control_guest guest;
	size_t bytes = 0;
	ssize_t now;

	do {
		struct pollfd fds[2] = { { .fd = control_accept_fd(accept), .events = POLLIN },
					 { .fd = fd, .events = POLLIN } };

		cr_assert_gt(poll(fds, 2, 10000), 0);
		cr_assert_eq(control_accept_poll(accept, 0, &guest), 0);
		now = recv(fd, got + bytes, max - bytes, MSG_DONTWAIT);
		if (now > 0)
			bytes += (size_t)now;
	} while (now > 0 || (now < 0 && errno == EAGAIN));
	return bytes;
}

Test(accept, tells_control_from_lane)
{
	struct vfiomig_listener *listener;
	struct control_accept *accept = open_accept(&listener);
	static const uint16_t kinds[] = { PREFACE_CONTROL, PREFACE_LANE, PREFACE_CONTROL_TLS };

	for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		int fd = dial(listener);
		struct control_guest guest;
		uint8_t byte;

		write_preface(fd, WIRE_VERSION, kinds[i]);
		cr_assert_eq(send(fd, "x", 1, 0), 1);
		guest = next_guest(accept);
		cr_assert_eq(guest.kind, kinds[i]);
		while (recv(guest.fd, &byte, 1, 0) != 1)
			cr_assert_eq(errno, EAGAIN);
		cr_assert_eq(byte, 'x', "more than the preface was taken");
		close(guest.fd);
		close(fd);
	}
	control_accept_close(accept);
	vfiomig_listener_close(listener);
}

Test(accept, a_preface_may_come_byte_by_byte)
{
	const struct preface preface = { WIRE_VERSION, PREFACE_LANE };
	struct vfiomig_listener *listener;
	struct control_accept *accept = open_accept(&listener);
	struct control_guest guest;
	uint8_t bytes[PREFACE_BYTES];
	int fd = dial(listener);

	preface_encode(bytes, &preface);
	for (unsigned i = 0; i < PREFACE_BYTES - 1; i++) {
		cr_assert_eq(send(fd, bytes + i, 1, 0), 1);
		cr_assert_eq(control_accept_poll(accept, 0, &guest), 0);
	}
	cr_assert_eq(send(fd, bytes + PREFACE_BYTES - 1, 1, 0), 1);
	guest = next_guest(accept);
	cr_assert_eq(guest.kind, PREFACE_LANE);
	close(guest.fd);
	close(fd);
	control_accept_close(accept);
	vfiomig_listener_close(listener);
}

Test(accept, garbage_is_closed_without_an_answer)
{
	struct vfiomig_listener *listener;
	struct control_accept *accept = open_accept(&listener);
	uint8_t got[64];
	int fd = dial(listener);

	cr_assert_eq(send(fd, "GET / HT", 8, 0), 8);
	cr_assert_eq(serve_until_closed(accept, fd, got, sizeof(got)), 0);
	close(fd);
	control_accept_close(accept);
	vfiomig_listener_close(listener);
}

Test(accept, a_kind_that_nobody_begins_with_is_closed)
{
	struct vfiomig_listener *listener;
	struct control_accept *accept = open_accept(&listener);
	uint8_t got[64];
	int fd = dial(listener);

	write_preface(fd, WIRE_VERSION, PREFACE_BUSY);
	cr_assert_eq(serve_until_closed(accept, fd, got, sizeof(got)), 0);
	close(fd);
	control_accept_close(accept);
	vfiomig_listener_close(listener);
}

Test(accept, another_version_is_told_ours_even_if_it_goes_on_talking)
{
	struct vfiomig_listener *listener;
	struct control_accept *accept = open_accept(&listener);
	struct preface preface;
	uint8_t got[64];
	int fd = dial(listener);

	write_preface(fd, WIRE_VERSION + 1, PREFACE_CONTROL);
	cr_assert_eq(send(fd, "and more that is never read", 27, 0), 27);
	cr_assert_eq(serve_until_closed(accept, fd, got, sizeof(got)), PREFACE_BYTES);
	cr_assert_eq(preface_decode(&preface, got), 0);
	close(fd);
	control_accept_close(accept);
	vfiomig_listener_close(listener);
}

Test(accept, a_silent_stranger_is_dropped_in_time)
{
	struct vfiomig_listener *listener;
	struct control_accept *accept = open_accept(&listener);
	struct pollfd ready = { .fd = control_accept_fd(accept), .events = POLLIN };
	struct control_guest guest;
	uint8_t byte;
	int fd = dial(listener);

	cr_assert_eq(control_accept_deadline_ns(accept), UINT64_MAX);
	cr_assert_eq(poll(&ready, 1, 10000), 1);
	cr_assert_eq(control_accept_poll(accept, 5, &guest), 0);
	cr_assert_eq(control_accept_deadline_ns(accept), 5 + PREFACE_MS * NS_PER_MS);
	cr_assert_eq(control_accept_poll(accept, 4 + PREFACE_MS * NS_PER_MS, &guest), 0);
	cr_assert_eq(recv(fd, &byte, 1, MSG_DONTWAIT), -1);
	cr_assert_eq(control_accept_poll(accept, 5 + PREFACE_MS * NS_PER_MS, &guest), 0);
	cr_assert_eq(recv_soon(fd, &byte), 0);
	cr_assert_eq(control_accept_deadline_ns(accept), UINT64_MAX);
	close(fd);
	control_accept_close(accept);
	vfiomig_listener_close(listener);
}

/* Somebody who connects and says nothing, seen at @now_ns. */
static int dial_silently(struct control_accept *accept, const struct vfiomig_listener *listener, uint64_t now_ns)
{
	struct pollfd ready = { .fd = control_accept_fd(accept), .events = POLLIN };
	struct control_guest guest;
	int fd = dial(listener);

	cr_assert_eq(poll(&ready, 1, 10000), 1);
	cr_assert_eq(control_accept_poll(accept, now_ns, &guest), 0);
	return fd;
}

Test(accept, where_the_table_is_full_the_oldest_goes)
{
	struct vfiomig_listener *listener;
	struct control_accept *accept = open_accept(&listener);
	int leaver = dial_silently(accept, listener, 0), oldest = dial_silently(accept, listener, 1), second, last = -1;
	struct control_guest guest;
	uint8_t byte;

	/* One goes, so that the oldest does not lie where a search begins. */
	write_preface(leaver, WIRE_VERSION, PREFACE_CONTROL);
	close(next_guest(accept).fd);
	second = dial_silently(accept, listener, 2);
	for (unsigned i = 2; i <= ACCEPT_PENDING_MAX; i++)
		last = dial_silently(accept, listener, 1 + i);
	cr_assert_eq(recv_soon(oldest, &byte), 0);
	cr_assert_eq(recv(second, &byte, 1, MSG_DONTWAIT), -1);
	write_preface(last, WIRE_VERSION, PREFACE_CONTROL);
	guest = next_guest(accept);
	cr_assert_eq(guest.kind, PREFACE_CONTROL);
	close(guest.fd);
	control_accept_close(accept);
	cr_assert_eq(recv_soon(second, &byte), 0, "those who wait are dropped at the end");
	vfiomig_listener_close(listener);
}

Test(accept, without_descriptors_it_looks_away_and_comes_back)
{
	struct vfiomig_listener *listener;
	struct control_accept *accept = open_accept(&listener);
	struct pollfd ready = { .fd = control_accept_fd(accept), .events = POLLIN };
	struct rlimit limit, none;
	struct control_guest guest;
	int fd = dial(listener);

	write_preface(fd, WIRE_VERSION, PREFACE_LANE);
	cr_assert_eq(poll(&ready, 1, 10000), 1);
	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = limit;
	none.rlim_cur = 0;
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	cr_assert_eq(control_accept_poll(accept, 1, &guest), 0);
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	cr_assert_eq(poll(&ready, 1, 0), 0, "it would spin");
	cr_assert_eq(control_accept_deadline_ns(accept), 1 + 100 * NS_PER_MS);
	cr_assert_eq(control_accept_poll(accept, control_accept_deadline_ns(accept), &guest), 1);
	cr_assert_eq(guest.kind, PREFACE_LANE);
	close(guest.fd);
	close(fd);
	control_accept_close(accept);
	vfiomig_listener_close(listener);
}

Test(listener, a_port_in_use_is_a_preflight_error_that_names_it)
{
	struct vfiomig_listener *first, *second = (struct vfiomig_listener *)1;
	struct vfiomig_error err = { 0 };

	cr_assert_eq(vfiomig_listener_open(&first, "127.0.0.1:0", NULL), 0);
	cr_assert_eq(vfiomig_listener_open(&second, vfiomig_listener_address(first), &err), -EADDRINUSE);
	cr_assert_null(second);
	cr_assert_eq(err.code, VFIOMIG_PREFLIGHT);
	cr_assert_not_null(strstr(err.text, vfiomig_listener_address(first)), "%s", err.text);
	vfiomig_listener_close(first);
}

Test(listener, says_where_it_is_bound)
{
	struct vfiomig_listener *listener;

	cr_assert_eq(vfiomig_listener_open(&listener, "127.0.0.1:0", NULL), 0);
	cr_assert_eq(strncmp(vfiomig_listener_address(listener), "127.0.0.1:", 10), 0);
	cr_assert_gt(atoi(vfiomig_listener_address(listener) + 10), 0);
	vfiomig_listener_close(listener);
	vfiomig_listener_close(NULL);
}

Test(listener, an_address_that_cannot_be_read_is_a_usage_error)
{
	struct vfiomig_listener *listener;
	struct vfiomig_error err = { 0 };

	cr_assert_eq(vfiomig_listener_open(&listener, "nonsense", &err), -EINVAL);
	cr_assert_null(listener);
	cr_assert_eq(err.code, VFIOMIG_USAGE);
}

Test(listener, a_port_is_free_again_at_once_after_a_connection)
{
	struct vfiomig_listener *listener, *again;
	char address[ADDRESS_TEXT_BYTES];
	int fd, accepted;

	cr_assert_eq(vfiomig_listener_open(&listener, "127.0.0.1:0", NULL), 0);
	snprintf(address, sizeof(address), "%s", vfiomig_listener_address(listener));
	fd = dial(listener);
	while ((accepted = accept(listener_fd(listener), NULL, NULL)) < 0)
		cr_assert_eq(errno, EAGAIN);
	close(accepted); /* the side that closes first keeps TIME_WAIT */
	close(fd);
	vfiomig_listener_close(listener);
	cr_assert_eq(vfiomig_listener_open(&again, address, NULL), 0);
	vfiomig_listener_close(again);
}

Test(control_accept, a_listener_that_goes_leaves_a_path_that_is_anothers_by_now)
{
	char where[64], *path = where + strlen("unix:");
	struct vfiomig_listener *first, *second;

	snprintf(where, sizeof(where), "unix:/tmp/vfiomig-path-%d", (int)getpid());
	cr_assert_eq(vfiomig_listener_open(&first, where, NULL), 0);
	cr_assert_eq(unlink(path), 0);
	cr_assert_eq(vfiomig_listener_open(&second, where, NULL), 0);
	vfiomig_listener_close(first);
	cr_assert_eq(access(path, F_OK), 0);
	vfiomig_listener_close(second);
	cr_assert_neq(access(path, F_OK), 0);
}
