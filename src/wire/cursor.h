/* SPDX-License-Identifier: MIT */
/*
 * A place in a message that moves as fields are written or read. Reading past the end sets `bad` and gives zeros, so that a
 * decoder reads all its fields first and asks once.
 */
#ifndef WIRE_CURSOR_H
#define WIRE_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cursor_writer {
	uint8_t *at;
};

void cursor_put8(struct cursor_writer *to, unsigned value);
void cursor_put16(struct cursor_writer *to, unsigned value);
void cursor_put32(struct cursor_writer *to, uint32_t value);
void cursor_put64(struct cursor_writer *to, uint64_t value);
void cursor_put_bytes(struct cursor_writer *to, const void *bytes, size_t count);

struct cursor_reader {
	const uint8_t *at;
	size_t left;
	bool bad;
};

uint8_t cursor_get8(struct cursor_reader *from);
uint16_t cursor_get16(struct cursor_reader *from);
uint32_t cursor_get32(struct cursor_reader *from);
uint64_t cursor_get64(struct cursor_reader *from);
void cursor_get_bytes(struct cursor_reader *from, void *bytes, size_t count);

/* A string field of @count bytes, terminated whatever was in it. */
void cursor_get_string(struct cursor_reader *from, char *text, size_t count);

/* 0 when everything was there and nothing is left, else -EPROTO. */
int cursor_end(const struct cursor_reader *from);

#endif
