/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "control/conn.h"
#include "control/frame.h"

enum { TYPE_EMPTY = 1, TYPE_SMALL = 2, TYPE_LARGE = 3, SMALL_BYTES = 100, LARGE_BYTES = 5000, QUEUE_BYTES = 8000 };

static const uint8_t session_a[16] = "session a......", session_b[16] = "session b......";

static uint32_t limit(uint16_t type)
{
	switch (type) {
	case TYPE_EMPTY:
		return 0;
	case TYPE_SMALL:
		return SMALL_BYTES;
	case TYPE_LARGE:
		return LARGE_BYTES;
	default:
		return UINT32_MAX;
	}
}

static struct control_conn *open_conn(int fd, bool accepted)
{
	struct control_config config = { .fd = fd,
		                         .accepted = accepted,
		                         .limit = limit,
		                         .body_bytes_max = LARGE_BYTES,
		                         .queue_bytes = QUEUE_BYTES,
		                         .timeout_ms = 1000 };
	struct control_conn *conn;

	cr_assert_eq(control_open(&conn, &config, NULL), 0);
	return conn;
}

/* A connection over a socketpair, ready, and the peer's bare end of it. */
static struct control_conn *open_with_raw(int *raw)
{
	struct control_frame frame;
	struct control_conn *conn;
	uint8_t preface[PREFACE_BYTES];
	int fds[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	conn = open_conn(fds[0], true);
	cr_assert_eq(control_poll(conn, &frame, NULL), 0);
	cr_assert(control_ready(conn));
	cr_assert_eq(recv(fds[1], preface, sizeof(preface), MSG_WAITALL), PREFACE_BYTES);
	*raw = fds[1];
	return conn;
}

static void write_all(int fd, const void *bytes, size_t count)
{
	cr_assert_eq(send(fd, bytes, count, MSG_NOSIGNAL), (ssize_t)count);
}

static size_t make_frame(uint8_t *out, uint16_t type, const uint8_t session[16], const void *body, uint32_t bytes)
{
	struct frame_head head = { .bytes = bytes, .version = WIRE_VERSION, .type = type };

	memcpy(head.session, session, sizeof(head.session));
	frame_head_encode(out, &head);
	if (body)
		memcpy(out + FRAME_HEAD_BYTES, body, bytes);
	return FRAME_HEAD_BYTES + bytes;
}

static void assert_fails(struct control_conn *conn, int result, const char *name)
{
	struct vfiomig_error err = { 0 }, again = { 0 };
	struct control_frame frame;

	cr_assert_eq(control_poll(conn, &frame, &err), result, "%s", err.text);
	cr_assert_str_eq(err.name, name);
	cr_assert_eq(err.errnum, -result);
	cr_assert_eq(control_poll(conn, &frame, &again), result, "it stays broken");
	cr_assert_str_eq(again.text, err.text);
	cr_assert_eq(control_send(conn, TYPE_EMPTY, NULL, 0), -EPIPE);
}

Test(conn, frames_cross_both_ways)
{
	struct control_conn *a, *b;
	struct control_frame frame;
	uint8_t preface[PREFACE_BYTES];
	int fds[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	a = open_conn(fds[0], false);
	b = open_conn(fds[1], true);
	cr_assert_eq(control_poll(a, &frame, NULL), 0);
	cr_assert_eq(recv(fds[1], preface, sizeof(preface), 0), PREFACE_BYTES, "control_accept's part");
	cr_assert_eq(control_poll(b, &frame, NULL), 0);
	cr_assert_eq(control_poll(a, &frame, NULL), 0);
	cr_assert(control_ready(a) && control_ready(b));
	control_set_session(a, session_a);
	cr_assert_eq(control_send(a, TYPE_SMALL, "hello", 5), 0);
	cr_assert_eq(control_send(a, TYPE_EMPTY, NULL, 0), 0);
	cr_assert_eq(control_poll(b, &frame, NULL), 1);
	cr_assert_eq(frame.type, TYPE_SMALL);
	cr_assert_eq(frame.bytes, 5);
	cr_assert_arr_eq(frame.body, "hello", 5);
	cr_assert_arr_eq(frame.session, session_a, 16);
	control_set_session(b, frame.session);
	cr_assert_eq(control_poll(b, &frame, NULL), 1);
	cr_assert_eq(frame.type, TYPE_EMPTY);
	cr_assert_eq(frame.bytes, 0);
	cr_assert_eq(control_poll(b, &frame, NULL), 0);
	cr_assert_eq(control_send(b, TYPE_LARGE, (uint8_t[LARGE_BYTES]){ 7 }, LARGE_BYTES), 0);
	cr_assert_eq(control_poll(a, &frame, NULL), 1);
	cr_assert_eq(frame.bytes, LARGE_BYTES);
	cr_assert_eq(frame.body[0], 7);
	control_close(a);
	control_close(b);
}

Test(conn, bytes_may_come_one_by_one)
{
	uint8_t wire[3 * (FRAME_HEAD_BYTES + 10)];
	struct control_frame frame;
	size_t bytes = 0;
	unsigned frames = 0;
	int raw;
	struct control_conn *conn = open_with_raw(&raw);

	bytes += make_frame(wire, TYPE_SMALL, session_a, "0123456789", 10);
	bytes += make_frame(wire + bytes, TYPE_EMPTY, session_a, NULL, 0);
	bytes += make_frame(wire + bytes, TYPE_SMALL, session_a, "abcdefghij", 10);
	for (size_t i = 0; i < bytes; i++) {
		write_all(raw, wire + i, 1);
		frames += (unsigned)control_poll(conn, &frame, NULL);
	}
	cr_assert_eq(frames, 3);
	cr_assert_arr_eq(frame.body, "abcdefghij", 10);
	control_close(conn);
	close(raw);
}

Test(conn, a_length_is_refused_before_any_of_it_is_taken)
{
	static const struct {
		uint16_t type;
		uint32_t bytes;
	} bad[] = { { TYPE_EMPTY, 1 }, { TYPE_SMALL, SMALL_BYTES + 1 }, { TYPE_LARGE, UINT32_MAX } };

	for (unsigned i = 0; i < 3; i++) {
		uint8_t wire[FRAME_HEAD_BYTES];
		struct frame_head head = { .bytes = bad[i].bytes, .version = WIRE_VERSION, .type = bad[i].type };
		int raw;
		struct control_conn *conn = open_with_raw(&raw);

		frame_head_encode(wire, &head);
		write_all(raw, wire, sizeof(wire));
		assert_fails(conn, -EPROTO, "frame-too-long");
		control_close(conn);
		close(raw);
	}
}

Test(conn, a_type_that_does_not_exist_is_refused)
{
	uint8_t wire[FRAME_HEAD_BYTES];
	int raw;
	struct control_conn *conn = open_with_raw(&raw);

	make_frame(wire, 99, session_a, NULL, 0);
	write_all(raw, wire, sizeof(wire));
	assert_fails(conn, -EPROTO, "frame-type");
	control_close(conn);
	close(raw);
}

Test(conn, a_frame_of_another_version_is_refused)
{
	uint8_t wire[FRAME_HEAD_BYTES];
	int raw;
	struct control_conn *conn = open_with_raw(&raw);

	make_frame(wire, TYPE_EMPTY, session_a, NULL, 0);
	put_be16(wire + 4, WIRE_VERSION + 1);
	write_all(raw, wire, sizeof(wire));
	assert_fails(conn, -EPROTO, "frame-version");
	control_close(conn);
	close(raw);
}

Test(conn, two_sessions_do_not_mix)
{
	uint8_t wire[FRAME_HEAD_BYTES];
	struct control_frame frame;
	int raw;
	struct control_conn *conn = open_with_raw(&raw);

	make_frame(wire, TYPE_EMPTY, session_b, NULL, 0);
	write_all(raw, wire, sizeof(wire));
	cr_assert_eq(control_poll(conn, &frame, NULL), 1, "before a session is set any may come");
	cr_assert_arr_eq(frame.session, session_b, 16);
	control_set_session(conn, session_a);
	make_frame(wire, TYPE_EMPTY, session_a, NULL, 0);
	write_all(raw, wire, sizeof(wire));
	cr_assert_eq(control_poll(conn, &frame, NULL), 1);
	make_frame(wire, TYPE_EMPTY, session_b, NULL, 0);
	write_all(raw, wire, sizeof(wire));
	assert_fails(conn, -EPROTO, "frame-session");
	control_close(conn);
	close(raw);
}

Test(conn, the_last_words_are_heard_before_the_end)
{
	uint8_t wire[2 * FRAME_HEAD_BYTES];
	struct control_frame frame;
	int raw;
	struct control_conn *conn = open_with_raw(&raw);

	make_frame(wire, TYPE_EMPTY, session_a, NULL, 0);
	make_frame(wire + FRAME_HEAD_BYTES, TYPE_EMPTY, session_a, NULL, 0);
	write_all(raw, wire, sizeof(wire));
	close(raw);
	/* This one fails, and must not hide what has come. */
	(void)control_send(conn, TYPE_EMPTY, NULL, 0);
	cr_assert_eq(control_poll(conn, &frame, NULL), 1);
	cr_assert_eq(control_poll(conn, &frame, NULL), 1);
	assert_fails(conn, -EPIPE, "peer-closed");
	control_close(conn);
}

Test(conn, an_end_in_the_middle_is_told_as_such)
{
	uint8_t wire[FRAME_HEAD_BYTES + 10] = { 0 };
	struct vfiomig_error err = { 0 };
	struct control_frame frame;
	int raw;
	struct control_conn *conn = open_with_raw(&raw);

	make_frame(wire, TYPE_SMALL, session_a, NULL, 10);
	write_all(raw, wire, sizeof(wire) - 1);
	close(raw);
	cr_assert_eq(control_poll(conn, &frame, &err), -EPIPE);
	cr_assert_not_null(strstr(err.text, "in the middle"), "%s", err.text);
	control_close(conn);
}

Test(conn, a_queue_that_is_full_says_so_and_keeps_whole_frames)
{
	uint8_t body[SMALL_BYTES] = { 0 }, wire[FRAME_HEAD_BYTES + SMALL_BYTES];
	struct control_frame frame;
	unsigned queued = 0, came = 0;
	int raw, result;
	struct control_conn *conn = open_with_raw(&raw);

	while ((result = control_send(conn, TYPE_SMALL, body, sizeof(body))) == 0)
		put_be32(body, ++queued);
	cr_assert_eq(result, -ENOBUFS);
	cr_assert(control_events(conn) & POLLOUT);
	cr_assert_not(control_drained(conn));
	while (came < queued) {
		cr_assert_eq(recv(raw, wire, sizeof(wire), MSG_WAITALL), (ssize_t)sizeof(wire));
		cr_assert_eq(get_be32(wire + FRAME_HEAD_BYTES), came++);
		cr_assert_eq(control_poll(conn, &frame, NULL), 0);
	}
	cr_assert(control_drained(conn));
	cr_assert_eq(control_events(conn), POLLIN);
	cr_assert_eq(control_send(conn, TYPE_SMALL, body, sizeof(body)), 0);
	control_close(conn);
	close(raw);
}

Test(conn, what_may_not_be_received_is_not_sent)
{
	int raw;
	struct control_conn *conn = open_with_raw(&raw);

	cr_assert_eq(control_send(conn, TYPE_SMALL, (uint8_t[SMALL_BYTES + 1]){ 0 }, SMALL_BYTES + 1), -EMSGSIZE);
	cr_assert_eq(control_send(conn, 99, NULL, 0), -EMSGSIZE);
	control_close(conn);
	close(raw);
}

/* A connection that awaits its peer's preface, after these bytes came as one. */
static struct control_conn *open_against(const void *bytes, size_t count, int *raw)
{
	int fds[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	write_all(fds[1], bytes, count);
	*raw = fds[1];
	return open_conn(fds[0], false);
}

Test(conn, a_peer_of_another_version_is_named_with_ours)
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

Test(conn, a_stranger_is_told_apart)
{
	int raw;
	struct control_conn *conn = open_against("SSH-2.0-OpenSSH", 15, &raw);

	assert_fails(conn, -EPROTO, "peer-unknown");
	control_close(conn);
	close(raw);
}

Test(conn, no_frame_leaves_before_the_peers_preface)
{
	const struct preface ours = { .version = WIRE_VERSION, .kind = PREFACE_CONTROL };
	uint8_t bytes[PREFACE_BYTES], got[PREFACE_BYTES + FRAME_HEAD_BYTES];
	struct control_frame frame;
	struct control_conn *conn;
	int fds[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	conn = open_conn(fds[0], false);
	cr_assert_eq(control_send(conn, TYPE_EMPTY, NULL, 0), 0);
	preface_encode(bytes, &ours);
	for (unsigned i = 0; i < PREFACE_BYTES; i++) {
		cr_assert_eq(control_poll(conn, &frame, NULL), 0);
		cr_assert_not(control_ready(conn));
		write_all(fds[1], bytes + i, 1);
	}
	cr_assert_eq(recv(fds[1], got, sizeof(got), MSG_DONTWAIT), PREFACE_BYTES);
	cr_assert_arr_eq(got, bytes, PREFACE_BYTES);
	cr_assert_eq(control_poll(conn, &frame, NULL), 0);
	cr_assert(control_ready(conn));
	cr_assert_eq(recv(fds[1], got, sizeof(got), MSG_DONTWAIT), FRAME_HEAD_BYTES);
	control_close(conn);
	close(fds[1]);
}

Test(conn, a_yank_ends_it)
{
	int raw;
	struct control_conn *conn = open_with_raw(&raw);
	struct pollfd fd = { .fd = control_fd(conn), .events = control_events(conn) };

	cr_assert_eq(poll(&fd, 1, 0), 0);
	control_shutdown(conn);
	cr_assert_eq(poll(&fd, 1, 10000), 1);
	assert_fails(conn, -EPIPE, "peer-closed");
	control_close(conn);
	control_close(NULL);
	close(raw);
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

Test(conn, frames_go_through_the_stream_and_prefaces_do_not)
{
	static const struct control_stream_ops veiled = { veiled_read, veiled_write, veiled_events, veiled_close };
	unsigned closed = 0;
	struct control_config config = { .accepted = true,
		                         .stream = &veiled,
		                         .stream_state = &closed,
		                         .limit = limit,
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
	write_all(fds[1], wire + PREFACE_BYTES, sizeof(wire) - PREFACE_BYTES);
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

Test(conn, connects_from_the_address_that_is_given)
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
	conn = open_conn(fd, false);
	fd = accept(listener, (struct sockaddr *)&from, &from_bytes);
	cr_assert_eq(from.sin_addr.s_addr, htonl(INADDR_LOOPBACK + 1));
	preface_encode(bytes, &ours);
	write_all(fd, bytes, sizeof(bytes));
	cr_assert_eq(poll_until(conn, NULL), 0);
	cr_assert(control_ready(conn));
	control_close(conn);
	close(fd);
	close(listener);
}

Test(conn, a_refused_connection_names_the_address)
{
	struct sockaddr_storage peer = { 0 };
	struct vfiomig_error err = { 0 };
	struct control_conn *conn;
	int fd;

	close(listen_on(&peer));
	fd = control_connect_start(&peer, NULL, &err);
	cr_assert_geq(fd, 0, "%s", err.text);
	struct control_config config = {
		.fd = fd, .limit = limit, .queue_bytes = 100, .timeout_ms = 1000, .peer = peer
	};
	cr_assert_eq(control_open(&conn, &config, NULL), 0);
	cr_assert_eq(poll_until(conn, &err), -ECONNREFUSED);
	cr_assert_not_null(strstr(err.text, "127.0.0.1:"), "%s", err.text);
	control_close(conn);
}

Test(conn, an_address_that_is_not_ours_cannot_be_bound)
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
