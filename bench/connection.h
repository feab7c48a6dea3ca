/* SPDX-License-Identifier: MIT */
/* A TCP connection over loopback with both ends in this process, and whole pieces over it. */
#ifndef BENCH_CONNECTION_H
#define BENCH_CONNECTION_H

#include <stddef.h>
#include <sys/types.h>

struct connection {
	int near, far; /* -1: not there; owned */
};

/* 0 or negative errno; close either way. */
int connection_open(struct connection *connection);
void connection_close(struct connection *connection);

/* Any descriptor. 0 or negative errno. */
int write_all(int fd, const void *data, size_t bytes);

/* Until @bytes are there or the stream ends: the bytes got, or negative errno. A socket gives what has come, so it is gathered. */
ssize_t read_piece(int fd, void *buffer, size_t bytes);

#endif
