/* SPDX-License-Identifier: MIT */
/* What the tests of the control connection stand on: three types of message, and a peer that is a bare socket. */
#ifndef TESTS_CONTROL_CONN_RIG_H
#define TESTS_CONTROL_CONN_RIG_H

#include "control/conn.h"
#include "control/frame.h"

enum { TYPE_EMPTY = 1, TYPE_SMALL = 2, TYPE_LARGE = 3, SMALL_BYTES = 100, LARGE_BYTES = 5000, QUEUE_BYTES = 8000 };

uint32_t conn_rig_limit(uint16_t type);
struct control_conn *conn_rig_open(int fd, bool accepted);
/* A connection over a socketpair, ready, and the peer's bare end of it. */
struct control_conn *conn_rig_open_with_raw(int *raw);
void conn_rig_write_all(int fd, const void *bytes, size_t count);
size_t conn_rig_make_frame(uint8_t *out, uint16_t type, const uint8_t session[16], const void *body, uint32_t bytes);
/* The next poll, and every one after it, fails like this. */
void conn_rig_assert_fails(struct control_conn *conn, int result, const char *name);

#endif
