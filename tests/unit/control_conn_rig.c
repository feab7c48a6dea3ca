/* SPDX-License-Identifier: MIT */
#include "unit/control_conn_rig.h"

#include <criterion/criterion.h>

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

uint32_t conn_rig_limit(uint16_t type)
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

struct control_conn *conn_rig_open(int fd, bool accepted)
{
	struct control_config config = { .fd = fd,
					 .accepted = accepted,
					 .limit = conn_rig_limit,
					 .body_bytes_max = LARGE_BYTES,
					 .queue_bytes = QUEUE_BYTES,
					 .timeout_ms = 1000 };
	struct control_conn *conn;

	cr_assert_eq(control_open(&conn, &config, NULL), 0);
	return conn;
}

struct control_conn *conn_rig_open_with_raw(int *raw)
{
	struct control_frame frame;
	struct control_conn *conn;
	uint8_t preface[PREFACE_BYTES];
	int fds[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	conn = conn_rig_open(fds[0], true);
	cr_assert_eq(control_poll(conn, &frame, NULL), 0);
	cr_assert(control_ready(conn));
	cr_assert_eq(recv(fds[1], preface, sizeof(preface), MSG_WAITALL), PREFACE_BYTES);
	*raw = fds[1];
	return conn;
}

void conn_rig_write_all(int fd, const void *bytes, size_t count)
{
	cr_assert_eq(send(fd, bytes, count, MSG_NOSIGNAL), (ssize_t)count);
}

size_t conn_rig_make_frame(uint8_t *out, uint16_t type, const uint8_t session[16], const void *body, uint32_t bytes)
{
	struct frame_head head = { .bytes = bytes, .version = WIRE_VERSION, .type = type };

	memcpy(head.session, session, sizeof(head.session));
	frame_head_encode(out, &head);
	if (body)
		memcpy(out + FRAME_HEAD_BYTES, body, bytes);
	return FRAME_HEAD_BYTES + bytes;
}

void conn_rig_assert_fails(struct control_conn *conn, int result, const char *name)
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
