/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "unit/control_conn_rig.h"

/* A connection that awaits its peer's preface, after these bytes came as one. */
static struct control_conn *open_against(const void *bytes, size_t count, int *raw)
{
	int fds[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	conn_rig_write_all(fds[1], bytes, count);
	*raw = fds[1];
	return conn_rig_open(fds[0], false);
}

Test(conn_open, a_peer_of_another_version_is_named_with_ours)
{
	const struct preface other = { .version = 9, .kind = PREFACE_CONTROL };
	struct vfiomig_error err = { 0 };
	struct control_frame frame;
	uint8_t bytes[PREFACE_BYTES];
	struct control_conn *conn;
	int raw;

	preface_encode(bytes, &other);
	conn = open_against(bytes, sizeof(bytes), &raw);
	cr_assert_eq(control_poll(conn, &frame, &err), -EPROTONOSUPPORT);
	cr_assert_eq(err.code, VFIOMIG_PREFLIGHT);
	cr_assert_not_null(strstr(err.text, "version 9"), "%s", err.text);
	cr_assert_not_null(strstr(err.text, "version 1"), "%s", err.text);
	control_close(conn);
	close(raw);
}

Test(conn_open, a_stranger_is_told_apart)
{
	int raw;
	struct control_conn *conn = open_against("SSH-2.0-OpenSSH", 15, &raw);

	conn_rig_assert_fails(conn, -EPROTO, "peer-unknown");
	control_close(conn);
	close(raw);
}

Test(conn_open, no_frame_leaves_before_the_peers_preface)
{
	const struct preface ours = { .version = WIRE_VERSION, .kind = PREFACE_CONTROL };
	uint8_t bytes[PREFACE_BYTES], got[PREFACE_BYTES + FRAME_HEAD_BYTES];
	struct control_frame frame;
	struct control_conn *conn;
	int fds[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	conn = conn_rig_open(fds[0], false);
	cr_assert_eq(control_send(conn, TYPE_EMPTY, NULL, 0), 0);
	preface_encode(bytes, &ours);
	for (unsigned i = 0; i < PREFACE_BYTES; i++) {
		cr_assert_eq(control_poll(conn, &frame, NULL), 0);
		cr_assert_not(control_ready(conn));
		conn_rig_write_all(fds[1], bytes + i, 1);
	}
	cr_assert_eq(recv(fds[1], got, sizeof(got), MSG_DONTWAIT), PREFACE_BYTES);
	cr_assert_arr_eq(got, bytes, PREFACE_BYTES);
	cr_assert_eq(control_poll(conn, &frame, NULL), 0);
	cr_assert(control_ready(conn));
	cr_assert_eq(recv(fds[1], got, sizeof(got), MSG_DONTWAIT), FRAME_HEAD_BYTES);
	control_close(conn);
	close(fds[1]);
}

/* A stream that veils every byte, takes and gives one at a time, and wants to be writable in order to read. */
static ssize_t veiled_read(struct control_stream *stream, void *to, size_t bytes)
{
	ssize_t got = bytes ? recv(stream->fd, to, 1, MSG_DONTWAIT) : 0;

	if (got == 1)
		*(uint8_t *)to ^= 0x5a;
	return got < 0 ? -errno : got;
}

static ssize_t veiled_write(struct control_stream *stream, const void *from, size_t bytes)
{
	uint8_t byte = *(const uint8_t *)from ^ 0x5a;
	ssize_t sent = bytes ? send(stream->fd, &byte, 1, MSG_DONTWAIT) : 0;

	return sent < 0 ? -errno : sent;
}

static short veiled_events(const struct control_stream *stream, int writing)
{
	(void)stream;
	(void)writing;
	return POLLOUT;
}

static void veiled_close(struct control_stream *stream)
{
	*(unsigned *)stream->state += 1;
}

Test(conn_open, frames_go_through_the_stream_and_prefaces_do_not)
{
	static const struct control_stream_ops veiled = { .preface_kind = PREFACE_CONTROL,
							  .read = veiled_read,
							  .write = veiled_write,
							  .events = veiled_events,
							  .close = veiled_close };
	unsigned closed = 0;
	struct control_config config = { .accepted = true,
					 .stream = &veiled,
					 .stream_state = &closed,
					 .limit = conn_rig_limit,
					 .body_bytes_max = LARGE_BYTES,
					 .queue_bytes = QUEUE_BYTES };
	uint8_t wire[PREFACE_BYTES + FRAME_HEAD_BYTES + 3];
	struct control_frame frame;
	struct control_conn *conn;
	struct preface preface;
	int fds[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	config.fd = fds[0];
	cr_assert_eq(control_open(&conn, &config, NULL), 0);
	cr_assert_eq(control_send(conn, TYPE_SMALL, "abc", 3), 0);
	cr_assert_eq(control_poll(conn, &frame, NULL), 0);
	cr_assert_eq(control_events(conn), POLLOUT);
	cr_assert_eq(recv(fds[1], wire, sizeof(wire), MSG_WAITALL), (ssize_t)sizeof(wire));
	cr_assert_eq(preface_decode(&preface, wire), 0);
	cr_assert_eq(wire[sizeof(wire) - 1] ^ 0x5a, 'c');
	conn_rig_write_all(fds[1], wire + PREFACE_BYTES, sizeof(wire) - PREFACE_BYTES);
	cr_assert_eq(control_poll(conn, &frame, NULL), 1);
	cr_assert_arr_eq(frame.body, "abc", 3);
	control_close(conn);
	cr_assert_eq(closed, 1);
	close(fds[1]);
}

static int listen_on(struct sockaddr_storage *address)
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t bytes = sizeof(*address);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	cr_assert_eq(bind(fd, (struct sockaddr *)&any, sizeof(any)), 0);
	cr_assert_eq(listen(fd, 1), 0);
	cr_assert_eq(getsockname(fd, (struct sockaddr *)address, &bytes), 0);
	return fd;
}

/* Poll @conn, sleeping as a session would, until it says something. */
static int poll_until(struct control_conn *conn, struct vfiomig_error *err)
{
	struct control_frame frame;
	int result;

	while ((result = control_poll(conn, &frame, err)) == 0 && !control_ready(conn)) {
		struct pollfd fd = { .fd = control_fd(conn), .events = control_events(conn) };

		cr_assert_eq(poll(&fd, 1, 10000), 1);
	}
	return result;
}

Test(conn_open, connects_from_the_address_that_is_given)
{
	const struct preface ours = { .version = WIRE_VERSION, .kind = PREFACE_CONTROL };
	struct sockaddr_storage peer = { 0 }, local = { 0 };
	struct sockaddr_in from;
	socklen_t from_bytes = sizeof(from);
	uint8_t bytes[PREFACE_BYTES];
	struct control_conn *conn;
	int listener = listen_on(&peer), fd;

	((struct sockaddr_in *)&local)->sin_family = AF_INET;
	((struct sockaddr_in *)&local)->sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1);
	fd = control_connect_start(&peer, &local, NULL);
	cr_assert_geq(fd, 0);
	conn = conn_rig_open(fd, false);
	fd = accept(listener, (struct sockaddr *)&from, &from_bytes);
	cr_assert_eq(from.sin_addr.s_addr, htonl(INADDR_LOOPBACK + 1));
	preface_encode(bytes, &ours);
	conn_rig_write_all(fd, bytes, sizeof(bytes));
	cr_assert_eq(poll_until(conn, NULL), 0);
	cr_assert(control_ready(conn));
	control_close(conn);
	close(fd);
	close(listener);
}

Test(conn_open, a_refused_connection_names_the_address)
{
	struct sockaddr_storage peer = { 0 };
	struct vfiomig_error err = { 0 };
	struct control_conn *conn;
	int fd;

	close(listen_on(&peer));
	fd = control_connect_start(&peer, NULL, &err);
	cr_assert_geq(fd, 0, "%s", err.text);
	struct control_config config = {
		.fd = fd, .limit = conn_rig_limit, .queue_bytes = 100, .timeout_ms = 1000, .peer = peer
	};
	cr_assert_eq(control_open(&conn, &config, NULL), 0);
	cr_assert_eq(poll_until(conn, &err), -ECONNREFUSED);
	cr_assert_not_null(strstr(err.text, "127.0.0.1:"), "%s", err.text);
	control_close(conn);
}

Test(conn_open, an_address_that_is_not_ours_cannot_be_bound)
{
	struct sockaddr_storage peer = { 0 }, local = { 0 };
	struct vfiomig_error err = { 0 };
	int listener = listen_on(&peer);

	((struct sockaddr_in *)&local)->sin_family = AF_INET;
	((struct sockaddr_in *)&local)->sin_addr.s_addr = htonl(0xc0000201);
	cr_assert_eq(control_connect_start(&peer, &local, &err), -EADDRNOTAVAIL);
	cr_assert_not_null(strstr(err.text, "192.0.2.1"), "%s", err.text);
	close(listener);
}
