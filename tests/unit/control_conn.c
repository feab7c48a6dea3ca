/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "unit/control_conn_rig.h"

static const uint8_t session_a[16] = "session a......", session_b[16] = "session b......";

Test(conn, frames_cross_both_ways)
{
	struct control_conn *a, *b;
	struct control_frame frame;
	uint8_t preface[PREFACE_BYTES];
	int fds[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	a = conn_rig_open(fds[0], false);
	b = conn_rig_open(fds[1], true);
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
	struct control_conn *conn = conn_rig_open_with_raw(&raw);

	bytes += conn_rig_make_frame(wire, TYPE_SMALL, session_a, "0123456789", 10);
	bytes += conn_rig_make_frame(wire + bytes, TYPE_EMPTY, session_a, NULL, 0);
	bytes += conn_rig_make_frame(wire + bytes, TYPE_SMALL, session_a, "abcdefghij", 10);
	for (size_t i = 0; i < bytes; i++) {
		conn_rig_write_all(raw, wire + i, 1);
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
		struct control_conn *conn = conn_rig_open_with_raw(&raw);

		frame_head_encode(wire, &head);
		conn_rig_write_all(raw, wire, sizeof(wire));
		conn_rig_assert_fails(conn, -EPROTO, "frame-too-long");
		control_close(conn);
		close(raw);
	}
}

Test(conn, a_type_that_does_not_exist_is_refused)
{
	uint8_t wire[FRAME_HEAD_BYTES];
	int raw;
	struct control_conn *conn = conn_rig_open_with_raw(&raw);

	conn_rig_make_frame(wire, 99, session_a, NULL, 0);
	conn_rig_write_all(raw, wire, sizeof(wire));
	conn_rig_assert_fails(conn, -EPROTO, "frame-type");
	control_close(conn);
	close(raw);
}

Test(conn, a_frame_of_another_version_is_refused)
{
	uint8_t wire[FRAME_HEAD_BYTES];
	int raw;
	struct control_conn *conn = conn_rig_open_with_raw(&raw);

	conn_rig_make_frame(wire, TYPE_EMPTY, session_a, NULL, 0);
	put_be16(wire + 4, WIRE_VERSION + 1);
	conn_rig_write_all(raw, wire, sizeof(wire));
	conn_rig_assert_fails(conn, -EPROTO, "frame-version");
	control_close(conn);
	close(raw);
}

Test(conn, two_sessions_do_not_mix)
{
	uint8_t wire[FRAME_HEAD_BYTES];
	struct control_frame frame;
	int raw;
	struct control_conn *conn = conn_rig_open_with_raw(&raw);

	conn_rig_make_frame(wire, TYPE_EMPTY, session_b, NULL, 0);
	conn_rig_write_all(raw, wire, sizeof(wire));
	cr_assert_eq(control_poll(conn, &frame, NULL), 1, "before a session is set any may come");
	cr_assert_arr_eq(frame.session, session_b, 16);
	control_set_session(conn, session_a);
	conn_rig_make_frame(wire, TYPE_EMPTY, session_a, NULL, 0);
	conn_rig_write_all(raw, wire, sizeof(wire));
	cr_assert_eq(control_poll(conn, &frame, NULL), 1);
	conn_rig_make_frame(wire, TYPE_EMPTY, session_b, NULL, 0);
	conn_rig_write_all(raw, wire, sizeof(wire));
	conn_rig_assert_fails(conn, -EPROTO, "frame-session");
	control_close(conn);
	close(raw);
}

Test(conn, the_last_words_are_heard_before_the_end)
{
	uint8_t wire[2 * FRAME_HEAD_BYTES];
	struct control_frame frame;
	int raw;
	struct control_conn *conn = conn_rig_open_with_raw(&raw);

	conn_rig_make_frame(wire, TYPE_EMPTY, session_a, NULL, 0);
	conn_rig_make_frame(wire + FRAME_HEAD_BYTES, TYPE_EMPTY, session_a, NULL, 0);
	conn_rig_write_all(raw, wire, sizeof(wire));
	close(raw);
	/* This one fails, and must not hide what has come. */
	(void)control_send(conn, TYPE_EMPTY, NULL, 0);
	cr_assert_eq(control_poll(conn, &frame, NULL), 1);
	cr_assert_eq(control_poll(conn, &frame, NULL), 1);
	conn_rig_assert_fails(conn, -EPIPE, "peer-closed");
	control_close(conn);
}

Test(conn, a_peer_that_only_stops_reading_is_lost_too)
{
	int raw;
	struct control_conn *conn = conn_rig_open_with_raw(&raw);

	cr_assert_eq(shutdown(raw, SHUT_RD), 0);
	(void)control_send(conn, TYPE_EMPTY, NULL, 0);
	conn_rig_assert_fails(conn, -EPIPE, "peer-closed");
	control_close(conn);
	close(raw);
}

Test(conn, an_end_in_the_middle_is_told_as_such)
{
	uint8_t wire[FRAME_HEAD_BYTES + 10] = { 0 };
	struct vfiomig_error err = { 0 };
	struct control_frame frame;
	int raw;
	struct control_conn *conn = conn_rig_open_with_raw(&raw);

	conn_rig_make_frame(wire, TYPE_SMALL, session_a, NULL, 10);
	conn_rig_write_all(raw, wire, sizeof(wire) - 1);
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
	struct control_conn *conn = conn_rig_open_with_raw(&raw);

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
	struct control_conn *conn = conn_rig_open_with_raw(&raw);

	cr_assert_eq(control_send(conn, TYPE_SMALL, (uint8_t[SMALL_BYTES + 1]){ 0 }, SMALL_BYTES + 1), -EMSGSIZE);
	cr_assert_eq(control_send(conn, 99, NULL, 0), -EMSGSIZE);
	control_close(conn);
	close(raw);
}
